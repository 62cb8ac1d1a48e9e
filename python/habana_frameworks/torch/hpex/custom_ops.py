"""The operators `torch.ops.hpu.*` that programs call past the wrappers. Importing this defines them.

Those that work are composites of PyTorch's operators, so they run on any device. Those that do not are there by name, and say so when called.
"""

from __future__ import annotations

from typing import List, Optional, Tuple

import torch

from ._refused import NO_FP8, refused
from ._scalars import DeviceScalars
from .kernels.attention import FusedSDPA, attention_backward, attention_with_statistics, probabilities_again
from .kernels.rotary import _Rotary, rotary
from .kernels.softmax import CustomSoftmax
from .normalization.rms_norm import rms_norm, rms_norm_backward
from .optimizers.adam import adamw_update

_library = torch.library.Library("hpu", "DEF")


def _define(schema: str, function: object) -> None:
    _library.define(schema)
    _library.impl(schema[: schema.index("(")], function, "CompositeImplicitAutograd")


def _rotary_pos_embedding(
    input: torch.Tensor, sin: torch.Tensor, cos: torch.Tensor, position_ids: Optional[torch.Tensor], offset: int, mode: int  # noqa: A002
) -> torch.Tensor:
    return _Rotary.apply(input, cos, sin, position_ids, offset or None, mode)


def _rotary_pos_embedding_backward(
    grad_in: torch.Tensor, sin: torch.Tensor, cos: torch.Tensor, position_ids: Optional[torch.Tensor], offset: int, mode: int
) -> torch.Tensor:
    return rotary(grad_in, sin, cos, position_ids, offset or None, mode, backward=True)


def _rms_norm(data_in: torch.Tensor, gamma: torch.Tensor, epsilon: float) -> Tuple[torch.Tensor, torch.Tensor]:
    return rms_norm(data_in, gamma, epsilon)


def _rms_norm_backward(
    grad_in: torch.Tensor, data_in: torch.Tensor, gamma: torch.Tensor, inverse_rms: torch.Tensor, use_stages: bool, bwd_mode: int
) -> Tuple[torch.Tensor, torch.Tensor]:
    d_x, d_gamma = rms_norm_backward(grad_in, data_in, gamma, inverse_rms)
    assert d_x is not None and d_gamma is not None
    return d_x, d_gamma


