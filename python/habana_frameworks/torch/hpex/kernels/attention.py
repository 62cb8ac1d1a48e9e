"""Scaled dot-product attention as one differentiable function.

Forward: a product, one element-wise kernel (scale and masks), a softmax, a product. Backward is written by hand in the same pieces.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Optional, Sequence, Tuple, Union

import torch

from habana_frameworks.torch import hpu

from .._autocast import as_written, lowered
from .._refused import NO_FP8, refused


class _Masks(NamedTuple):
    """What keeps keys from queries. `hidden` is bool, `bias` is added; both broadcast to the scores."""

    hidden: Optional[torch.Tensor]
    bias: Optional[torch.Tensor]
    may_empty_rows: bool  # whether `hidden` may leave a query without any key


def _or(a: Optional[torch.Tensor], b: torch.Tensor) -> torch.Tensor:
    return b if a is None else torch.logical_or(a, b)


def _masks(
    q: torch.Tensor,
    k: torch.Tensor,
    attn_mask: Optional[torch.Tensor],
    is_causal: bool,
    valid_seq_len: Optional[torch.Tensor] = None,
    seq_padding_type: str = "left",
) -> _Masks:
    queries, keys = q.shape[-2], k.shape[-2]
    hidden, bias, may_empty_rows = None, None, False
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            hidden, may_empty_rows = torch.logical_not(attn_mask), True
        else:
            bias = attn_mask
    if is_causal:
        hidden = _or(hidden, torch.ones(queries, keys, dtype=torch.bool, device=q.device).triu(1))
    if valid_seq_len is not None:
        # One length a batch row, for the keys of that row.
        key = torch.arange(keys, device=q.device)
        length = valid_seq_len.to(q.device).reshape([-1] + [1] * (q.dim() - 1))
        hidden = _or(hidden, key >= length if seq_padding_type == "right" else key < keys - length)
        may_empty_rows = True
    return _Masks(hidden, bias, may_empty_rows)


class _Folded(NamedTuple):
    """Queries whose heads share a head of the keys, side by side along the length: no key is copied."""

    heads: int  # of the queries; 0: nothing was folded
    length: int

    @staticmethod
    def of(q: torch.Tensor, k: torch.Tensor) -> "_Folded":
        if q.dim() < 3 or k.dim() != q.dim():
            return _Folded(0, 0)
        heads, shared = q.shape[-3], k.shape[-3]
        if heads == shared or shared == 0 or heads == 1:
            return _Folded(0, 0)
        if heads % shared != 0:
            raise RuntimeError(f"FusedSDPA: the query's {heads} heads are not a multiple of the key's {shared}")
        return _Folded(heads, q.shape[-2])

    def fold(self, x: torch.Tensor, shared: int) -> torch.Tensor:
        if self.heads == 0:
            return x
        return x.reshape(x.shape[:-3] + (shared, self.heads // shared * self.length, x.shape[-1]))

    def unfold(self, x: torch.Tensor) -> torch.Tensor:
        if self.heads == 0:
            return x
        return x.reshape(x.shape[:-3] + (self.heads, self.length, x.shape[-1]))


def _product(folded: _Folded, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a @ b, where `a` has the heads of the queries and `b` those of the keys."""
    return folded.unfold(torch.matmul(folded.fold(a, b.shape[-3] if b.dim() > 2 else 1), b))


