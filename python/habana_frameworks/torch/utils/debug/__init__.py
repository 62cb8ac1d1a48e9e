"""Looks under the bridge's bonnet. What has no counterpart here says so by name when it is called."""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict

from habana_frameworks.torch import _native
from habana_frameworks.torch.internal.bridge_config import get_flag

from . import dynamo_utils, logger

__all__ = ["dynamo_utils", "logger"]


def _bridge_cleanup() -> None:
    """Finishes what the device was given; between tests."""
    if _native.is_initialized():
        _native.synchronize()


def _hg_print(*message: Any) -> None:
    """Prints into the bridge's log: standard error."""
    print(*message, file=sys.stderr)


_hb_print = _hg_print


def _get_fallback_op_count() -> Dict[str, int]:
    """How often each operator fell back to the CPU since the process began."""
    return dict(_native.fallback_counts())


def _mem_log(message: str = "") -> None:
    """Prints how much device memory is in use, on standard error."""
    from habana_frameworks.torch.hpu.memory import memory_stats

    stats = memory_stats()
    print(f"{message}: InUse {stats['InUse']}, MaxInUse {stats['MaxInUse']}, Limit {stats['Limit']}", file=sys.stderr)


def _is_enabled_lazy_collectives() -> bool:
    """Whether PT_HPU_ENABLE_LAZY_COLLECTIVES is set: collectives can be captured."""
    return bool(get_flag("PT_HPU_ENABLE_LAZY_COLLECTIVES"))


def clear_dynamic_bucket_recipe_info() -> None:
    """For compatibility: graphs of changing shapes are not bucketed."""


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith(("_enable_", "_disable_")):
        # A pass of the vendor's compiler: switching it changes no result.
        return lambda *args, **kwargs: None
    if name.startswith(("_memstat_", "_dump_", "_get_", "_set_")):

        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError(f"utils.debug.{name} is not supported")

        return refuse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
