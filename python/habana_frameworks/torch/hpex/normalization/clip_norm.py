"""Clipping of gradients by their common norm, without the host in between."""

from __future__ import annotations

from typing import Iterable, List, Union

import torch

from .._autocast import as_written

EPSILON = 1e-6  # as in torch.nn.utils.clip_grad_norm_


def norms(tensors: List[torch.Tensor]) -> torch.Tensor:
    """The 2-norm of each tensor (fp32, one vector on their device)."""
    return _squares(tensors).sqrt()


def total_norm(tensors: List[torch.Tensor]) -> torch.Tensor:
    """The 2-norm of all elements of all tensors (fp32, on their device)."""
    return _squares(tensors).sum().sqrt()


def _squares(tensors: List[torch.Tensor]) -> torch.Tensor:
    squares = torch.empty(len(tensors), dtype=torch.float32, device=tensors[0].device)
    for tensor, place in zip(tensors, squares.unbind()):
        wide = tensor.float()
        torch.sum(wide * wide, dim=(), out=place)
    return squares


class FusedClipNorm:
    """`FusedClipNorm(parameters, max_norm).clip_norm(parameters)` does what `torch.nn.utils.clip_grad_norm_(parameters, max_norm)` does."""

    def __init__(self, parameters: Union[torch.Tensor, Iterable[torch.Tensor]], max_norm: float) -> None:
        self.parameters = self._list(parameters)
        self.max_norm = float(max_norm)

    @staticmethod
    def _list(parameters: Union[torch.Tensor, Iterable[torch.Tensor]]) -> List[torch.Tensor]:
        return [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)

    @torch.no_grad()
    @as_written
    def clip_norm(self, parameters: Union[None, torch.Tensor, Iterable[torch.Tensor]] = None) -> torch.Tensor:
        """Scales the gradients of `parameters` (default: those it was made for) in place, and gives their norm before."""
        given = self.parameters if parameters is None else self._list(parameters)
        gradients = [p.grad for p in given if p.grad is not None]
        if not gradients:
            return torch.zeros(())
        norm = total_norm(gradients)
        factor = (self.max_norm / (norm + EPSILON)).clamp(max=1.0)
        for g in gradients:
            g.mul_(factor.to(g.dtype))
        return norm
