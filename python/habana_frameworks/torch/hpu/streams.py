"""Streams: queues of work that the device may run side by side. Work on one stream runs in order."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Optional, Tuple, Type

import torch

from habana_frameworks.torch import _native

from ._utils import DeviceLike, _checked_index, _get_device_index

if TYPE_CHECKING:
    from .events import Event

_HPU_DEVICE_TYPE = 15  # c10::DeviceType::HPU


class Stream:
    """A new stream of the device. A stream that exists is wrapped by its number (`stream_id`), its handle (`stream_ptr`) or `is_default_stream`."""

    def __init__(
        self,
        device: DeviceLike = None,
        priority: Optional[int] = None,
        *,
        stream_id: Optional[int] = None,
        device_index: Optional[int] = None,
        device_type: Optional[int] = None,
        stream_ptr: Optional[int] = None,
        is_default_stream: bool = False,
    ) -> None:
        if stream_ptr is not None and priority:
            raise RuntimeError("Priority was explicitly set for a external stream")
        if priority is not None and priority > 0:
            raise ValueError(f"Stream: priority is 0 or less, but got: {priority}")
        if device_type is not None and device_type != _HPU_DEVICE_TYPE:
            raise ValueError(f"Expected a hpu device, but got: a device of type {device_type}")
        index = device_index if device_index is not None else _get_device_index(device, optional=True)
        if is_default_stream:
            stream_id = 0
        elif stream_id is None:
            stream_id = stream_ptr
        if stream_id is None:
            if index != 0:
                raise AssertionError("Invalid device id")
            stream_id = _native.create_stream()
        self.stream_id: int = stream_id
        self.device = torch.device("hpu", index)
        self.device_index: int = index
        self.device_type: int = _HPU_DEVICE_TYPE

    @property
    def hpu_stream(self) -> int:
        """The stream's number, as an opaque handle."""
        return self.stream_id

    @property
    def priority(self) -> int:
        """0: the device's queues have one priority."""
        return 0

    @staticmethod
    def priority_range() -> Tuple[int, int]:
        """(least, greatest)."""
        return (0, -1)

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
        return isinstance(other, Stream) and (other.device, other.stream_id) == (self.device, self.stream_id)

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


def current_stream(device: DeviceLike = None) -> Stream:
    """This thread's current stream."""
    _checked_index(device)
    return Stream(stream_id=_native.current_stream())


def default_stream(device: DeviceLike = None) -> Stream:
    """Stream 0."""
    _checked_index(device)
    return Stream(stream_id=0)


def set_stream(stream: Optional[Stream]) -> None:
    """Makes `stream` this thread's current one; what is pending on the old one is launched."""
    if stream is not None:
        _native.set_current_stream(stream.stream_id)


def get_stream_info(stream: Stream) -> Tuple[torch.device, int]:
    """(device, number) of the stream."""
    return stream.device, stream.stream_id


def record_stream(tensor: torch.Tensor, stream: Stream) -> None:
    """Says that `stream` uses the tensor. Its memory waits for every stream that does, without being told."""
    if not isinstance(stream, Stream):
        raise TypeError(f"record_stream(): expected a torch.hpu.Stream, but got {type(stream).__name__}")
    if tensor.device != stream.device:
        raise RuntimeError(f"record_stream(): the tensor is on {tensor.device}, the stream on {stream.device}")
