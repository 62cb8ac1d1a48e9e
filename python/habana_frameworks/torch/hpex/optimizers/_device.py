"""What the fused optimizers share.

The number of a step lives on the device (`state["step"]`, advanced there), and so do the hyper-parameters (`DeviceScalars`): they are operands of the
update, not constants in it. Parameters that were stepped together all along share one counter.
"""

from __future__ import annotations

import collections
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import torch
from torch.optim.optimizer import Optimizer

from .._autocast import as_written
from .._scalars import DeviceScalars, outside_capture


def check_range(name: str, value: float, low: float = 0.0, high: Optional[float] = None) -> None:
    """ValueError in the vendor's words unless low <= value (< high)."""
    if not low <= value or (high is not None and not value < high):
        rule = f"should be >= {low}" if high is None else f"should be in [{low}, {high}["
        raise ValueError(f"Invalid {name}: {value} - {rule}")


class DeviceOptimizer(Optimizer):
    """A step on the device. A subclass says which state a parameter has, which numbers it needs, and the formula.

    `sync_hyperparameters()` uploads numbers that a schedule has changed: `step()` does it too, but replaying a captured step runs no Python.
    """

    def _numbers(self, group: Dict[str, Any]) -> Sequence[float]:
        """The group's hyper-parameters as they are now, in the order in which `_update` gets them."""
        raise NotImplementedError

    def _make_state(self, group: Dict[str, Any], p: torch.Tensor, state: Dict[str, Any]) -> None:
        """What a parameter needs beside "step"."""

    def _prepare(self, gradients: List[torch.Tensor]) -> Any:
        """What depends on all gradients of the step (each update gets it)."""

    def _update(
        self, group: Dict[str, Any], numbers: Tuple[torch.Tensor, ...], step: torch.Tensor, parameters: List[torch.Tensor], common: Any
    ) -> None:
        """Updates parameters that share a counter. `step` counts this step already."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], Any]] = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        work = [(i, group, self._with_gradients(group)) for i, group in enumerate(self.param_groups)]
        gradients = [p.grad for _, _, parameters in work for p in parameters]
        if not gradients:
            return loss
        self._update_all(work, gradients)
        return loss

    @as_written
    def _update_all(self, work: List[Tuple[int, Dict[str, Any], List[torch.Tensor]]], gradients: List[torch.Tensor]) -> None:
        common = self._prepare(gradients)
        for index, group, parameters in work:
            for step, members in self._cohorts(group, parameters):
                numbers = self._scalars().put(index, members[0].device, self._numbers(group))
                step.add_(1)
                self._update(group, numbers, step, members, common)

    @torch.no_grad()
    def sync_hyperparameters(self) -> None:
        """Uploads hyper-parameters that have changed since the last step, so that a replay of a captured step uses them."""
        for index, group in enumerate(self.param_groups):
            for device in sorted({str(p.device) for p in group["params"] if "step" in self.state.get(p, {})}):
                self._scalars().put(index, torch.device(device), self._numbers(group))

    def _scalars(self) -> DeviceScalars:
        # Not in __init__: unpickling and subclasses of PyTorch's optimizers do not pass there.
        return self.__dict__.setdefault("_device_scalars", DeviceScalars())

    def _with_gradients(self, group: Dict[str, Any]) -> List[torch.Tensor]:
        parameters = [p for p in group["params"] if p.grad is not None]
        for p in parameters:
            if p.grad.is_sparse:
                raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")
        new = [p for p in parameters if "step" not in self.state[p]]
        if new:
            with outside_capture():
                steps: Dict[torch.device, torch.Tensor] = {}
                for p in new:
                    if p.device not in steps:
                        steps[p.device] = torch.zeros((), dtype=torch.float32, device=p.device)
                    self.state[p]["step"] = steps[p.device]
                    self._make_state(group, p, self.state[p])
        return parameters

    def _cohorts(self, group: Dict[str, Any], parameters: List[torch.Tensor]) -> Iterable[Tuple[torch.Tensor, List[torch.Tensor]]]:
        """The parameters by their counter. Those that go on without others of theirs get one of their own first."""
        self._place_counters(group)
        sizes = collections.Counter(id(self.state[p]["step"]) for p in group["params"] if "step" in self.state.get(p, {}))
        cohorts: Dict[int, List[torch.Tensor]] = {}
        for p in parameters:
            cohorts.setdefault(id(self.state[p]["step"]), []).append(p)
        for key, members in cohorts.items():
            step = self.state[members[0]]["step"]
            if len(members) < sizes[key]:
                with outside_capture():
                    step = step.clone()
                for p in members:
                    self.state[p]["step"] = step
            yield step, members

    def _place_counters(self, group: Dict[str, Any]) -> None:
        """Counters from a state_dict may be Python numbers or lie on the host; equal ones become one again."""
        loose = [p for p in group["params"] if "step" in self.state.get(p, {}) and not self._in_place(p)]
        if not loose:
            return
        with outside_capture():
            placed: Dict[Tuple[torch.device, float], torch.Tensor] = {}
            for p in loose:
                number = float(self.state[p]["step"])
                if (p.device, number) not in placed:
                    placed[p.device, number] = torch.full((), number, dtype=torch.float32).to(p.device)
                self.state[p]["step"] = placed[p.device, number]

    def _in_place(self, p: torch.Tensor) -> bool:
        step = self.state[p]["step"]
        return isinstance(step, torch.Tensor) and step.device == p.device and step.dtype == torch.float32
