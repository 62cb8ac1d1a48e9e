"""The vendor's engine for 8-bit floats, as far as it can be without them: layers compute in fp32 or bf16, and `fp8_autocast` refuses to be enabled."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Optional

import torch

from . import fp8, recipe
from ..._refused import NO_FP8, refused

__all__ = ["FusedAttention", "Linear", "fp8", "fp8_autocast", "recipe"]


class Linear(torch.nn.Linear):
    """`torch.nn.Linear`. The arguments that tune 8-bit floats are accepted, and without effect.

    With `skip_weight_param_allocation` it has no weight and no bias until they are assigned.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        params_dtype: Optional[torch.dtype] = None,
        dtype: Optional[torch.dtype] = None,
        skip_weight_param_allocation: bool = False,
        **tuning: Any,
    ) -> None:
        unknown = set(tuning) - {"sequence_parallel", "tp_group", "tp_size", "minimize_memory", "parallel_mode", "return_bias", "recipe"}
        if unknown:
            raise TypeError(f"transformer_engine.Linear: unknown argument {sorted(unknown)[0]!r}")
        if tuning.get("tp_size", 1) != 1 or tuning.get("parallel_mode") is not None or tuning.get("return_bias"):
            raise NotImplementedError("transformer_engine.Linear: tensor parallelism and return_bias are not supported")
        place = "meta" if skip_weight_param_allocation else device
        super().__init__(in_features, out_features, bias=bias, device=place, dtype=params_dtype if dtype is None else dtype)
        if skip_weight_param_allocation:
            self.weight = self.bias = None

    def forward(self, inp: torch.Tensor, is_first_microbatch: Optional[bool] = None) -> torch.Tensor:  # noqa: D102
        return super().forward(inp)


@contextlib.contextmanager
def fp8_autocast(
    enabled: bool = False, force_measurement: Optional[bool] = None, fp8_recipe: Optional[recipe.DelayedScaling] = None, fp8_group: Any = None
) -> Iterator[None]:
    """A region whose layers compute with 8-bit floats, if `enabled`: NotImplementedError."""
    if enabled:
        raise NotImplementedError(f"transformer_engine.fp8_autocast(enabled=True) is not supported: {NO_FP8}; pass enabled=False to compute in fp32 or bf16")
    yield


FusedAttention = refused("transformer_engine.FusedAttention", NO_FP8 + "; hpex.kernels.FusedSDPA computes in fp32 or bf16")
