"""Helpers of FBGEMM's embedding tables, with FBGEMM's meanings. Their results' sizes depend on data: they work on the host."""

from __future__ import annotations

import enum
import warnings
from typing import Optional, Tuple

import torch


class BoundsCheckMode(enum.IntEnum):
    """FATAL raises, WARNING warns and mends, IGNORE mends."""

    FATAL = 0
    WARNING = 1
    IGNORE = 2


def bounds_check_indices(
    rows_per_table: torch.Tensor,
    indices: torch.Tensor,
    offsets: torch.Tensor,
    bounds_check_mode: int,
    warning: torch.Tensor,
    weights: Optional[torch.Tensor] = None,
) -> None:
    """Checks the indices and offsets of bags of several tables (`offsets`: tables x bags + 1, table after table).

    Indices out of [0, rows) become 0, offsets out of order are mended, both in place, and counted in `warning`; in FATAL mode they are an error instead.
    """
    mode = BoundsCheckMode(bounds_check_mode)
    device = indices.device
    tables = rows_per_table.numel()
    rows, index, offset = rows_per_table.cpu().long(), indices.cpu().long(), offsets.cpu().long()
    if tables == 0 or (offset.numel() - 1) % tables != 0:
        raise RuntimeError(f"bounds_check_indices: {offset.numel()} offsets do not fit {tables} tables")
    if weights is not None and weights.numel() != index.numel():
        raise RuntimeError(f"bounds_check_indices: {weights.numel()} weights for {index.numel()} indices")
    mended = torch.cummax(offset.clamp(0, index.numel()), 0).values
    mended[0], mended[-1] = 0, index.numel()
    bags = (offset.numel() - 1) // tables
    limit = torch.repeat_interleave(rows.repeat_interleave(bags), mended.diff())
    bad = (index < 0) | (index >= limit)
    problems = int(bad.sum()) + int((mended != offset).sum())
    if problems == 0:
        return
    if mode == BoundsCheckMode.FATAL:
        raise RuntimeError(f"bounds_check_indices: {problems} indices or offsets are out of bounds")
    if mode == BoundsCheckMode.WARNING:
        warnings.warn(f"bounds_check_indices: {problems} indices or offsets were out of bounds and are mended")
        warning.add_(problems)
    indices.copy_(index.masked_fill(bad, 0).to(indices.dtype).to(device))
    offsets.copy_(mended.to(offsets.dtype).to(device))


def expand_into_jagged_permute(permute: torch.Tensor, input_offsets: torch.Tensor, output_offsets: torch.Tensor, output_size: int) -> torch.Tensor:
    """A permutation of segments as one of their elements: element j of output segment i comes from input segment permute[i].

    `output_size` is the sum of the segments' lengths.
    """
    device = permute.device
    order, source, target = permute.cpu().long(), input_offsets.cpu().long(), output_offsets.cpu().long()
    lengths = target.diff()
    if int(lengths.sum()) != output_size:
        raise RuntimeError(f"expand_into_jagged_permute: output_size is {output_size}, the segments have {int(lengths.sum())} elements")
    shift = torch.repeat_interleave(source[order] - target[:-1], lengths)
    return (torch.arange(output_size) + shift).to(permute.dtype).to(device)


def _permute(
    permute: torch.Tensor, lengths: torch.Tensor, values: torch.Tensor, weights: Optional[torch.Tensor]
) -> Tuple[torch.Tensor, torch.Tensor, Optional[torch.Tensor]]:
    """Rows of `lengths` in the order `permute`, with the values that belong to them."""
    order, rows = permute.cpu().long(), lengths.cpu().long()
    parts = torch.split(torch.arange(values.numel()), rows.reshape(rows.shape[0], -1).sum(1).tolist())
    taken = torch.cat([parts[i] for i in order.tolist()] or [torch.empty(0, dtype=torch.int64)])
    moved = None if weights is None else weights.cpu()[taken].to(weights.device)
    return rows[order].to(lengths.dtype).to(lengths.device), values.cpu()[taken].to(values.device), moved


def permute_1D_sparse_data(  # noqa: N802  the vendor's name
    permute: torch.Tensor, lengths: torch.Tensor, values: torch.Tensor, weights: Optional[torch.Tensor] = None, permuted_lengths_sum: Optional[int] = None
) -> Tuple[torch.Tensor, torch.Tensor, Optional[torch.Tensor]]:
    """Lengths [n], values and weights of sparse features in another order: segment i of the result is segment permute[i]."""
    return _permute(permute, lengths, values, weights)


def permute_2D_sparse_data(  # noqa: N802  the vendor's name
    permute: torch.Tensor, lengths: torch.Tensor, values: torch.Tensor, weights: Optional[torch.Tensor] = None, permuted_lengths_sum: Optional[int] = None
) -> Tuple[torch.Tensor, torch.Tensor, Optional[torch.Tensor]]:
    """The same for lengths [features, batch]: whole features move."""
    return _permute(permute, lengths, values, weights)
