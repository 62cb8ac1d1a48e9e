"""Device memory: how much there is, and who holds it. The keys are the vendor's."""

from __future__ import annotations

import warnings
from typing import Any, Dict, Tuple

from habana_frameworks.torch import _native

from ._utils import DeviceLike, _checked_index

# Counted from the last reset_accumulated_memory_stats on: what the device had counted then.
_accumulated_base = {"allocations": 0, "frees": 0}


def _counters() -> Dict[str, int]:
    return _native.memory_counters()


def memory_stats(device: DeviceLike = None) -> Dict[str, int]:
    """Limit, InUse, MaxInUse (bytes), NumAllocs, NumFrees, ActiveAllocs, MaxAllocSize (bytes), TotalSystemAllocs, TotalSystemFrees, TotalActiveAllocs."""
    _checked_index(device)
    counters = _counters()
    allocations = counters["allocations"] - _accumulated_base["allocations"]
    frees = counters["frees"] - _accumulated_base["frees"]
    active = counters["allocations"] - counters["frees"]
    return {
        "Limit": counters["limit"],
        "InUse": counters["allocated"],
        "MaxInUse": counters["peak_allocated"],
        "NumAllocs": allocations,
        "NumFrees": frees,
        "ActiveAllocs": active,
        "MaxAllocSize": counters["largest"],
        "TotalSystemAllocs": counters["allocations"],
        "TotalSystemFrees": counters["frees"],
        "TotalActiveAllocs": active,
    }


def memory_allocated(device: DeviceLike = None) -> int:
    """Bytes of device memory that tensors hold, and constants derived from weights. Workspaces, one for all graphs of a stream, are in the extended summary."""
    return memory_stats(device)["InUse"]


def max_memory_allocated(device: DeviceLike = None) -> int:
    """The most that `memory_allocated` was, since the last `reset_peak_memory_stats`."""
    return memory_stats(device)["MaxInUse"]


def memory_reserved(device: DeviceLike = None) -> int:
    """Bytes that the allocator may hand out: all of the device's."""
    return memory_stats(device)["Limit"]


def max_memory_reserved(device: DeviceLike = None) -> int:
    """The same as `memory_reserved`."""
    return memory_stats(device)["Limit"]


def memory_cached(device: DeviceLike = None) -> int:
    """Deprecated: memory_reserved."""
    warnings.warn("torch.hpu.memory_cached has been renamed to torch.hpu.memory_reserved", FutureWarning, stacklevel=2)
    return memory_reserved(device)


def max_memory_cached(device: DeviceLike = None) -> int:
    """Deprecated: max_memory_reserved."""
    warnings.warn("torch.hpu.max_memory_cached has been renamed to torch.hpu.max_memory_reserved", FutureWarning, stacklevel=2)
    return max_memory_reserved(device)


def mem_get_info(device: DeviceLike = None) -> Tuple[int, int]:
    """(free, total) bytes of device memory."""
    stats = memory_stats(device)
    return stats["Limit"] - stats["InUse"], stats["Limit"]


def reset_peak_memory_stats(device: DeviceLike = None) -> None:
    """MaxInUse becomes InUse."""
    _checked_index(device)
    _native.reset_peak_memory()


def reset_accumulated_memory_stats(device: DeviceLike = None) -> None:
    """NumAllocs and NumFrees count from zero again."""
    _checked_index(device)
    counters = _counters()
    for name in _accumulated_base:
        _accumulated_base[name] = counters[name]


def memory_summary(device: DeviceLike = None, abbreviated: bool = False) -> str:
    """The statistics as text, one a line."""
    del abbreviated
    stats = memory_stats(device)
    lines = ["HPU memory summary"]
    for name in ("Limit", "InUse", "MaxInUse"):
        lines.append(f"{name}: {stats[name] / 2**30:.2f} GB")
    for name in ("NumAllocs", "NumFrees"):
        lines.append(f"{name}: {stats[name]}")
    lines.append(f"MaxAllocSize: {stats['MaxAllocSize'] / 2**20:.2f} MB")
    lines.append(f"ActiveAllocs: {stats['ActiveAllocs']}")
    return "\n".join(lines) + "\n"


def _extended_memory_summary_dict(device: DeviceLike = None) -> Dict[str, Any]:
    """The statistics in the vendor's extended form."""
    stats = memory_stats(device)
    workspace = _counters()["workspace"]
    return {
        "limit": stats["Limit"],
        "in_use": stats["InUse"] + workspace,
        "persistent": stats["InUse"],
        "workspace": workspace,
        "last_workspace": workspace,
        "future": 0,  # a tensor without memory has none to come
        "max_cntgs_chunk": stats["Limit"] - stats["InUse"] - workspace,
        "max_in_use": stats["MaxInUse"],
        "num_allocs": stats["NumAllocs"],
        "num_free": stats["NumFrees"],
        "max_alloc_size": stats["MaxAllocSize"],
        "active_allocs": stats["ActiveAllocs"],
    }


def _extended_memory_summary(device: DeviceLike = None) -> str:
    """`_extended_memory_summary_dict` as text."""
    return "".join(f"{name}: {value}\n" for name, value in _extended_memory_summary_dict(device).items())
