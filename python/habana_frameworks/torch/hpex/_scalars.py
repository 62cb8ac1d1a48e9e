"""Small values on the device: hyper-parameters and counters that change from step to step without a new compilation, also in a replayed graph."""

from __future__ import annotations

import contextlib
from typing import Dict, Hashable, Iterator, Optional, Sequence, Tuple

import torch

from habana_frameworks.torch import _native
from habana_frameworks.torch.hpu.streams import Stream, StreamContext, current_stream


_side_stream: Optional[Stream] = None  # made when it is first needed


@contextlib.contextmanager
def outside_capture() -> Iterator[None]:
    """What is done inside happens now, and is no part of a graph that the current stream captures: a replay must not set a state to its beginning again."""
    if not (_native.is_initialized() and _native.is_capturing()):
        yield
        return
    global _side_stream
    if _side_stream is None:
        _side_stream = Stream()
    # What this stream was given before may still read or write what is changed inside.
    current_stream().synchronize()
    with StreamContext(_side_stream):
        yield
    _side_stream.synchronize()


class DeviceScalars:
    """Rows of numbers kept on devices, each uploaded only when a number has changed.

    A graph that was captured reads the row, not the numbers of its capture: `put` before a replay is seen by it.
    """

    def __init__(self) -> None:
        self._rows: Dict[Hashable, Tuple[Tuple[float, ...], torch.Tensor]] = {}

    def put(self, key: Hashable, device: torch.device, numbers: Sequence[float]) -> Tuple[torch.Tensor, ...]:
        """The numbers as fp32 tensors without dims on `device`, always in the same memory for the same key."""
        wanted = tuple(float(n) for n in numbers)
        at = (key, str(device))
        held = self._rows.get(at)
        if held is None or len(held[0]) != len(wanted):
            with outside_capture():
                row = torch.tensor(wanted, dtype=torch.float32).to(device)
        elif held[0] != wanted:
            row = held[1]
            with outside_capture():
                row.copy_(torch.tensor(wanted, dtype=torch.float32))
        else:
            return held[1].unbind()
        self._rows[at] = (wanted, row)
        return row.unbind()
