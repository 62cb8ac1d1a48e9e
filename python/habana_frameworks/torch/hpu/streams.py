"""Streams: queues of work that the device may run side by side. Work on one stream runs in order."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Optional, Type

import torch

from habana_frameworks.torch import _native

if TYPE_CHECKING:
    from .events import Event


class Stream:
    """A new stream of the device. `stream_id` wraps an existing one (0 is the default stream)."""

    def __init__(self, device: object = None, priority: int = 0, *, stream_id: Optional[int] = None) -> None:
        del device, priority
        self.stream_id: int = _native.create_stream() if stream_id is None else stream_id
        self.device = torch.device("hpu", 0)

    @property
    def hpu_stream(self) -> int:
        """The stream's number, as an opaque handle."""
        return self.stream_id

    def synchronize(self) -> None:
        """Launches what is pending on this stream and waits for it."""
        _native.stream_synchronize(self.stream_id)

    def query(self) -> bool:
        """Whether everything submitted to this stream has finished."""
        return _native.stream_query(self.stream_id)

    def wait_event(self, event: "Event") -> None:
        """Later work on this stream starts after `event`; the host does not wait."""
        event.wait(self)

    def wait_stream(self, stream: "Stream") -> None:
        """Later work on this stream starts after what is on `stream` now; the host does not wait."""
        self.wait_event(stream.record_event())

    def record_event(self, event: "Optional[Event]" = None) -> "Event":
        """Records `event` (or a new one) on this stream."""
        from .events import Event

        event = Event() if event is None else event
        event.record(self)
        return event

    def id(self) -> int:
        return self.stream_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.stream_id == self.stream_id

    def __hash__(self) -> int:
        return hash((self.device, self.stream_id))

    def __repr__(self) -> str:
        return f"<torch.hpu.Stream device={self.device} hpu_stream={self.stream_id:#x}>"


class StreamContext:
    """`with ht.hpu.stream(s):` makes `s` this thread's current stream. None changes nothing."""

    def __init__(self, stream: Optional[Stream]) -> None:
        self.stream = stream
        self._previous: Optional[Stream] = None

    def __enter__(self) -> None:
        if self.stream is not None:
            self._previous = current_stream()
            set_stream(self.stream)

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if self._previous is not None:
            set_stream(self._previous)


def stream(stream: Optional[Stream]) -> StreamContext:
    """A context in which `stream` is current."""
    return StreamContext(stream)


def current_stream(device: object = None) -> Stream:
    """This thread's current stream."""
    del device
    return Stream(stream_id=_native.current_stream())


def default_stream(device: object = None) -> Stream:
    """Stream 0."""
    del device
    return Stream(stream_id=0)


def set_stream(stream: Optional[Stream]) -> None:
    """Makes `stream` this thread's current one; what is pending on the old one is launched."""
    if stream is not None:
        _native.set_current_stream(stream.stream_id)
