"""Tools around the device."""

from __future__ import annotations

import importlib
from typing import Any

_PARTS = ("_debug_C", "at_exit", "debug", "distributed_utils", "event_dispatcher", "experimental", "internal", "profiler", "simulator")


def __getattr__(name: str) -> Any:
    # `ht.utils.simulator` works without an import of its own, and costs nothing until then.
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
