"""Switches of the vendor's compiler and bridge. What has no counterpart here is kept and answered, and changes no result."""

from __future__ import annotations

import contextlib
from typing import Iterator

_dynamic_shape = False
_recompute_sdp = False
_inference_mode = False
_quantization = False
_matmul3d_2d_reshape = False


def enable_dynamic_shape() -> None:
    """Asks for graphs of changing shapes. Each shape has a graph of its own here."""
    global _dynamic_shape
    _dynamic_shape = True


def disable_dynamic_shape() -> None:
    global _dynamic_shape
    _dynamic_shape = False


def get_dynamic_shape_status() -> bool:
    """Whether `enable_dynamic_shape` was the last word."""
    return _dynamic_shape


def enable_optim_output_sif() -> None:
    """For compatibility: there is no second shape inference of outputs."""


def disable_optim_output_sif() -> None:
    """For compatibility."""


def enable_inference_mode() -> None:
    """Says that no gradient will be asked for."""
    global _inference_mode
    _inference_mode = True


def disable_inference_mode() -> None:
    global _inference_mode
    _inference_mode = False


def enable_quantization() -> None:
    """For compatibility: quantised kernels do not exist here."""
    global _quantization
    _quantization = True


def disable_quantization() -> None:
    global _quantization
    _quantization = False


def enable_matmul3d_2d_reshape() -> None:
    """For compatibility: how a product is shaped is the compiler's business here."""
    global _matmul3d_2d_reshape
    _matmul3d_2d_reshape = True


def disable_matmul3d_2d_reshape() -> None:
    global _matmul3d_2d_reshape
    _matmul3d_2d_reshape = False


def enable_const_section_serialization(path: str = "", clear_path: bool = False, use_compression: bool = False) -> None:
    """Not supported: constants are not kept in files of their own."""
    raise NotImplementedError("hpu.enable_const_section_serialization is not supported: constants are not kept in files of their own")


def disable_const_section_serialization() -> None:
    """Nothing to disable."""


def enable_recompute_sdp(enabled: bool) -> None:
    """Whether scaled-dot-product attention recomputes its scores in the backward pass instead of keeping them."""
    global _recompute_sdp
    _recompute_sdp = bool(enabled)


def recompute_sdp_enabled() -> bool:
    """What `enable_recompute_sdp` set; False at first."""
    return _recompute_sdp


@contextlib.contextmanager
def sdp_kernel(enable_recompute: bool = True) -> Iterator[None]:
    """`enable_recompute_sdp` for a region."""
    before = recompute_sdp_enabled()
    enable_recompute_sdp(enable_recompute)
    try:
        yield
    finally:
        enable_recompute_sdp(before)
