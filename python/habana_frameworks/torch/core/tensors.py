"""What tensors and modules gain: `is_hpu`, `hpu()`, and answers of methods that PyTorch keeps for CUDA (data_ptr, record_stream, pin_memory, printing)."""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import Any, Iterator, Optional

import torch
import torch.utils.data.dataloader as dataloader

from habana_frameworks.torch import _native, hpu


def _is_hpu(value: Any) -> bool:
    return value.device.type == "hpu"


def _to_hpu(self: torch.Tensor, device: object = None, non_blocking: bool = False, memory_format: Optional[torch.memory_format] = None) -> torch.Tensor:
    """The tensor on hpu."""
    keywords = {} if memory_format is None else {"memory_format": memory_format}
    return self.to("hpu" if device is None else torch.device("hpu", hpu._utils._get_device_index(device)), non_blocking=non_blocking, **keywords)


def _module_to_hpu(self: torch.nn.Module, device: object = None) -> torch.nn.Module:
    """Moves parameters and buffers to hpu. They become other objects: make optimizers afterwards."""
    return self._apply(lambda tensor: tensor.hpu(device))


def overwrite_torch_functions() -> None:
    """Sets them on torch.Tensor and torch.nn.Module."""
    tensor = torch.Tensor
    tensor.is_hpu = property(_is_hpu, doc="Whether the tensor lives on hpu.")
    tensor.hpu = _to_hpu
    torch.nn.Module.hpu = _module_to_hpu
    torch.TypedStorage.is_hpu = property(_is_hpu, doc="Whether the storage lives on hpu.")

    host_data_ptr, host_repr, host_record_stream = tensor.data_ptr, tensor.__repr__, tensor.record_stream

    @functools.wraps(host_data_ptr)
    def data_ptr(self: torch.Tensor) -> int:
        # On hpu the device address, which gives the tensor its memory.
        return _native.data_ptr(self) if self.device.type == "hpu" else host_data_ptr(self)

    @functools.wraps(host_repr)
    def represent(self: torch.Tensor, *, tensor_contents: object = None) -> str:
        # Printing looks for nonzero elements, op by op: on the host it is one copy.
        if self.device.type != "hpu":
            return host_repr(self, tensor_contents=tensor_contents)
        inner = host_repr(_on_host(self))
        suffix = ", device='hpu:0'"
        if self.grad_fn is not None:
            suffix += f", grad_fn=<{type(self.grad_fn).__name__}>"
        elif self.requires_grad:
            suffix += ", requires_grad=True"
        return inner[:-1] + suffix + ")"

    @functools.wraps(host_record_stream)
    def record_stream(self: torch.Tensor, stream: Any) -> None:
        if self.device.type == "hpu":
            hpu.record_stream(self, stream)
        else:
            host_record_stream(self, stream)

    tensor.data_ptr, tensor.__repr__, tensor.record_stream = data_ptr, represent, record_stream
    _pinned_memory()


def _on_host(tensor: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return tensor.detach().as_subclass(torch.Tensor).cpu()


def _pinned_memory() -> None:
    """Without CUDA, pinned memory is memory for hpu: `pin_memory()` asks for that device unless told another."""
    tensor = torch.Tensor
    host_pin, host_is_pinned = tensor.pin_memory, tensor.is_pinned

    @functools.wraps(host_pin)
    def pin_memory(self: torch.Tensor, device: Any = None) -> torch.Tensor:
        return host_pin(self, _pin_device(device))

    @functools.wraps(host_is_pinned)
    def is_pinned(self: torch.Tensor, device: Any = None) -> bool:
        return host_is_pinned(self, _pin_device(device))

    tensor.pin_memory, tensor.is_pinned = pin_memory, is_pinned

    # The iterator of several workers asks CUDA for its current device, for the thread that pins.
    workers = dataloader._MultiProcessingDataLoaderIter
    host_init = workers.__init__

    @functools.wraps(host_init)
    def init(self: Any, loader: Any) -> None:
        with _no_cuda_device() if str(loader.pin_memory_device).split(":")[0] == "hpu" else contextlib.nullcontext():
            host_init(self, loader)

    workers.__init__ = init


def _pin_device(device: Any) -> Any:
    if device is None and not torch.cuda.is_available():
        return torch.device("hpu")
    return device


_cuda_lock = threading.Lock()


@contextlib.contextmanager
def _no_cuda_device() -> Iterator[None]:
    with _cuda_lock:
        asked = torch.cuda.current_device
        torch.cuda.current_device = lambda: -1  # the thread then sets none
        try:
            yield
        finally:
            torch.cuda.current_device = asked
