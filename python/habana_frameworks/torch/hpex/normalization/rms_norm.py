"""RMS norm: x / sqrt(mean(x^2) + eps) * gamma over the last dim; fp32 inside, rounded once."""

from __future__ import annotations

import enum
from typing import Any, Optional, Tuple, Union

import torch

from .._autocast import as_written


class RmsNormBwdMode(enum.IntEnum):
    """How the vendor's backward kernel cuts its work. Both give the same here."""

    DEFAULT = 0
    STATIC_CASE_WIDTH_PARTITIONING = 1


def rms_norm(x: torch.Tensor, gamma: torch.Tensor, eps: float) -> Tuple[torch.Tensor, torch.Tensor]:
    """The result in x's dtype, and 1 / rms (fp32, last size 1)."""
    wide = x.float()
    inverse = torch.rsqrt((wide * wide).mean(-1, keepdim=True) + eps)
    return (wide * inverse * gamma.float()).to(x.dtype), inverse


def rms_norm_backward(
    gradient: torch.Tensor, x: torch.Tensor, gamma: torch.Tensor, inverse: torch.Tensor, wants: Tuple[bool, bool] = (True, True)
) -> Tuple[Optional[torch.Tensor], Optional[torch.Tensor]]:
    """The gradients of x and gamma."""
    wide, g = x.float(), gradient.float()
    normal = wide * inverse
    d_x = d_gamma = None
    if wants[0]:
        scaled = g * gamma.float()
        d_x = ((scaled - normal * (scaled * normal).mean(-1, keepdim=True)) * inverse).to(x.dtype)
    if wants[1]:
        d_gamma = (g * normal).sum_to_size(gamma.shape).to(gamma.dtype)
    return d_x, d_gamma


class FusedRMSNorm(torch.autograd.Function):
    """`FusedRMSNorm.apply(x, gamma, eps)`. The further arguments choose among the vendor's kernels and change nothing here."""

    @classmethod
    def apply(
        cls,
        data_in: torch.Tensor,
        gamma: torch.Tensor,
        eps: float,
        use_stages: bool = True,
        bwd_mode: Union[RmsNormBwdMode, int] = RmsNormBwdMode.DEFAULT,
        fast_math: bool = False,
    ) -> torch.Tensor:
        RmsNormBwdMode(bwd_mode)  # ValueError for what is none
        return super().apply(data_in, gamma, float(eps))

    @staticmethod
    @as_written
    def forward(ctx: Any, x: torch.Tensor, gamma: torch.Tensor, eps: float) -> torch.Tensor:  # type: ignore[override]
        result, inverse = rms_norm(x, gamma, eps)
        ctx.save_for_backward(x, gamma, inverse)
        return result

    @staticmethod
    @as_written
    def backward(ctx: Any, gradient: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:  # type: ignore[override]
        x, gamma, inverse = ctx.saved_tensors
        return rms_norm_backward(gradient, x, gamma, inverse, ctx.needs_input_grad[:2]) + (None,)
