"""The device: `ht.hpu`, also `torch.hpu`."""

from __future__ import annotations

from typing import Optional, Union

import torch

from habana_frameworks.torch import _native

from . import graphs
from .events import Event
from .graphs import HPUGraph, graph, is_current_stream_capturing, wrap_in_hpu_graph, wrap_in_hpu_graph_func
from .metrics import MetricNotFound, metric_global
from .streams import Stream, StreamContext, current_stream, default_stream, set_stream, stream

__all__ = [
    "Event",
    "HPUGraph",
    "MetricNotFound",
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "default_stream",
    "device_count",
    "get_device_name",
    "graph",
    "graphs",
    "init",
    "is_available",
    "is_bf16_supported",
    "is_current_stream_capturing",
    "is_initialized",
    "metric_global",
    "set_device",
    "set_stream",
    "stream",
    "synchronize",
    "wrap_in_hpu_graph",
    "wrap_in_hpu_graph_func",
]


def _index(device: Union[None, int, str, torch.device]) -> int:
    if device is None:
        return 0
    if isinstance(device, int):
        return device
    parsed = torch.device(device)
    if parsed.type != "hpu":
        raise ValueError(f"Expected a hpu device, but got: {device}")
    return parsed.index or 0


def init() -> None:
    """Opens the device now instead of on first use."""
    _native.init()


def is_initialized() -> bool:
    """Whether the device is open."""
    return _native.is_initialized()


def is_available() -> bool:
    """Whether the device that OPENHPU_DEVICE names can be opened; opens it."""
    try:
        _native.init()
    except RuntimeError:
        return False
    return True


def device_count() -> int:
    """How many devices this process may use: one, or none if it cannot be opened."""
    return 1 if is_available() else 0


def current_device() -> int:
    """0: one process has one device."""
    return 0


def set_device(device: Union[int, str, torch.device]) -> None:
    """Accepts device 0, the only one."""
    if _index(device) != 0:
        raise AssertionError("Invalid device id")


def get_device_name(device: Union[None, int, str, torch.device] = None) -> str:
    """"GAUDI" for a first-generation Gaudi, and so on: the chip's name in capitals."""
    if _index(device) != 0:
        raise AssertionError("Invalid device id")
    return _native.device_name()


def is_bf16_supported() -> bool:
    """True: every chip has bf16."""
    return True


def synchronize(device: Union[None, int, str, torch.device] = None) -> None:
    """Launches what is pending on every stream and waits until the device has finished."""
    _index(device)
    _native.synchronize()