def _product_over_queries(folded: _Folded, a: torch.Tensor, b: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """a^T @ b, both with the heads of the queries, summed to the sizes of `like`, which has those of the keys."""
    shared = like.shape[-3] if like.dim() > 2 else 1
    return torch.matmul(folded.fold(a, shared).transpose(-2, -1), folded.fold(b, shared)).sum_to_size(like.shape)


def _scores(q: torch.Tensor, k: torch.Tensor, masks: _Masks, scale: float, folded: _Folded) -> torch.Tensor:
    """In fp32, so that bf16 is rounded once."""
    scores = _product(folded, q, k.transpose(-2, -1)).float() * scale
    if masks.bias is not None:
        scores = scores + masks.bias
    return scores if masks.hidden is None else scores.masked_fill(masks.hidden, -math.inf)


def _probabilities(q: torch.Tensor, k: torch.Tensor, masks: _Masks, scale: float, folded: _Folded) -> torch.Tensor:
    p = torch.softmax(_scores(q, k, masks, scale, folded), -1)
    # A query that may see nothing attends to nothing; NaN would spread over the batch in the next layer.
    return p.masked_fill(masks.hidden, 0.0) if masks.hidden is not None and masks.may_empty_rows else p


def _drop(p: torch.Tensor, mask: torch.Tensor, dropout_p: float) -> torch.Tensor:
    return p * mask * (1.0 / (1.0 - dropout_p) if dropout_p < 1 else 0.0)


def attention_backward(
    gradient: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    p: torch.Tensor,
    dropout_mask: Optional[torch.Tensor],
    dropout_p: float,
    scale: float,
    wants: Sequence[bool] = (True, True, True, False),
    attn_mask: Optional[torch.Tensor] = None,
) -> Tuple[Optional[torch.Tensor], Optional[torch.Tensor], Optional[torch.Tensor], Optional[torch.Tensor]]:
    """The gradients of q, k, v and the mask, of those that are wanted. `p` are the probabilities before dropout."""
    folded = _Folded.of(q, k)
    wide = p.float()
    dropped = wide if dropout_mask is None else _drop(wide, dropout_mask, dropout_p)
    d_v = _product_over_queries(folded, dropped.to(v.dtype), gradient, v) if wants[2] else None
    if not (wants[0] or wants[1] or wants[3]):
        return None, None, d_v, None
    d_p = _product(folded, gradient, v.transpose(-2, -1)).float()
    if dropout_mask is not None:
        d_p = _drop(d_p, dropout_mask, dropout_p)
    d_scores = wide * (d_p - (d_p * wide).sum(-1, keepdim=True))
    d_mask = d_scores.sum_to_size(attn_mask.shape).to(attn_mask.dtype) if wants[3] and attn_mask is not None else None
    scaled = (d_scores * scale).to(q.dtype)
    d_q = _product(folded, scaled, k).sum_to_size(q.shape) if wants[0] else None
    d_k = _product_over_queries(folded, scaled, q, k) if wants[1] else None
    return d_q, d_k, d_v, d_mask


def attention_with_statistics(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, attn_mask: Optional[torch.Tensor], is_causal: bool, scale: float, *padding: Any
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The output and, of each query, the largest score and one over the sum of the exponentials: what `probabilities_again` needs beside q and k."""
    folded = _Folded.of(q, k)
    scores = _scores(q, k, _masks(q, k, attn_mask, is_causal, *padding), scale, folded)
    largest = scores.amax(-1, keepdim=True)
    shifted = torch.exp(scores - largest)
    inverse = torch.reciprocal(shifted.sum(-1, keepdim=True))
    return _product(folded, (shifted * inverse).to(v.dtype), v), largest, inverse


def probabilities_again(
    q: torch.Tensor,
    k: torch.Tensor,
    attn_mask: Optional[torch.Tensor],
    is_causal: bool,
    scale: float,
    largest: torch.Tensor,
    inverse: torch.Tensor,
) -> torch.Tensor:
    """The probabilities of `attention_with_statistics`, without a reduction."""
    return torch.exp(_scores(q, k, _masks(q, k, attn_mask, is_causal), scale, _Folded.of(q, k)) - largest) * inverse


class FusedSDPA(torch.autograd.Function):
    """softmax(q k^T * scale + mask) v. `FusedSDPA.apply(q, k, v, ...)` with q [..., L, E], k [..., S, E], v [..., S, Ev].

    Args:
        attn_mask: bool (True takes part) or float (added); broadcasts to [..., L, S].
        dropout_p: of the probabilities.
        is_causal: query i sees keys 0..i; together with a mask, both hold.
        scale: default 1 / sqrt(E).
        softmax_mode: "None" or "fast"; both compute the same here.
        recompute_mode: True keeps no probabilities for the backward pass; None follows `ht.hpu.sdp_kernel`.
        valid_seq_len: how many keys of each batch row are valid, with the padding on the side `seq_padding_type` ("left" or "right").
        return_dropout_mask, return_attn_probs: then the result is a tuple (output, what was asked for, in this order).

    The heads of q may be a multiple of those of k and v (grouped and multi-query attention).
    """

    @classmethod
    def apply(
        cls,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: Optional[torch.Tensor] = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: Optional[float] = None,
        softmax_mode: str = "None",
        recompute_mode: Optional[bool] = None,
        valid_seq_len: Optional[torch.Tensor] = None,
        seq_padding_type: str = "left",
        return_dropout_mask: bool = False,
        return_attn_probs: bool = False,
    ) -> Union[torch.Tensor, Tuple[torch.Tensor, ...]]:
        if not 0.0 <= dropout_p <= 1.0:
            raise ValueError(f"FusedSDPA: dropout_p is {dropout_p}, it must be within [0, 1]")
        if str(softmax_mode) not in ("None", "fast", "fp32"):
            raise ValueError(f"FusedSDPA: softmax_mode is {softmax_mode!r}, it must be 'None' or 'fast'")
        if valid_seq_len is not None and seq_padding_type not in ("left", "right"):
            raise ValueError(f"FusedSDPA: seq_padding_type is {seq_padding_type!r}, it must be 'left' or 'right'")
        if recompute_mode is None:
            recompute_mode = bool(getattr(hpu, "recompute_sdp_enabled", bool)())
        query, key, value = lowered(query), lowered(key), lowered(value)
        scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
        output, dropout_mask, probabilities = super().apply(
            query, key, value, attn_mask, float(dropout_p), bool(is_causal), scale, recompute_mode, valid_seq_len, seq_padding_type, bool(return_attn_probs)
        )
        if not (return_dropout_mask or return_attn_probs):
            return output
        return (output,) + ((dropout_mask,) if return_dropout_mask else ()) + ((probabilities,) if return_attn_probs else ())

    @staticmethod
    @as_written
    def forward(  # type: ignore[override]
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attn_mask: Optional[torch.Tensor],
        dropout_p: float,
        is_causal: bool,
        scale: float,
        recompute: bool,
        valid_seq_len: Optional[torch.Tensor],
        seq_padding_type: str,
        return_attn_probs: bool,
    ) -> Tuple[torch.Tensor, Optional[torch.Tensor], Optional[torch.Tensor]]:
        ctx.dropout_p, ctx.is_causal, ctx.scale, ctx.seq_padding_type = dropout_p, is_causal, scale, seq_padding_type
        folded = _Folded.of(q, k)
        wide = _probabilities(q, k, _masks(q, k, attn_mask, is_causal, valid_seq_len, seq_padding_type), scale, folded)
        p, dropout_mask = wide.to(q.dtype), None
        dropped = p
        if dropout_p > 0:
            dropout_mask = torch.empty_like(p).bernoulli_(1.0 - dropout_p)
            dropped = _drop(wide, dropout_mask, dropout_p)
        output = _product(folded, dropped.to(v.dtype), v)
        ctx.save_for_backward(q, k, v, attn_mask, valid_seq_len, dropout_mask, None if recompute else p)
        probabilities = p.clone() if return_attn_probs else None
        ctx.mark_non_differentiable(*(t for t in (dropout_mask, probabilities) if t is not None))
        return output, dropout_mask, probabilities

    @staticmethod
    @as_written
    def backward(ctx: Any, gradient: torch.Tensor, *unused: Any) -> Tuple[Optional[torch.Tensor], ...]:  # type: ignore[override]
        q, k, v, attn_mask, valid_seq_len, dropout_mask, p = ctx.saved_tensors
        if p is None:
            masks = _masks(q, k, attn_mask, ctx.is_causal, valid_seq_len, ctx.seq_padding_type)
            p = _probabilities(q, k, masks, ctx.scale, _Folded.of(q, k))
        wants = ctx.needs_input_grad[:4]
        return attention_backward(gradient, q, k, v, p, dropout_mask, ctx.dropout_p, ctx.scale, wants, attn_mask) + (None,) * 7


class PySDPA(FusedSDPA):
    """The vendor's Python form of `FusedSDPA`; the same function here."""


class PySDPAHinted(FusedSDPA):
    """`FusedSDPA` with scheduling hints for the vendor's compiler, of which this one has no need."""


fp8_fused_sdpa = refused("habana_frameworks.torch.hpex.kernels.fp8_fused_sdpa", NO_FP8)
