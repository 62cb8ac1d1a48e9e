"""CTCLoss: PyTorch's, on the CPU."""

from __future__ import annotations

import functools
from typing import Any, Callable, Optional

import torch


def ctc_loss(
    log_probs: torch.Tensor,
    targets: torch.Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> torch.Tensor:
    """`torch.nn.functional.ctc_loss`, with its gradient, for tensors on any device."""
    on_host = [t.cpu() if isinstance(t, torch.Tensor) else t for t in (log_probs.float(), targets, input_lengths, target_lengths)]
    return torch.nn.functional.ctc_loss(*on_host, blank=blank, reduction=reduction, zero_infinity=zero_infinity).to(log_probs.device)


class _Apply:
    """`CTCLoss.apply` is the function; `apply` of an object is the module's."""

    def __get__(self, instance: Optional[torch.nn.Module], owner: type) -> Callable[..., Any]:
        return ctc_loss if instance is None else functools.partial(torch.nn.Module.apply, instance)


class CTCLoss(torch.nn.CTCLoss):
    """`CTCLoss.apply(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False)`, or a module like
    `torch.nn.CTCLoss`. No kernel of the device computes it: operands are copied to the CPU, which a graph cannot capture."""

    apply = _Apply()  # type: ignore[assignment]

    def forward(self, log_probs: torch.Tensor, targets: torch.Tensor, input_lengths: Any, target_lengths: Any) -> torch.Tensor:
        return ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity)
