"""Autocast and fused functions: a fused function is one operator, so autocast may choose the dtype of its operands, but not of what it does inside."""

from __future__ import annotations

import functools
from typing import Any, Callable, TypeVar

import torch

from habana_frameworks.torch import hpu

Function = TypeVar("Function", bound=Callable[..., Any])


def autocasts() -> bool:
    """Whether `torch.autocast("hpu")` is on in this thread."""
    return bool(getattr(hpu, "is_autocast_hpu_enabled", bool)())


def as_written(function: Function) -> Function:
    """`function` with autocast off: its casts are its own."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not autocasts():
            return function(*args, **kwargs)
        hpu.set_autocast_hpu_enabled(False)
        try:
            return function(*args, **kwargs)
        finally:
            hpu.set_autocast_hpu_enabled(True)

    return run  # type: ignore[return-value]


def lowered(tensor: torch.Tensor) -> torch.Tensor:
    """An operand of what autocast runs in its lower precision."""
    if tensor.device.type == "hpu" and tensor.is_floating_point() and autocasts():
        return tensor.to(hpu.get_autocast_hpu_dtype())
    return tensor
