"""Which device there is, what it can do, and contexts that choose it. One process has one device: index 0."""

from __future__ import annotations

import os
import warnings
from types import TracebackType
from typing import Any, List, Optional, Type, Union

import torch

from habana_frameworks.torch import _native

from ._utils import DeviceLike, _checked_index, _get_device_index

_SYNC_DEBUG_MODES = {"default": 0, "warn": 1, "error": 2}
_sync_debug_mode = 0
_deterministic = False


def init() -> None:
    """Opens the device now instead of on first use."""
    _native.init()


def is_initialized() -> bool:
    """Whether the device is open."""
    return _native.is_initialized()


def is_available() -> bool:
    """Whether the device that OPENHPU_DEVICE names exists. Leaves it closed."""
    try:
        _native.probe()
    except RuntimeError:
        return False
    return True


def device_count() -> int:
    """How many devices this process may use: one, or none if there is no such device."""
    return 1 if is_available() else 0


def current_device() -> int:
    """0: one process has one device."""
    return 0


def set_device(device: DeviceLike) -> None:
    """Accepts device 0, the only one."""
    index = _get_device_index(device)
    if index > 0:
        raise AssertionError("Invalid device id")


def get_device_name(device: DeviceLike = None) -> str:
    """"GAUDI2" for a Gaudi2, "GAUDI" for a first-generation one, and so on: the chip's name in capitals."""
    _checked_index(device)
    return _native.probe()["name"]


def get_device_capability(device: DeviceLike = None) -> str:
    """The version of the software stack that answers for the device: "major.minor.patch"."""
    _checked_index(device)
    return "1.19.0"


def get_device_properties(device: DeviceLike = None) -> str:
    """The device's properties as text."""
    _checked_index(device)
    found = _native.probe()
    return (
        f"(sramBaseAddress={found['sram_base']:#x}, dramBaseAddress={found['dram_base']:#x}, sramSize={found['sram_bytes']}, "
        f"dramSize={found['dram_bytes']}, tpcEnabledMask={(1 << found['tpcs']) - 1:#x}, dramEnabled=1, fd=-1, device_id=0, device_type={found['name']})"
    )


def can_device_access_peer(device: DeviceLike, peer_device: DeviceLike) -> bool:
    """False: a process has one device, which is not its own peer."""
    for each in (device, peer_device):
        if _get_device_index(each, optional=True) != 0:
            raise AssertionError("Invalid device id")
    return False


def get_arch_list() -> List[str]:
    """The names of the chips that programs are compiled for: the device's own."""
    return [get_device_name()] if is_available() else []


def get_gencode_flags() -> str:
    """Empty: there are no flags of a compiler's."""
    return ""


def is_bf16_supported() -> bool:
    """True: every chip has bf16."""
    return True


def memory_usage(device: DeviceLike = None) -> float:
    """Percent of the device's memory that is in use."""
    from .memory import memory_stats

    _checked_index(device)
    stats = memory_stats()
    return 100.0 * stats["InUse"] / stats["Limit"]


def utilization(device: DeviceLike = None) -> int:
    """Not supported: it is a reading of a real card's management library (pyhlml)."""
    _checked_index(device)
    raise NotImplementedError("hpu.utilization reads a card's management library (pyhlml); for a simulated one see habana_frameworks.torch.utils.simulator.statistics")


def synchronize(device: DeviceLike = None) -> None:
    """Launches what is pending on every stream and waits until the device has finished."""
    _checked_index(device)
    _native.synchronize()


def set_sync_debug_mode(debug_mode: Union[int, str]) -> None:
    """"default" or 0, "warn" or 1, "error" or 2. Kept and answered; no operation of this device synchronises behind the program's back."""
    global _sync_debug_mode
    if isinstance(debug_mode, str):
        if debug_mode not in _SYNC_DEBUG_MODES:
            raise RuntimeError("invalid value of debug_mode, expected one of `default`, `warn`, `error`")
        debug_mode = _SYNC_DEBUG_MODES[debug_mode]
    if debug_mode not in _SYNC_DEBUG_MODES.values():
        raise RuntimeError("invalid value of debug_mode, expected one of 0, 1, 2")
    _sync_debug_mode = debug_mode
    os.environ["PT_ENABLE_HABANA_STREAMASYNC"] = "1" if debug_mode == 0 else "0"


def get_sync_debug_mode() -> int:
    """What `set_sync_debug_mode` set; 0 at first."""
    return _sync_debug_mode


def setDeterministic(val: bool) -> None:  # noqa: N802  the vendor's name
    """Deprecated: torch.use_deterministic_algorithms. Every operation here is deterministic."""
    global _deterministic
    warnings.warn("setDeterministic is deprecated; use torch.use_deterministic_algorithms instead", DeprecationWarning, stacklevel=2)
    _deterministic = bool(val)


def getDeterministic() -> bool:  # noqa: N802  the vendor's name
    """Deprecated: torch.are_deterministic_algorithms_enabled. What `setDeterministic` set."""
    warnings.warn("getDeterministic is deprecated; use torch.are_deterministic_algorithms_enabled instead", DeprecationWarning, stacklevel=2)
    return _deterministic or torch.are_deterministic_algorithms_enabled()


class device:  # noqa: N801  the vendor's name
    """`with ht.hpu.device(d):` makes `d` the current device: device 0; a negative index changes nothing."""

    def __init__(self, device: Any) -> None:
        self.idx = _get_device_index(device, optional=True)
        self.prev_idx = -1

    def __enter__(self) -> None:
        if self.idx > 0:
            raise AssertionError("Invalid device id")
        self.prev_idx = 0

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> bool:
        return False


class device_of(device):  # noqa: N801  the vendor's name
    """`with ht.hpu.device_of(tensor):` makes the tensor's device current; a tensor that is not on hpu changes nothing."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.device.type == "hpu" else -1)
