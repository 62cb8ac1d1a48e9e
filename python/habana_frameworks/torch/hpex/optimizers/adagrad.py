"""Adagrad."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import torch

from ._device import DeviceOptimizer, check_range


class FusedAdagrad(DeviceOptimizer):
    """`torch.optim.Adagrad`'s formula: each element's rate falls with the root of its summed squares."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
    ) -> None:
        check_range("learning rate", lr)
        check_range("lr_decay value", lr_decay)
        check_range("weight_decay value", weight_decay)
        check_range("initial_accumulator_value value", initial_accumulator_value)
        check_range("epsilon value", eps)
        super().__init__(
            params, dict(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, eps=eps)
        )

    def _numbers(self, group: Dict[str, Any]) -> Sequence[float]:
        return group["lr"], group["lr_decay"], group["weight_decay"], group["eps"]

    def _make_state(self, group: Dict[str, Any], p: torch.Tensor, state: Dict[str, Any]) -> None:
        state["sum"] = torch.full_like(p, group["initial_accumulator_value"], memory_format=torch.preserve_format)

    def _update(
        self, group: Dict[str, Any], numbers: Tuple[torch.Tensor, ...], step: torch.Tensor, parameters: List[torch.Tensor], common: Any
    ) -> None:
        lr, lr_decay, weight_decay, eps = numbers
        size = lr / ((step - 1) * lr_decay + 1) if group["lr_decay"] != 0 else lr
        for p in parameters:
            w, g, total = p.float(), p.grad.float(), self.state[p]["sum"]
            if group["weight_decay"] != 0:
                g = g + w * weight_decay
            sum_of_squares = total.float() + g * g
            total.copy_(sum_of_squares)
            p.copy_(w - size * (g / (sum_of_squares.sqrt() + eps)))
