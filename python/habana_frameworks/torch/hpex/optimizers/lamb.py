"""LAMB: Adam whose step for each parameter is as long as a share of the parameter."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import torch

from ..normalization.clip_norm import norms, total_norm
from ._device import DeviceOptimizer, check_range
from .adam import correction, log_of


class FusedLamb(DeviceOptimizer):
    """LAMB after a clipping of all gradients by their common norm.

    Args:
        adam_w_mode: weight decay is added to the update; else to the gradient.
        grad_averaging: the first moment takes (1 - beta1) of a gradient; else all of it.
        set_grad_none: `zero_grad()` without an argument sets gradients to None.
        max_grad_norm: gradients of a larger common norm are scaled down to it; 0 or less: never.
        use_lamb: the length of the step is adapted for parameters without weight decay too.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        bias_correction: bool = True,
        betas: Tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        adam_w_mode: bool = True,
        grad_averaging: bool = True,
        set_grad_none: bool = True,
        max_grad_norm: float = 1.0,
        use_lamb: bool = False,
    ) -> None:
        if amsgrad:
            raise RuntimeError("FusedLamb does not support the AMSGrad variant.")
        check_range("learning rate", lr)
        check_range("beta parameter", betas[0], 0.0, 1.0)
        check_range("beta parameter", betas[1], 0.0, 1.0)
        check_range("epsilon value", eps)
        self._set_grad_none, self._use_lamb, self._adam_w_mode = set_grad_none, use_lamb, adam_w_mode
        defaults = dict(lr=lr, bias_correction=bias_correction, betas=betas, eps=eps, weight_decay=weight_decay)
        super().__init__(params, dict(defaults, grad_averaging=grad_averaging, max_grad_norm=max_grad_norm))

    def __getstate__(self) -> Dict[str, Any]:
        own = ("_set_grad_none", "_use_lamb", "_adam_w_mode")
        return {**super().__getstate__(), **{name: getattr(self, name) for name in own}}

    def zero_grad(self, set_to_none: Any = None) -> None:
        super().zero_grad(self._set_grad_none if set_to_none is None else set_to_none)

    def _numbers(self, group: Dict[str, Any]) -> Sequence[float]:
        beta1, beta2 = group["betas"]
        first = 1 - beta1 if group["grad_averaging"] else 1.0
        decay = group["weight_decay"]
        return group["lr"], beta1, first, beta2, 1 - beta2, log_of(beta1), log_of(beta2), group["eps"], decay, group["max_grad_norm"] or 0.0

    def _make_state(self, group: Dict[str, Any], p: torch.Tensor, state: Dict[str, Any]) -> None:
        for name in ("exp_avg", "exp_avg_sq"):
            state[name] = torch.zeros_like(p, memory_format=torch.preserve_format)

    def _prepare(self, gradients: List[torch.Tensor]) -> Any:
        return total_norm(gradients)

    def _update(
        self, group: Dict[str, Any], numbers: Tuple[torch.Tensor, ...], step: torch.Tensor, parameters: List[torch.Tensor], common: Any
    ) -> None:
        lr, beta1, first, beta2, rest2, log1, log2, eps, weight_decay, max_grad_norm = numbers
        share = None
        if group["max_grad_norm"] is not None and group["max_grad_norm"] > 0:
            norm = common.to(lr.device)
            share = torch.where(norm > max_grad_norm, max_grad_norm / norm, torch.ones_like(lr))
        adapts = group["weight_decay"] != 0 or self._use_lamb
        corrects = group["bias_correction"]
        if corrects:
            scale1, scale2 = torch.reciprocal(correction(step, log1)), torch.rsqrt(correction(step, log2))
        updates = []
        for p in parameters:
            state, w, g = self.state[p], p.float(), p.grad.float()
            if share is not None:
                g = g * share
            if group["weight_decay"] != 0 and not self._adam_w_mode:
                g = g + w * weight_decay
            m = state["exp_avg"].float() * beta1 + g * first
            v = state["exp_avg_sq"].float() * beta2 + g * g * rest2
            state["exp_avg"].copy_(m)
            state["exp_avg_sq"].copy_(v)
            update = (m * scale1) / (v.sqrt() * scale2 + eps) if corrects else m / (v.sqrt() + eps)
            if group["weight_decay"] != 0 and self._adam_w_mode:
                update = update + w * weight_decay
            updates.append(update)
        # The shares of all parameters are one small kernel.
        sizes = (lr * trust(norms(parameters), norms(updates))).unbind() if adapts else [lr] * len(parameters)
        for p, update, size in zip(parameters, updates, sizes):
            p.copy_(p.float() - update * size)


def trust(weight: torch.Tensor, update: torch.Tensor) -> torch.Tensor:
    """|weight| / |update|, or 1 where either is 0."""
    return torch.where(torch.logical_and(weight > 0, update > 0), weight / update, torch.ones_like(weight))
