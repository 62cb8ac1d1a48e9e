"""CustomSoftmax: softmax along the last dim."""

from __future__ import annotations

from typing import Any, Tuple

import torch

from .._autocast import as_written


class CustomSoftmax(torch.autograd.Function):
    """`CustomSoftmax.apply(x, flavor)`: softmax(x, dim=-1). The vendor's flavors trade accuracy for speed; all compute the same here."""

    @classmethod
    def apply(cls, inp: torch.Tensor, flavor: int = 0) -> torch.Tensor:
        return super().apply(inp, flavor)

    @staticmethod
    @as_written
    def forward(ctx: Any, inp: torch.Tensor, flavor: int) -> torch.Tensor:  # type: ignore[override]
        result = torch.softmax(inp, -1)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @as_written
    def backward(ctx: Any, gradient: torch.Tensor) -> Tuple[torch.Tensor, None]:  # type: ignore[override]
        (result,) = ctx.saved_tensors
        p, g = result.float(), gradient.float()
        return (p * (g - (p * g).sum(-1, keepdim=True))).to(result.dtype), None
