"""Events: points in a stream that others can wait for; with timing, the device's own clock."""

from __future__ import annotations

from typing import Optional

from habana_frameworks.torch import _native

from .streams import Stream, current_stream


class Event:
    """A point in a stream. `enable_timing` makes `elapsed_time` possible."""

    def __init__(self, enable_timing: bool = False) -> None:
        self._event = _native.Event(enable_timing)

    def record(self, stream: Optional[Stream] = None) -> None:
        """Marks this point of `stream` (default: the current one); launches what is pending on it."""
        self._event.record((stream or current_stream()).stream_id)

    def wait(self, stream: Optional[Stream] = None) -> None:
        """Later work on `stream` starts after this event; the host does not wait."""
        self._event.wait((stream or current_stream()).stream_id)

    def query(self) -> bool:
        """Whether everything before the event has finished."""
        return self._event.query()

    def synchronize(self) -> None:
        """Waits until everything before the event has finished."""
        self._event.synchronize()

    def elapsed_time(self, end_event: "Event") -> float:
        """Milliseconds of device time from this event to `end_event`; both were recorded with timing."""
        return self._event.elapsed_time(end_event._event)
