"""Device arguments, as PyTorch spells them."""

from __future__ import annotations

from typing import Union

import torch

DeviceLike = Union[None, int, str, torch.device]


def _get_device_index(device: DeviceLike, optional: bool = False, allow_cpu: bool = False) -> int:
    """The index that `device` names: 2 for 'hpu:2', the current device for 'hpu' and (if `optional`) for None, -1 for the CPU (if `allow_cpu`).

    Raises:
        ValueError: it names no hpu.
    """
    if isinstance(device, str):
        device = torch.device(device)
    if isinstance(device, torch.device):
        if device.type == "cpu" and allow_cpu:
            return -1
        if device.type != "hpu":
            raise ValueError(f"Expected a hpu device, but got: {device}")
        return 0 if device.index is None else device.index
    if isinstance(device, int) and not isinstance(device, bool):
        return device
    if device is None and optional:
        return 0
    raise ValueError(f"Expected a torch.device with a specified index or an integer, but got: {device}")


def _checked_index(device: DeviceLike) -> int:
    """The index of `device` (default: the current one); this process has device 0 alone."""
    index = _get_device_index(device, optional=True)
    if index != 0:
        raise AssertionError("Invalid device id")
    return index
