"""The Adam family."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch

from habana_frameworks.torch import _native

from ._device import DeviceOptimizer, check_range


def correction(step: torch.Tensor, log_beta: torch.Tensor) -> torch.Tensor:
    """1 - beta^step, without the cancellation that makes it wrong for the first steps in fp32."""
    return -torch.expm1(step * log_beta)


def log_of(beta: float) -> float:
    """log(beta) for `correction`; beta = 0 corrects nothing."""
    return math.log(beta) if beta > 0 else -1e30


def adamw_update(
    p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, v: torch.Tensor, size: Any, root: Any, keep: Any, betas: Sequence[Any], eps: Any
) -> None:
    """p = keep * p - size * m / (root * sqrt(v) + eps), after the moments have taken in the gradient; all in place, computed in fp32.

    `betas` are beta1, 1 - beta1, beta2, 1 - beta2; without `root` it is 1.
    """
    beta1, rest1, beta2, rest2 = betas
    wide = g.float()
    first, second = m.float() * beta1 + wide * rest1, v.float() * beta2 + wide * wide * rest2
    m.copy_(first)
    v.copy_(second)
    spread = second.sqrt() if root is None else second.sqrt() * root
    p.copy_(p.float() * keep - size * (first / (spread + eps)))


class FusedAdamW(DeviceOptimizer):
    """`torch.optim.AdamW`'s formula, with the vendor's arguments and defaults.

    Args:
        bias_correction: whether the moments' bias towards zero in the first steps is corrected.
        moments_dtype: dtype of the moments, or a pair of them (first, second); None: the parameter's. The update itself is computed in fp32.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: Tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        bias_correction: bool = True,
        moments_dtype: Union[None, torch.dtype, Tuple[torch.dtype, torch.dtype]] = None,
    ) -> None:
        check_range("learning rate", lr)
        check_range("beta parameter", betas[0], 0.0, 1.0)
        check_range("beta parameter", betas[1], 0.0, 1.0)
        check_range("epsilon value", eps)
        pair = moments_dtype if isinstance(moments_dtype, (tuple, list)) else (moments_dtype, moments_dtype)
        for dtype in pair:
            if dtype not in (None, torch.float32, torch.bfloat16):
                raise NotImplementedError(f"FusedAdamW: moments_dtype {dtype} is not supported: torch.float32 and torch.bfloat16 are")
        self._moments = (pair[0], pair[1])
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, bias_correction=bias_correction))

    def __getstate__(self) -> Dict[str, Any]:
        return {**super().__getstate__(), "_moments": self._moments}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        # PyTorch's makes every state like its parameter.
        for p, state in self.state.items():
            for name, dtype in zip(("exp_avg", "exp_avg_sq"), self._moments):
                if dtype is not None and name in state:
                    state[name] = state[name].to(dtype)

    def _numbers(self, group: Dict[str, Any]) -> Sequence[float]:
        beta1, beta2 = group["betas"]
        decay = group["lr"] * group["weight_decay"]
        return group["lr"], beta1, 1 - beta1, beta2, 1 - beta2, log_of(beta1), log_of(beta2), group["eps"], 1 - decay

    def _make_state(self, group: Dict[str, Any], p: torch.Tensor, state: Dict[str, Any]) -> None:
        for name, dtype in zip(("exp_avg", "exp_avg_sq"), self._moments):
            state[name] = torch.zeros_like(p, dtype=p.dtype if dtype is None else dtype, memory_format=torch.preserve_format)

    def _update(
        self, group: Dict[str, Any], numbers: Tuple[torch.Tensor, ...], step: torch.Tensor, parameters: List[torch.Tensor], common: Any
    ) -> None:
        lr, *betas, log1, log2, eps, keep = numbers
        size, root = lr, None
        if group["bias_correction"]:
            size, root = lr / correction(step, log1), torch.rsqrt(correction(step, log2))
        for p in parameters:
            state = self.state[p]
            adamw_update(p, p.grad, state["exp_avg"], state["exp_avg_sq"], size, root, keep, betas, eps)


class _TorchFormula(DeviceOptimizer):
    """PyTorch's formula: eps is added after the correction; weight decay is decoupled or added to the gradient."""

    _decoupled = False

    def _numbers(self, group: Dict[str, Any]) -> Sequence[float]:
        beta1, beta2 = group["betas"]
        decay = 1 - group["lr"] * group["weight_decay"] if self._decoupled else group["weight_decay"]
        return group["lr"], beta1, 1 - beta1, beta2, 1 - beta2, log_of(beta1), log_of(beta2), group["eps"], decay

    def _make_state(self, group: Dict[str, Any], p: torch.Tensor, state: Dict[str, Any]) -> None:
        for name in ("exp_avg", "exp_avg_sq") + (("max_exp_avg_sq",) if group["amsgrad"] else ()):
            state[name] = torch.zeros_like(p, memory_format=torch.preserve_format)

    def _update(
        self, group: Dict[str, Any], numbers: Tuple[torch.Tensor, ...], step: torch.Tensor, parameters: List[torch.Tensor], common: Any
    ) -> None:
        lr, beta1, rest1, beta2, rest2, log1, log2, eps, decay = numbers
        size, root = lr / correction(step, log1), torch.rsqrt(correction(step, log2))
        for p in parameters:
            state, g, w = self.state[p], p.grad.float(), p.float()
            if group["maximize"]:
                g = -g
            if group["weight_decay"] != 0 and not self._decoupled:
                g = g + w * decay
            m = state["exp_avg"].float() * beta1 + g * rest1
            v = state["exp_avg_sq"].float() * beta2 + g * g * rest2
            state["exp_avg"].copy_(m)
            state["exp_avg_sq"].copy_(v)
            if group["amsgrad"]:
                v = torch.maximum(state["max_exp_avg_sq"].float(), v)
                state["max_exp_avg_sq"].copy_(v)
            if self._decoupled:
                w = w * decay
            p.copy_(w - size * (m / (v.sqrt() * root + eps)))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        """One step; its work is launched at once, as by `mark_step`."""
        loss = super().step(closure)
        if any(p.device.type == "hpu" for group in self.param_groups for p in group["params"]):
            _native.mark_step(False)
        return loss


class Adam(_TorchFormula, torch.optim.Adam):
    """`torch.optim.Adam` whose step is fused and launched at once."""


class AdamW(_TorchFormula, torch.optim.AdamW):
    """`torch.optim.AdamW` whose step is fused and launched at once."""

    _decoupled = True