def _rms_norm_fast_backward(
    grad_in: torch.Tensor, data_in: torch.Tensor, gamma: torch.Tensor, inverse_rms: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    return _rms_norm_backward(grad_in, data_in, gamma, inverse_rms, True, 0)


def _custom_softmax(input: torch.Tensor, flavor: int) -> torch.Tensor:  # noqa: A002
    return CustomSoftmax.apply(input, flavor)


def _scaled_masked_softmax(input: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:  # noqa: A002
    return CustomSoftmax.apply((input.float() * scale + mask).to(input.dtype), 0)


def _scaled_triangular_softmax(
    self: torch.Tensor, inv_scale_attn: float, exp_sum_recpr: Optional[torch.Tensor] = None, sum: Optional[torch.Tensor] = None  # noqa: A002
) -> torch.Tensor:
    if exp_sum_recpr is not None or sum is not None:
        raise NotImplementedError("torch.ops.hpu.scaled_triangular_softmax with exp_sum_recpr or sum is not supported")
    rows, columns = self.shape[-2:]
    keep = torch.arange(columns, device=self.device) <= torch.arange(rows, device=self.device).unsqueeze(-1)
    scores = torch.where(keep, self.float() * inv_scale_attn, -float("inf"))
    return CustomSoftmax.apply(scores.to(self.dtype), 0)


def _sdpa_fwd(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    attention_mask: Optional[torch.Tensor],
    dropout_p: float,
    scale: float,
    is_causal: bool,
    softmax_mode: str,
    valid_seq_len: Optional[torch.Tensor] = None,
    seq_padding_type: str = "left",
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    if dropout_p > 0:
        output, mask, p = FusedSDPA.apply(
            q, k, v, attention_mask, dropout_p, is_causal, scale, softmax_mode, False, valid_seq_len, seq_padding_type, True, True
        )
        return output, p, mask
    output, p = FusedSDPA.apply(q, k, v, attention_mask, 0.0, is_causal, scale, softmax_mode, False, valid_seq_len, seq_padding_type, False, True)
    return output, p, torch.empty(0, dtype=q.dtype, device=q.device)


def _sdpa_bwd(
    grad: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    P: torch.Tensor,  # noqa: N803  the vendor's name
    dm: Optional[torch.Tensor],
    is_causal: bool,
    dropout_p: float,
    scale: float,
    fwd_out: torch.Tensor,
) -> Tuple[Optional[torch.Tensor], ...]:
    return attention_backward(grad, q, k, v, P, dm if dropout_p > 0 else None, dropout_p, scale)[:3]


def _no_dropout(name: str, dropout_p: float) -> None:
    if dropout_p > 0:
        raise NotImplementedError(f"torch.ops.hpu.{name} with dropout_p > 0 is not supported; FusedSDPA.apply with recompute_mode=True is")


def _sdpa_recomp_fwd(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    attention_mask: Optional[torch.Tensor],
    dropout_p: float,
    scale: float,
    is_causal: bool,
    requires_backward: bool,
    softmax_mode: str,
    valid_seq_len: Optional[torch.Tensor] = None,
    seq_padding_type: str = "left",
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    _no_dropout("sdpa_recomp_fwd", dropout_p)
    results = attention_with_statistics(q, k, v, attention_mask, is_causal, scale, valid_seq_len, seq_padding_type)
    return results + (torch.empty(0, dtype=torch.int32, device=q.device),)


def _sdpa_recomp_bwd(
    grad: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    attention_mask: Optional[torch.Tensor],
    m: torch.Tensor,
    linv: torch.Tensor,
    seed: Optional[torch.Tensor],
    is_causal: bool,
    dropout_p: float,
    scale: float,
    softmax_mode: str,
    fwd_out: torch.Tensor,
) -> Tuple[Optional[torch.Tensor], ...]:
    _no_dropout("sdpa_recomp_bwd", dropout_p)
    p = probabilities_again(q, k, attention_mask, is_causal, scale, m, linv)
    return attention_backward(grad, q, k, v, p, None, 0.0, scale)[:3]


_decays = DeviceScalars()


def _optimizer_adamw(
    gradient_vec: List[torch.Tensor],
    weight_vec: List[torch.Tensor],
    exp_avg_vec: List[torch.Tensor],
    exp_avg_sq_vec: List[torch.Tensor],
    neg_step_t: torch.Tensor,
    beta1: float,
    beta2: float,
    epsilon: float,
    modified_wd: float,
) -> None:
    if weight_vec:
        # A number that follows the rate of a schedule: an operand, not a constant of the graph.
        (keep,) = _decays.put("optimizer_adamw", weight_vec[0].device, (modified_wd,))
        _optimizer_adamw_tensor(gradient_vec, weight_vec, exp_avg_vec, exp_avg_sq_vec, neg_step_t, beta1, beta2, epsilon, keep, True)


@torch.no_grad()
def _optimizer_adamw_tensor(
    gradient_vec: List[torch.Tensor],
    weight_vec: List[torch.Tensor],
    exp_avg_vec: List[torch.Tensor],
    exp_avg_sq_vec: List[torch.Tensor],
    neg_step_t: torch.Tensor,
    beta1: float,
    beta2: float,
    epsilon: float,
    modified_wd_t: torch.Tensor,
    is_wd_modified: bool,
) -> None:
    size, keep = -neg_step_t.float().reshape(()), modified_wd_t.float().reshape(()) if is_wd_modified else 1.0
    for g, p, m, v in zip(gradient_vec, weight_vec, exp_avg_vec, exp_avg_sq_vec):
        adamw_update(p, g, m, v, size, None, keep, (beta1, 1 - beta1, beta2, 1 - beta2), epsilon)


def _kv_reorder_(self: torch.Tensor, start: torch.Tensor, end: torch.Tensor, beam_idx: torch.Tensor) -> torch.Tensor:
    return self.copy_(_kv_reorder(self, start, end, beam_idx))


def _kv_reorder(self: torch.Tensor, start: torch.Tensor, end: torch.Tensor, beam_idx: torch.Tensor) -> torch.Tensor:
    """Positions [start, end) of each batch row (dim 0; positions are dim -2) from the row that `beam_idx` names; the others stay."""
    position = torch.arange(self.shape[-2], device=self.device).unsqueeze(-1)
    begin, stop = (t.to(self.device).reshape([-1] + [1] * (self.dim() - 1)) for t in (start, end))
    moved = torch.logical_and(position >= begin, position < stop)
    return torch.where(moved, self.index_select(0, beam_idx.to(self.device, torch.int64)), self)


def _activation(name: str, x: torch.Tensor) -> torch.Tensor:
    functions = {"silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu, "relu": torch.relu}
    if name not in functions:
        raise NotImplementedError(f"torch.ops.hpu.mixture_of_experts: activation {name!r} is not supported: {', '.join(sorted(functions))} are")
    return functions[name](x)


def _experts(
    hidden: torch.Tensor,
    table: torch.Tensor,
    router: torch.Tensor,
    gate_up: List[Tuple[torch.Tensor, torch.Tensor]],
    down: List[torch.Tensor],
    activation: str,
    experts_min: int,
    experts_max: int,
) -> torch.Tensor:
    """Every expert sees every token, weighted by the router, 0 where it was not chosen: so no size depends on data, and a graph can hold it."""
    if len(down) != experts_max - experts_min + 1:
        raise RuntimeError(f"torch.ops.hpu.mixture_of_experts: {len(down)} experts' weights for experts {experts_min} to {experts_max}")
    result = None
    for expert, ((gate, up), out) in enumerate(zip(gate_up, down), experts_min):
        share = torch.where(table == expert, router.float(), 0.0).sum(-1, keepdim=True)
        inner = _activation(activation, torch.matmul(hidden, gate)) * torch.matmul(hidden, up)
        part = torch.matmul(inner, out).float() * share
        result = part if result is None else result + part
    assert result is not None
    return result.to(hidden.dtype)


def _mixture_of_experts(
    hidden_states: torch.Tensor,
    expert_routing_table: torch.Tensor,
    router_weights: torch.Tensor,
    w1: List[torch.Tensor],
    w2: List[torch.Tensor],
    w3: List[torch.Tensor],
    permuted_weights: bool,
    activation: str,
    experts_min: int,
    experts_max: int,
) -> torch.Tensor:
    turn = (lambda w: w.t()) if permuted_weights else (lambda w: w)
    pairs = [(turn(gate), turn(up)) for gate, up in zip(w1, w2)]
    return _experts(
        hidden_states, expert_routing_table, router_weights, pairs, [turn(w) for w in w3], activation, experts_min, experts_max
    )


def _mixture_of_experts_fused_weights(
    hidden_states: torch.Tensor,
    expert_routing_table: torch.Tensor,
    router_weights: torch.Tensor,
    w12: List[torch.Tensor],
    w3: List[torch.Tensor],
    permuted_weights: bool,
    activation: str,
    experts_min: int,
    experts_max: int,
) -> torch.Tensor:
    turn = (lambda w: w.t()) if permuted_weights else (lambda w: w)
    pairs = [tuple(turn(w).chunk(2, -1)) for w in w12]
    return _experts(
        hidden_states, expert_routing_table, router_weights, pairs, [turn(w) for w in w3], activation, experts_min, experts_max  # type: ignore[arg-type]
    )


_ROTARY = "Tensor sin, Tensor cos, Tensor? position_ids, int offset, int mode) -> Tensor"
_define("rotary_pos_embedding(Tensor input, " + _ROTARY, _rotary_pos_embedding)
_define("rotary_pos_embedding_backward(Tensor grad_in, " + _ROTARY, _rotary_pos_embedding_backward)
for _name in ("rms_norm", "rms_norm_fast"):
    _define(_name + "(Tensor data_in, Tensor gamma, float epsilon) -> (Tensor, Tensor)", _rms_norm)
_define(
    "rms_norm_backward(Tensor grad_in, Tensor data_in, Tensor gamma, Tensor inverse_rms, bool use_stages, int bwd_mode) -> (Tensor, Tensor)",
    _rms_norm_backward,
)
_define("rms_norm_fast_backward(Tensor grad_in, Tensor data_in, Tensor gamma, Tensor inverse_rms) -> (Tensor, Tensor)", _rms_norm_fast_backward)
_define("custom_softmax(Tensor input, int flavor) -> Tensor", _custom_softmax)
_define("scaled_masked_softmax(Tensor input, Tensor mask, float scale) -> Tensor", _scaled_masked_softmax)
_define(
    "scaled_triangular_softmax(Tensor self, float inv_scale_attn, Tensor? exp_sum_recpr=None, Tensor? sum=None) -> Tensor",
    _scaled_triangular_softmax,
)
_define(
    "sdpa_fwd(Tensor q, Tensor k, Tensor v, Tensor? attention_mask, float dropout_p, float scale, bool is_causal, str softmax_mode, "
    'Tensor? valid_seq_len=None, str seq_padding_type="left") -> (Tensor, Tensor, Tensor)',
    _sdpa_fwd,
)
_define(
    "sdpa_bwd(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor P, Tensor? dm, bool is_causal, float dropout_p, float scale, Tensor fwd_out) "
    "-> (Tensor, Tensor, Tensor)",
    _sdpa_bwd,
)
_define(
    "sdpa_recomp_fwd(Tensor q, Tensor k, Tensor v, Tensor? attention_mask, float dropout_p, float scale, bool is_causal, bool requires_backward, "
    'str softmax_mode, Tensor? valid_seq_len=None, str seq_padding_type="left") -> (Tensor, Tensor, Tensor, Tensor)',
    _sdpa_recomp_fwd,
)
_define(
    "sdpa_recomp_bwd(Tensor grad, Tensor q, Tensor k, Tensor v, Tensor? attention_mask, Tensor m, Tensor linv, Tensor? seed, bool is_causal, "
    "float dropout_p, float scale, str softmax_mode, Tensor fwd_out) -> (Tensor, Tensor, Tensor)",
    _sdpa_recomp_bwd,
)
_VECTORS = "Tensor[] gradient_vec, Tensor(a!)[] weight_vec, Tensor(b!)[] exp_avg_vec, Tensor(c!)[] exp_avg_sq_vec, Tensor neg_step_t, "
_define("optimizer_adamw(" + _VECTORS + "float beta1, float beta2, float epsilon, float modified_wd) -> ()", _optimizer_adamw)
_define(
    "optimizer_adamw.tensor(" + _VECTORS + "float beta1, float beta2, float epsilon, Tensor modified_wd_t, bool is_wd_modified) -> ()",
    _optimizer_adamw_tensor,
)
_define("kv_reorder(Tensor self, Tensor start, Tensor end, Tensor beam_idx) -> Tensor", _kv_reorder)
_define("kv_reorder_(Tensor(a!) self, Tensor start, Tensor end, Tensor beam_idx) -> Tensor(a!)", _kv_reorder_)
_ROUTING = "Tensor hidden_states, Tensor expert_routing_table, Tensor router_weights, "
_EXPERTS = "bool permuted_weights, str activation, int experts_min, int experts_max) -> Tensor"
_define("mixture_of_experts(" + _ROUTING + "Tensor[] w1, Tensor[] w2, Tensor[] w3, " + _EXPERTS, _mixture_of_experts)
_define("mixture_of_experts.fused_weights(" + _ROUTING + "Tensor[] w12, Tensor[] w3, " + _EXPERTS, _mixture_of_experts_fused_weights)

_NO_INT4 = "the device has no 4-bit integers"
_NOT_WRITTEN = "it has no kernel here; the class of habana_frameworks.torch.hpex that uses it works without it"
_REFUSED = {
    NO_FP8: (
        "cast_from_fp8 cast_to_fp8 cast_to_fp8_hybrid cast_to_fp8_v2 conv2d_fp8 fp8_copy_ fp8_gelu_v2 fp8_gemm fp8_gemm_v2 fp8_index_copy_ "
        "fp8_index_select_v2 fp8_kv_reorder_ fp8_repeat_v2 fp8_reshape fp8_permute fp8_sdpa_bwd fp8_sdpa_fwd fp8_sdpa_recomp_bwd fp8_sdpa_recomp_fwd "
        "fp8_transpose layernorm_fp8 quantize_per_tensor_fp8 softmax_fp8 sum_fp8"
    ),
    _NO_INT4: "convert_from_int4 convert_from_uint4",
    _NOT_WRITTEN: (
        "masked_batch_gemm optimizer_adagrad optimizer_ema optimizer_lamb_fused_norm optimizer_lamb_phase1 optimizer_lamb_phase2 "
        "optimizer_lars optimizer_resource_apply_momentum optimizer_sgd optimizer_sgd_momentum ragged_softmax scaled_masked_triangular_softmax "
        "scaled_triangular_softmax_retain in_place_interleave in_place_interleave_"
    ),
}
for _why, _names in _REFUSED.items():
    for _name in _names.split():
        setattr(torch.ops.hpu, _name, refused("torch.ops.hpu." + _name, _why))
