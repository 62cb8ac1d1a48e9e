"""What the vendor calls experimental: the device's type and addresses, and tools that look for changing shapes."""

from __future__ import annotations

import enum
from typing import Any

import torch

from habana_frameworks.torch import _native

from . import detect_recompilation
from .detect_recompilation import const_shape_dataloader, data_dynamicity, detect_recompilation_auto_model

__all__ = ["const_shape_dataloader", "data_dynamicity", "detect_recompilation", "detect_recompilation_auto_model", "synDeviceType"]


class synDeviceType(enum.IntEnum):  # noqa: N801  the vendor's name
    """Generations of the chip."""

    synDeviceGaudi = 2
    synDeviceGaudi2 = 4
    synDeviceGaudi3 = 5
    synDeviceTypeInvalid = 8


_TYPES = {"GAUDI2": synDeviceType.synDeviceGaudi2, "GAUDI3": synDeviceType.synDeviceGaudi3}


def _get_device_type() -> synDeviceType:
    """The device's generation; does not open it. The test machine `tiny` is a small Gaudi."""
    return _TYPES.get(_native.probe()["name"], synDeviceType.synDeviceGaudi)


def _data_ptr(tensor: torch.Tensor) -> int:
    """The device address of a tensor; gives it its memory."""
    return _native.data_ptr(tensor)


def _is_fp16_supported() -> bool:
    """Whether tensors may be float16: they may not, on any chip (later than the first Gaudi the hardware could)."""
    return False


def _compute_stream() -> int:
    """The handle of the stream that computes by default."""
    return 0


def _reset_device_memory() -> None:
    raise NotImplementedError("utils.experimental._reset_device_memory is not supported: tensors own their memory")


def _record_params(*args: Any, **kwargs: Any) -> None:
    raise NotImplementedError("utils.experimental._record_params is not supported")
