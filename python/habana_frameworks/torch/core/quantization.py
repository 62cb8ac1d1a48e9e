"""Weights that a program declares constant. Here it is a hint: what the compiler derives from a weight is made anew when the weight changes."""

from __future__ import annotations

from typing import Any, Optional

import torch

from habana_frameworks.torch import _native


def _mark(tensor: torch.Tensor) -> None:
    tensor._hpu_const = True  # type: ignore[attr-defined]
    if tensor.device.type == "hpu":
        _native.mark_weight(tensor)


def _mark_params_as_const(model: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
    """Declares every parameter and buffer of the model constant."""
    for tensor in (*model.parameters(), *model.buffers()):
        _mark(tensor)


def _check_params_as_const(model: torch.nn.Module, *args: Any, **kwargs: Any) -> bool:
    """Whether every parameter and buffer of the model was declared constant."""
    return all(getattr(tensor, "_hpu_const", False) for tensor in (*model.parameters(), *model.buffers()))


def _mark_scales_as_const(model: torch.nn.Module) -> None:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if "scale" in name:
            _mark(tensor)


def hpu_initialize(model: Optional[torch.nn.Module] = None, mark_only_scales_as_const: bool = False, optimizer: Any = None, args: Any = None) -> None:
    """Prepares a model for inference: declares its weights (or its scales alone) constant."""
    del optimizer, args
    hpu_set_env(model)
    if model is None:
        return
    if mark_only_scales_as_const:
        _mark_scales_as_const(model)
    else:
        _mark_params_as_const(model)


hpu_inference_initialize = hpu_initialize


def hpu_set_env(model: Optional[torch.nn.Module] = None) -> None:
    """Says that inference follows."""
    from habana_frameworks.torch.hpu import toggles

    del model
    toggles.enable_inference_mode()
    toggles.enable_matmul3d_2d_reshape()


hpu_set_inference_env = hpu_set_env


def hpu_reset_env() -> None:
    """Takes `hpu_set_env` back."""
    from habana_frameworks.torch.hpu import toggles

    toggles.disable_inference_mode()
    toggles.disable_matmul3d_2d_reshape()


hpu_teardown_inference_env = hpu_reset_env
