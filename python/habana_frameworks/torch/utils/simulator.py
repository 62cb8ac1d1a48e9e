"""What the simulated card tells about itself: simulated time, what its engines did, and timelines. RuntimeError on a device that is not simulated.

Times are picoseconds of the simulated machine since it was opened; no call here costs simulated time, but each one finishes what was submitted.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Iterator, List, Optional

from habana_frameworks.torch import _native


@dataclasses.dataclass(frozen=True)
class EngineStatistics:
    """One engine or memory since the last reset."""

    name: str  # "DMA2", "MME0", "TPC3", "HBM", "SRAM", "PCIe"
    busy_ps: int  # time with work in it
    commands: int
    bytes_read: int
    bytes_written: int
    fence_wait_ps: int  # of its queues' streams, summed


@dataclasses.dataclass(frozen=True)
class Statistics:
    """The whole card since the last reset; `now_ps` counts from its opening."""

    now_ps: int
    packets: int
    submissions: int
    engines: List[EngineStatistics]


def host_time_ps() -> int:
    """The host's timeline: simulated time on a simulated card; on a card behind the kernel driver that driver's clock, in whole nanoseconds. RuntimeError elsewhere."""
    return _native.host_time_ps()


def statistics() -> Statistics:
    """The counters as they are now."""
    raw = _native.simulator_statistics()
    engines = [EngineStatistics(**engine) for engine in raw.pop("engines")]
    return Statistics(engines=engines, **raw)


def reset_statistics() -> None:
    """Sets the counters to zero; the time goes on."""
    _native.reset_simulator_statistics()


@contextlib.contextmanager
def trace(path: Optional[str]) -> Iterator[None]:
    """Writes a timeline of the body to `path`, for ui.perfetto.dev. None traces nothing."""
    if path is None:
        yield
        return
    _native.start_trace()
    try:
        yield
    except BaseException:
        _native.stop_trace("")
        raise
    _native.stop_trace(path)
