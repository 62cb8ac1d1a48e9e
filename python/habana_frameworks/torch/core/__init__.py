"""`import habana_frameworks.torch.core as htcore`: registers `torch.hpu`, and cuts segments with `mark_step`."""

from __future__ import annotations

import torch

from habana_frameworks.torch import _native, hpu

from . import quantization, torch_overwrites, weight_sharing
from .quantization import (
    hpu_inference_initialize,
    hpu_initialize,
    hpu_reset_env,
    hpu_set_env,
    hpu_set_inference_env,
    hpu_teardown_inference_env,
)
from .step_closure import add_step_closure, iter_mark_step, mark_step

__all__ = [
    "add_step_closure",
    "hpu",
    "hpu_inference_initialize",
    "hpu_initialize",
    "hpu_reset_env",
    "hpu_set_env",
    "hpu_set_inference_env",
    "hpu_teardown_inference_env",
    "iter_mark_step",
    "mark_step",
    "quantization",
    "torch_overwrites",
    "weight_sharing",
]


def _mark_step(device_str: str = "", sync: bool = False) -> None:
    """Cuts the segment without running step closures."""
    del device_str
    _native.mark_step(sync)


def _iter_mark_step(device_str: str = "") -> None:
    _mark_step(device_str)


def _hb_get_default_device() -> str:
    """The default device, as text."""
    return "hpu:0"


def _get_default_generator() -> torch.Generator:
    """The generator of hpu's random operators."""
    return hpu.random.default_generators[0]


torch_overwrites.register_device(hpu)
torch_overwrites.overwrite_torch_functions()
