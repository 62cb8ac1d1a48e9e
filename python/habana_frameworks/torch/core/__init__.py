"""`import habana_frameworks.torch.core as htcore`: registers `torch.hpu`, and cuts segments with `mark_step`."""

from __future__ import annotations

import torch

from habana_frameworks.torch import _native, hpu

__all__ = ["hpu", "mark_step"]


def mark_step(device_str: str = "", sync: bool = False) -> None:
    """Ends the current stream's segment: what has gathered is compiled (once a structure) and launched.

    Args:
        device_str: for compatibility; one process has one device.
        sync: also waits until the device has finished it.
    """
    del device_str
    _native.mark_step(sync)


def _register() -> None:
    if not hasattr(torch, "hpu"):
        torch._register_device_module("hpu", hpu)
    torch.Tensor.is_hpu = property(lambda self: self.device.type == "hpu", doc="Whether the tensor lives on hpu.")

    def to_hpu(self: torch.Tensor, device: object = None, non_blocking: bool = False) -> torch.Tensor:
        """The tensor on hpu."""
        return self.to("hpu" if device is None else device, non_blocking=non_blocking)

    torch.Tensor.hpu = to_hpu
    torch.nn.Module.hpu = lambda self, device=None: self.to("hpu" if device is None else device)

    host_data_ptr = torch.Tensor.data_ptr

    def data_ptr(self: torch.Tensor) -> int:
        """Address of the first element: on hpu the device address, which gives the tensor its memory."""
        return _native.data_ptr(self) if self.device.type == "hpu" else host_data_ptr(self)

    torch.Tensor.data_ptr = data_ptr

    host_repr = torch.Tensor.__repr__

    def represent(self: torch.Tensor, *, tensor_contents: object = None) -> str:
        # Printing looks for nonzero elements, op by op: on the host it is one copy.
        if self.device.type != "hpu":
            return host_repr(self, tensor_contents=tensor_contents)
        text = host_repr(self.detach().cpu())
        suffix = ", device='hpu:0'"
        if self.requires_grad:
            suffix += ", requires_grad=True"
        return text[:-1] + suffix + ")"

    torch.Tensor.__repr__ = represent


_register()
