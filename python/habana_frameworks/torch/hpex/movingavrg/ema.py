"""Exponential moving average of everything in a model's state_dict."""

from __future__ import annotations

import copy
import math
from typing import Any, Dict, Sequence

import torch

from .._autocast import as_written
from .._scalars import outside_capture

RAMP = 2000.0  # updates after which the decay has nearly its full value


class FusedEMA:
    """Keeps `ema`, a copy of `model` whose floating-point state is decay' * ema + (1 - decay') * model after each `update`, with
    decay' = decay * (1 - exp(-updates / 2000)), so that the first updates count more. The rest of the state is left as it was copied.

    The number of updates is counted on the device: an update can be captured and replayed.
    """

    def __init__(self, model: torch.nn.Module, decay: float = 0.9999, updates: int = 0) -> None:
        self.ema = copy.deepcopy(model.module if hasattr(model, "module") else model).eval()
        self.decay_factor = float(decay)
        self._counters: Dict[torch.device, torch.Tensor] = {}
        self._begin = int(updates)
        for p in self.ema.parameters():
            p.requires_grad_(False)
            self._counter(p.device)

    def decay(self, updates: int) -> float:
        """The decay of the `updates`-th update."""
        return self.decay_factor * (1.0 - math.exp(-updates / RAMP))

    @property
    def updates(self) -> int:
        """How many updates there were. Reading it waits for the device."""
        for counter in self._counters.values():
            return int(counter.item())
        return self._begin

    @updates.setter
    def updates(self, value: int) -> None:
        self._begin = int(value)
        with outside_capture():
            for counter in self._counters.values():
                counter.copy_(torch.tensor(float(value)))

    def _counter(self, device: torch.device) -> torch.Tensor:
        if device not in self._counters:
            with outside_capture():
                self._counters[device] = torch.tensor(float(self._begin)).to(device)
        return self._counters[device]

    @torch.no_grad()
    @as_written
    def update(self, model: torch.nn.Module) -> None:
        """Takes the weights of `model` into the average."""
        now: Dict[str, Any] = (model.module if hasattr(model, "module") else model).state_dict()
        rest: Dict[torch.device, torch.Tensor] = {}
        for name, average in self.ema.state_dict().items():
            if not average.dtype.is_floating_point:
                continue
            if average.device not in rest:
                counter = self._counter(average.device)
                counter.add_(1)
                # 1 - decay', from its parts: 1 - decay alone is exact in fp32, the sum would not be.
                rest[average.device] = (1.0 - self.decay_factor) + self.decay_factor * torch.exp(counter * (-1.0 / RAMP))
            wide = average.float()
            average.copy_(wide + (now[name].detach().to(average.device).float() - wide) * rest[average.device])

    def update_attr(self, model: torch.nn.Module, include: Sequence[str] = (), exclude: Sequence[str] = ("process_group", "reducer")) -> None:
        """Copies the public attributes of `model` (of `include` if it names any) that `exclude` does not name."""
        for name, value in vars(model).items():
            if not name.startswith("_") and name not in exclude and (not include or name in include):
                setattr(self.ema, name, value)
