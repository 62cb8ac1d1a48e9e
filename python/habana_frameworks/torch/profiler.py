"""Timelines of the device: `setup_profiler(path)`, `start_profiler()`, `stop_profiler()` write one for ui.perfetto.dev. On a simulated device only."""

from __future__ import annotations

from typing import Any

from habana_frameworks.torch import _native

__all__ = ["setup_profiler", "start_profiler", "stop_profiler"]

_path = "hpu_profile.json"


def setup_profiler(path: str = "hpu_profile.json", *args: Any, **kwargs: Any) -> None:
    """Names the file that the next `stop_profiler` writes."""
    global _path
    del args, kwargs
    _path = path


def start_profiler() -> None:
    """Starts recording what the engines do."""
    _native.start_trace()


def stop_profiler() -> None:
    """Ends the recording and writes the file."""
    _native.stop_trace(_path)
