"""Events: points in a stream that others can wait for; with timing, the device's own clock."""

from __future__ import annotations

from typing import Optional

import torch

from habana_frameworks.torch import _native

from .streams import Stream, current_stream


class Event:
    """A point in a stream. `enable_timing` makes `elapsed_time` possible. It may be recorded again: then it is the later point."""

    def __init__(self, enable_timing: bool = False) -> None:
        self._event = _native.Event(enable_timing)
        self._stream: Optional[Stream] = None  # that it was recorded on last

    @property
    def device(self) -> Optional[torch.device]:
        """The device of the stream that it was recorded on; None before."""
        return None if self._stream is None else self._stream.device

    @property
    def hpu_event(self) -> int:
        """An opaque handle; 0 before it is recorded."""
        return 0 if self._stream is None else id(self._event)

    def record(self, stream: Optional[Stream] = None) -> None:
        """Marks this point of `stream` (default: the current one); launches what is pending on it."""
        stream = current_stream() if stream is None else stream
        if self.device is not None and self.device != stream.device:
            raise RuntimeError(f"Event device {self.device} does not match recording stream's device {stream.device}.")
        self._event.record(stream.stream_id)
        self._stream = stream

    def wait(self, stream: Optional[Stream] = None) -> None:
        """Later work on `stream` (default: the current one) starts after this event; the host does not wait."""
        stream = current_stream() if stream is None else stream
        if self._stream is not None and self._stream != stream:
            self._event.wait(stream.stream_id)

    def query(self) -> bool:
        """Whether everything before the event has finished."""
        return self._event.query()

    def synchronize(self) -> None:
        """Waits until everything before the event has finished."""
        self._event.synchronize()

    def elapsed_time(self, end_event: "Event") -> float:
        """Milliseconds of device time from this event to `end_event`; both were recorded with timing."""
        return self._event.elapsed_time(end_event._event)

    def __repr__(self) -> str:
        return f"<htorch.hpu.Event {self.hpu_event:#x}>" if self._stream is not None else "<htorch.hpu.Event uninitialized>"
