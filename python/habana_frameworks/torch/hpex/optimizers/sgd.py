"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import torch
from torch.optim.optimizer import required

from ._device import DeviceOptimizer, check_range


class FusedSGD(DeviceOptimizer):
    """`torch.optim.SGD`'s formula, with momentum, dampening, weight decay and Nesterov momentum."""

    def __init__(
        self, params: Any, lr: Any = required, momentum: float = 0, dampening: float = 0, weight_decay: float = 0, nesterov: bool = False
    ) -> None:
        if lr is not required:
            check_range("learning rate", lr)
        check_range("momentum value", momentum)
        check_range("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov))

    def _numbers(self, group: Dict[str, Any]) -> Sequence[float]:
        return group["lr"], group["momentum"], group["dampening"], group["weight_decay"]

    def _make_state(self, group: Dict[str, Any], p: torch.Tensor, state: Dict[str, Any]) -> None:
        if group["momentum"] != 0:
            state["momentum_buffer"] = torch.zeros_like(p, memory_format=torch.preserve_format)

    def _update(
        self, group: Dict[str, Any], numbers: Tuple[torch.Tensor, ...], step: torch.Tensor, parameters: List[torch.Tensor], common: Any
    ) -> None:
        lr, momentum, dampening, weight_decay = numbers
        # PyTorch does not dampen the first gradient, with which a buffer begins.
        share = 1 - dampening * (step > 1) if group["dampening"] != 0 else None
        for p in parameters:
            w, g = p.float(), p.grad.float()
            if group["weight_decay"] != 0:
                g = g + w * weight_decay
            if group["momentum"] != 0:
                state = self.state[p]
                if "momentum_buffer" not in state:  # the momentum was zero until now
                    raise RuntimeError("FusedSGD: momentum must be there from the first step")
                buffer = state["momentum_buffer"].float() * momentum + (g if share is None else g * share)
                state["momentum_buffer"].copy_(buffer)
                g = g + buffer * momentum if group["nesterov"] else buffer
            p.copy_(w - g * lr)
