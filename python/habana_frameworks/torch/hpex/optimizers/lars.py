"""LARS around another optimizer, and the momentum that goes with it."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from torch.optim.optimizer import Optimizer, required

from .._autocast import as_written
from .._scalars import DeviceScalars
from ..normalization.clip_norm import norms
from ._device import DeviceOptimizer, check_range


class FusedResourceApplyMomentum(DeviceOptimizer):
    """accumulator = momentum * accumulator + lr * gradient; parameter -= accumulator.

    The accumulator holds steps, not gradients: a change of the rate does not touch what was accumulated before.
    """

    def __init__(self, params: Any, lr: Any = required, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        if lr is not required:
            check_range("learning rate", lr)
        check_range("momentum value", momentum)
        check_range("weight_decay value", weight_decay)
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self._scaled = False  # by LARS, for the step that runs

    def _numbers(self, group: Dict[str, Any]) -> Sequence[float]:
        return group["lr"], group["momentum"], group["weight_decay"]

    def _make_state(self, group: Dict[str, Any], p: torch.Tensor, state: Dict[str, Any]) -> None:
        state["momentum_buffer"] = torch.zeros_like(p, memory_format=torch.preserve_format)

    def _update(
        self, group: Dict[str, Any], numbers: Tuple[torch.Tensor, ...], step: torch.Tensor, parameters: List[torch.Tensor], common: Any
    ) -> None:
        lr, momentum, weight_decay = numbers
        scaled = getattr(self, "_scaled", False)
        for p in parameters:
            w, g, buffer = p.float(), p.grad.float(), self.state[p]["momentum_buffer"]
            if not scaled:
                g = (g + w * weight_decay if group["weight_decay"] != 0 else g) * lr
            total = buffer.float() * momentum + g
            buffer.copy_(total)
            p.copy_(w - total)


class FusedLars(Optimizer):
    """Layer-wise adaptive rates: before `optimizer` steps, each gradient becomes (gradient + weight_decay * weight) * trust with
    trust = eeta * |weight| / (|gradient| + weight_decay * |weight| + eps), 1 where a norm is 0.

    Args:
        optimizer: steps on what LARS has made of the gradients. Its weight decay is LARS's, it applies none itself.
        skip_mask: one number a parameter, in the order of the groups: 1 adapts it, 0 leaves its gradient as it is.
        eeta, eps: see above.
    """

    def __init__(self, optimizer: Optimizer, skip_mask: Sequence[int], eeta: float = 0.001, eps: float = 1e-8) -> None:
        check_range("eeta value", eeta)
        check_range("epsilon value", eps)
        parameters = sum(len(group["params"]) for group in optimizer.param_groups)
        if len(skip_mask) != parameters:
            raise ValueError(f"FusedLars: skip_mask has {len(skip_mask)} entries for {parameters} parameters")
        self.optim = optimizer
        self.skip_mask = list(skip_mask)
        self.eeta, self.eps = eeta, eps
        self._device_scalars = DeviceScalars()

    def __getstate__(self) -> Dict[str, Any]:
        return {"optim": self.optim, "skip_mask": self.skip_mask, "eeta": self.eeta, "eps": self.eps}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._device_scalars = DeviceScalars()

    def __repr__(self) -> str:
        return f"FusedLars({self.optim!r}, eeta={self.eeta}, eps={self.eps})"

    # It has no parameters of its own.
    @property
    def param_groups(self) -> List[Dict[str, Any]]:  # type: ignore[override]
        return self.optim.param_groups

    @property
    def defaults(self) -> Dict[str, Any]:  # type: ignore[override]
        return self.optim.defaults

    @property
    def state(self) -> Any:  # type: ignore[override]
        return self.optim.state

    def state_dict(self) -> Dict[str, Any]:
        return self.optim.state_dict()

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        self.optim.load_state_dict(state_dict)

    def zero_grad(self, set_to_none: bool = False) -> None:
        self.optim.zero_grad(set_to_none)

    def add_param_group(self, param_group: Dict[str, Any]) -> None:
        self.optim.add_param_group(param_group)
        self.skip_mask += [1] * len(self.optim.param_groups[-1]["params"])

    def sync_hyperparameters(self) -> None:
        """Uploads hyper-parameters that have changed since the last step, so that a replay of a captured step uses them."""
        for index, group in enumerate(self.param_groups):
            for device in sorted({str(p.device) for p in group["params"]}):
                self._put(index, group, torch.device(device))
        if isinstance(self.optim, DeviceOptimizer):
            with self._without_decay():
                self.optim.sync_hyperparameters()

    def _put(self, index: int, group: Dict[str, Any], device: torch.device) -> Tuple[torch.Tensor, ...]:
        return self._device_scalars.put(index, device, (group["lr"], group.get("weight_decay", 0), self.eeta, self.eps))

    @torch.no_grad()
    @as_written
    def _adapt(self, index: int, group: Dict[str, Any], mask: Sequence[int], applies_rate: bool) -> None:
        decays = group.get("weight_decay", 0) != 0
        given = [(p, bool(adapts)) for p, adapts in zip(group["params"], mask) if p.grad is not None and (adapts or applies_rate)]
        for device in sorted({str(p.device) for p, _ in given}):
            lr, weight_decay, eeta, eps = self._put(index, group, torch.device(device))
            adapted = [p for p, adapts in given if adapts and str(p.device) == device]
            rates: Dict[int, torch.Tensor] = {}
            if adapted:
                weights, gradients = norms(adapted), norms([p.grad for p in adapted])
                below = gradients + weights * weight_decay + eps if decays else gradients + eps
                shares = torch.where(torch.logical_and(weights > 0, gradients > 0), eeta * weights / below, torch.ones_like(weights))
                rates = {id(p): share for p, share in zip(adapted, shares.unbind())}
            for p, adapts in given:
                if str(p.device) != device:
                    continue
                g = p.grad.float()
                if adapts:
                    g = (g + p.float() * weight_decay if decays else g) * rates[id(p)]
                p.grad.copy_(g * lr if applies_rate else g)

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], Any]] = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # The momentum of the pair accumulates steps, so LARS's gradients carry the rate already.
        applies_rate = isinstance(self.optim, FusedResourceApplyMomentum)
        at = 0
        for index, group in enumerate(self.param_groups):
            self._adapt(index, group, self.skip_mask[at : at + len(group["params"])], applies_rate)
            at += len(group["params"])
        try:
            if applies_rate:
                self.optim._scaled = True
            with self._without_decay():
                self.optim.step()
        finally:
            if applies_rate:
                self.optim._scaled = False
        return loss

    @contextlib.contextmanager
    def _without_decay(self) -> Iterator[None]:
        """The weight decay is in the gradients already."""
        decays = [group.get("weight_decay") for group in self.param_groups]
        try:
            for group, decay in zip(self.param_groups, decays):
                if decay is not None:
                    group["weight_decay"] = 0
            yield
        finally:
            for group, decay in zip(self.param_groups, decays):
                if decay is not None:
                    group["weight_decay"] = decay
