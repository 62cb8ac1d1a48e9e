"""Rotary position embedding: p * cos + rotate(p) * sin, in one kernel for each half of the last dim.

The helpers differ in how they name the positions; all take cos and sin either already chosen for the positions (they broadcast against p) or as
tables of which `position_ids` chooses rows, or `offset` the first one.
"""

from __future__ import annotations

import enum
from typing import Any, Optional, Tuple

import torch

from .._autocast import as_written


class RotaryPosEmbeddingMode(enum.IntEnum):
    """Which elements are rotated together: i and i + size / 2, or 2 i and 2 i + 1."""

    BLOCKWISE = 0
    PAIRWISE = 1


def _halves(x: torch.Tensor, mode: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """The two partners of each rotation, as views."""
    if mode == RotaryPosEmbeddingMode.PAIRWISE:
        return x[..., 0::2], x[..., 1::2]
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


def _rows(table: torch.Tensor, p: torch.Tensor, position_ids: Optional[torch.Tensor], offset: Optional[int]) -> torch.Tensor:
    """`table` (cos or sin) for the positions of p: something that broadcasts against p."""
    if position_ids is not None:
        if table.dim() < 2 or table.numel() != table.shape[-1] * table.shape[-2]:
            raise RuntimeError(f"rotary embedding: with position_ids, cos and sin are tables [positions, size], not {list(table.shape)}")
        # Guessing that the heads are innermost would be wrong in silence where there are as many heads as positions.
        if p.dim() < 2 or position_ids.shape[-1] not in (1, p.shape[-2]):
            raise RuntimeError(
                f"rotary embedding: position_ids {list(position_ids.shape)} do not fit an input {list(p.shape)}, whose positions are dim -2"
            )
        rows = torch.embedding(table.reshape(table.shape[-2:]), position_ids.to(table.device))
        # [batch, length, size] for [batch, heads, length, size].
        return rows.unsqueeze(-3) if rows.dim() == 3 and p.dim() == 4 else rows
    if offset is None:
        return table
    # The table's one dim of positions is cut to those of p.
    for dim in range(-2, -min(table.dim(), p.dim()) - 1, -1):
        if table.shape[dim] != 1:
            return table.narrow(dim, offset, p.shape[dim])
    return table


def _whole(table: torch.Tensor, size: int, mode: int) -> torch.Tensor:
    """A table of half the size has one value for both partners."""
    if table.shape[-1] == size:
        return table
    if 2 * table.shape[-1] != size:
        raise RuntimeError(f"rotary embedding: cos and sin have {table.shape[-1]} values a position, the input has {size}")
    if mode == RotaryPosEmbeddingMode.BLOCKWISE:
        return torch.cat((table, table), -1)
    return torch.stack((table, table), -1).flatten(-2)


def _rotate(p: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mode: int, backward: bool) -> torch.Tensor:
    """In fp32, rounded once. Backward is the transposed rotation."""
    (a, b), (cos_a, cos_b), (sin_a, sin_b) = (_halves(x, mode) for x in (p, cos, sin))
    a, b = a.float(), b.float()
    result = torch.empty(torch.broadcast_shapes(p.shape, cos.shape), dtype=p.dtype, device=p.device)
    first, second = _halves(result, mode)
    if backward:
        first.copy_(a * cos_a + b * sin_b)
        second.copy_(b * cos_b - a * sin_a)
    else:
        first.copy_(a * cos_a - b * sin_a)
        second.copy_(b * cos_b + a * sin_b)
    return result


def rotary(
    p: torch.Tensor, sin: torch.Tensor, cos: torch.Tensor, position_ids: Optional[torch.Tensor], offset: Optional[int], mode: int, backward: bool = False
) -> torch.Tensor:
    """What the operators rotary_pos_embedding and rotary_pos_embedding_backward compute (without a gradient of its own)."""
    if p.shape[-1] % 2 != 0:
        raise RuntimeError(f"rotary embedding: the last size is {p.shape[-1]}, it must be even")
    cos, sin = (_whole(_rows(table, p, position_ids, offset), p.shape[-1], mode) for table in (cos, sin))
    return _rotate(p, cos, sin, mode, backward)


class _Rotary(torch.autograd.Function):
    @staticmethod
    @as_written
    def forward(  # type: ignore[override]
        ctx: Any, p: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, position_ids: Optional[torch.Tensor], offset: Optional[int], mode: int
    ) -> torch.Tensor:
        ctx.save_for_backward(cos, sin, position_ids)
        ctx.offset, ctx.mode, ctx.sizes = offset, mode, p.shape
        return rotary(p, sin, cos, position_ids, offset, mode)

    @staticmethod
    @as_written
    def backward(ctx: Any, gradient: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:  # type: ignore[override]
        cos, sin, position_ids = ctx.saved_tensors
        d_p = rotary(gradient, sin, cos, position_ids, ctx.offset, ctx.mode, backward=True)
        return d_p.sum_to_size(ctx.sizes), None, None, None, None, None


def _apply(p: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, rest: Tuple[Any, ...], named: Any, cuts: bool = False) -> torch.Tensor:
    """`rest` are position_ids (a tensor or None), offset and mode, in this order; any may be left out.

    Without position_ids and offset, the tables are those of p's positions already; if `cuts`, offset 0 is one too.
    """
    values = {"position_ids": None, "offset": 0, "mode": RotaryPosEmbeddingMode.BLOCKWISE}
    seen_offset = False
    for value in rest:
        if value is None or isinstance(value, torch.Tensor):
            values["position_ids"] = value
        elif isinstance(value, RotaryPosEmbeddingMode) or seen_offset:
            values["mode"] = RotaryPosEmbeddingMode(value)
        else:
            values["offset"], seen_offset = int(value), True
    unknown = set(named) - set(values)
    if unknown:
        raise TypeError(f"rotary embedding: unknown argument {sorted(unknown)[0]!r}")
    values.update(named)
    offset = int(values["offset"]) if values["offset"] or cuts else None
    return _Rotary.apply(p, cos, sin, values["position_ids"], offset, int(values["mode"]))


class RotaryPosEmbeddingHelperV1:
    """`apply(p, cos, sin, offset)`: as in GPT-NeoX; a tensor instead of the offset are position ids."""

    @staticmethod
    def apply(p: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _apply(p, cos, sin, args, kwargs, cuts=True)


class RotaryPosEmbeddingHelperV2:
    """`apply(p, cos, sin, position_ids, offset=0)`: as in LLaMA."""

    @staticmethod
    def apply(p: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _apply(p, cos, sin, args, kwargs)


class RotaryPosEmbeddingHelperV3:
    """`apply(p, cos, sin, position_ids, offset=0, mode=BLOCKWISE)`: the pairs are chosen by mode, as GPT-J and ChatGLM need."""

    @staticmethod
    def apply(p: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _apply(p, cos, sin, args, kwargs)


def apply_rotary_pos_emb(p: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """p with its positions rotated in. `args`: cos, sin, then position_ids (a tensor or None), offset and mode, as far as they are given."""
    values = list(args)
    for name in ("cos", "sin"):
        if name in kwargs:
            values.append(kwargs.pop(name))
    if len(values) < 2:
        raise TypeError("apply_rotary_pos_emb() needs p, cos and sin")
    return _apply(p, values[0], values[1], tuple(values[2:]), kwargs)
