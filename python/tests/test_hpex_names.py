"""Every name of hpex that programs import is there, and works or says by name that it does not; and the operators torch.ops.hpu.* that they call."""

import importlib
import inspect
import math

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.hpex import kernels, movingavrg, normalization, optimizers
from habana_frameworks.torch.hpex.experimental import transformer_engine as te

TIGHT = {"rtol": 1e-5, "atol": 1e-5}

NAMES = {
    "kernels": "CTCLoss CustomSoftmax EmbeddingBag FusedSDPA PySDPA PySDPAHinted RotaryPosEmbeddingHelperV1 RotaryPosEmbeddingHelperV2 "
    "RotaryPosEmbeddingHelperV3 RotaryPosEmbeddingMode apply_rotary_pos_emb fbgemm fp8_fused_sdpa",
    "kernels.fbgemm": "bounds_check_indices expand_into_jagged_permute permute_1D_sparse_data permute_2D_sparse_data",
    "normalization": "FusedClipNorm FusedRMSNorm RmsNormBwdMode",
    "optimizers": "Adam AdamW FusedAdagrad FusedAdamW FusedLamb FusedLars FusedResourceApplyMomentum FusedSGD distributed",
    "optimizers.distributed": "FusedAdamW",
    "movingavrg": "FusedEMA",
    "experimental.transformer_engine": "Linear fp8 fp8_autocast recipe",
    "experimental.transformer_engine.fp8": "FP8GlobalStateManager",
    "experimental.transformer_engine.recipe": "DelayedScaling Format",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_name_is_there(module):
    found = importlib.import_module("habana_frameworks.torch.hpex." + module)
    assert [name for name in NAMES[module].split() if not hasattr(found, name)] == []


def test_it_comes_with_the_package():
    assert ht.hpex.kernels is kernels and ht.hpex.normalization is normalization and ht.hpex.optimizers is optimizers and ht.hpex.movingavrg is movingavrg


def test_signatures_are_the_vendors():
    def arguments(f):
        return {name: p.default for name, p in inspect.signature(f).parameters.items() if p.default is not inspect.Parameter.empty}

    assert arguments(kernels.FusedSDPA.apply) == {
        "attn_mask": None,
        "dropout_p": 0.0,
        "is_causal": False,
        "scale": None,
        "softmax_mode": "None",
        "recompute_mode": None,
        "valid_seq_len": None,
        "seq_padding_type": "left",
        "return_dropout_mask": False,
        "return_attn_probs": False,
    }
    assert list(arguments(normalization.FusedRMSNorm.apply)) == ["use_stages", "bwd_mode", "fast_math"]
    assert arguments(optimizers.FusedAdamW) == {
        "lr": 1e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-6,
        "weight_decay": 0.0,
        "bias_correction": True,
        "moments_dtype": None,
    }
    assert arguments(movingavrg.FusedEMA) == {"decay": 0.9999, "updates": 0}


def test_ctc_loss_runs_on_the_cpu():
    log_probs = torch.randn(10, 2, 5).log_softmax(2)
    targets, lengths, target_lengths = torch.randint(1, 5, (2, 3)), torch.tensor([10, 9]), torch.tensor([3, 2])
    mine = log_probs.to("hpu").requires_grad_()
    theirs = log_probs.clone().requires_grad_()
    loss = kernels.CTCLoss()(mine, targets.to("hpu"), lengths, target_lengths)
    expected = torch.nn.CTCLoss()(theirs, targets, lengths, target_lengths)
    loss.backward()
    expected.backward()
    assert loss.device.type == "hpu" and torch.allclose(loss.detach().cpu(), expected.detach(), **TIGHT)
    assert torch.allclose(mine.grad.cpu(), theirs.grad, **TIGHT)
    summed = kernels.CTCLoss.apply(mine, targets.to("hpu"), lengths.to("hpu"), target_lengths.to("hpu"), 0, "sum", True)
    wanted = torch.nn.functional.ctc_loss(log_probs, targets, lengths, target_lengths, 0, "sum", True)
    assert torch.allclose(summed.detach().cpu(), wanted, **TIGHT)
    seen = []
    torch.nn.Sequential(kernels.CTCLoss()).apply(lambda module: seen.append(type(module)))
    assert seen == [kernels.CTCLoss, torch.nn.Sequential]


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bags_of_one_size(mode):
    host = torch.nn.EmbeddingBag(10, 4, mode=mode)
    device = kernels.EmbeddingBag(10, 4, mode=mode).to("hpu")
    device.load_state_dict(host.state_dict())
    bags = torch.tensor([[1, 2, 2], [9, 0, 4]])
    with torch.no_grad():
        assert torch.allclose(device(bags.to("hpu")).cpu(), host(bags), **TIGHT)


def test_fbgemm_mends_indices_that_are_out_of_bounds():
    rows, indices, offsets = torch.tensor([3, 5]), torch.tensor([0, 3, 4, -1], dtype=torch.int32).to("hpu"), torch.tensor([0, 1, 2, 3, 4]).to("hpu")
    warning = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="2 indices or offsets are out of bounds"):
        kernels.fbgemm.bounds_check_indices(rows, indices, offsets, 0, warning)
    kernels.fbgemm.bounds_check_indices(rows, indices, offsets, 2, warning)
    assert indices.cpu().tolist() == [0, 0, 4, 0] and warning.item() == 0
    kernels.fbgemm.bounds_check_indices(rows, indices, offsets, 0, warning)  # now they are right
    indices[1] = 7
    with pytest.warns(UserWarning, match="1 indices or offsets"):
        kernels.fbgemm.bounds_check_indices(rows, indices, offsets, 1, warning)
    assert warning.item() == 1


def test_fbgemm_expands_a_permutation_of_segments():
    # Segments [0, 1], [2, 3, 4], [5] in the order 2, 0, 1.
    permute, source, target = torch.tensor([2, 0, 1]), torch.tensor([0, 2, 5, 6]), torch.tensor([0, 1, 3, 6])
    result = kernels.fbgemm.expand_into_jagged_permute(permute.to("hpu"), source.to("hpu"), target.to("hpu"), 6)
    assert result.cpu().tolist() == [5, 0, 1, 2, 3, 4]


def test_fbgemm_permutes_segments_with_their_values():
    values, weights = torch.arange(6).to("hpu"), torch.arange(6).float().to("hpu")
    lengths, moved, carried = kernels.fbgemm.permute_1D_sparse_data(torch.tensor([2, 0, 1]), torch.tensor([2, 3, 1]).to("hpu"), values, weights)
    assert lengths.cpu().tolist() == [1, 2, 3] and moved.cpu().tolist() == carried.cpu().tolist() == [5, 0, 1, 2, 3, 4]
    lengths, moved, carried = kernels.fbgemm.permute_2D_sparse_data(torch.tensor([1, 0]), torch.tensor([[1, 2], [0, 3]]), values)
    assert lengths.tolist() == [[0, 3], [1, 2]] and moved.cpu().tolist() == [3, 4, 5, 0, 1, 2] and carried is None


def test_transformer_engine_computes_without_8_bit_floats():
    layer = te.Linear(4, 3, bias=True, params_dtype=torch.bfloat16, minimize_memory=True).to("hpu")
    x = torch.randn(2, 4).to("hpu", torch.bfloat16)
    recipe = te.recipe.DelayedScaling(fp8_format=te.recipe.Format.HYBRID, margin=0, interval=10, amax_history_len=16, amax_compute_algo="max")
    with te.fp8_autocast(enabled=False, fp8_recipe=recipe), torch.no_grad():
        result = layer(x, is_first_microbatch=True)
    expected = torch.nn.functional.linear(x.cpu().float(), layer.weight.detach().cpu().float(), layer.bias.detach().cpu().float())
    assert torch.allclose(result.cpu().float(), expected, rtol=5e-2, atol=5e-2)
    with pytest.raises(NotImplementedError, match=r"fp8_autocast\(enabled=True\) is not supported"):
        with te.fp8_autocast(enabled=True, fp8_recipe=recipe):
            raise AssertionError("the region was entered")
    shared = te.Linear(4, 3, params_dtype=torch.bfloat16, skip_weight_param_allocation=True)
    assert shared.weight is None and shared.bias is None
    shared.weight, shared.bias = layer.weight, layer.bias
    with torch.no_grad():
        assert torch.equal(shared(x).cpu(), result.cpu())
    with pytest.raises(NotImplementedError, match="FusedAttention is not supported"):
        te.FusedAttention()
    assert te.recipe.Format.E5M2.value.fwd == 57344 and not te.fp8.FP8GlobalStateManager.is_fp8_enabled()


@pytest.mark.parametrize(
    "name", ["fp8_gemm_v2", "softmax_fp8", "cast_to_fp8_v2", "convert_from_uint4", "scaled_masked_triangular_softmax", "optimizer_lars"]
)
def test_operators_without_a_kernel_say_so_by_name(name):
    with pytest.raises(NotImplementedError, match=rf"torch\.ops\.hpu\.{name} is not supported"):
        getattr(torch.ops.hpu, name)(torch.zeros(1), anything=3)


def test_softmax_operators():
    x, mask = torch.randn(2, 3, 4, 4), torch.randn(2, 1, 1, 4)
    assert torch.allclose(torch.ops.hpu.scaled_masked_softmax(x.to("hpu"), mask.to("hpu"), 0.5).cpu(), torch.softmax(x * 0.5 + mask, -1), **TIGHT)
    hidden = ~torch.ones(4, 4, dtype=torch.bool).tril()
    expected = torch.softmax((x * 0.5).masked_fill(hidden, -float("inf")), -1)
    assert torch.allclose(torch.ops.hpu.scaled_triangular_softmax(x.to("hpu"), 0.5).cpu(), expected, **TIGHT)


def test_the_attention_operator_gives_the_probabilities_too():
    q, k, v = (torch.randn(2, 3, 4, 8) for _ in range(3))
    output, p, mask = torch.ops.hpu.sdpa_fwd(q.to("hpu"), k.to("hpu"), v.to("hpu"), None, 0.0, 0.25, False, "None")
    expected = torch.softmax(q @ k.transpose(-2, -1) * 0.25, -1)
    assert torch.allclose(p.cpu(), expected, **TIGHT) and torch.allclose(output.cpu(), expected @ v, **TIGHT) and mask.numel() == 0


@pytest.mark.parametrize("recompute", [False, True])
def test_attention_drops_a_share_of_the_probabilities_and_of_their_gradients(recompute):
    torch.manual_seed(11)
    host = [torch.randn(4, 4, 32, 8) for _ in range(3)]
    device = [t.to("hpu").requires_grad_() for t in host]
    output, mask = kernels.FusedSDPA.apply(*device, dropout_p=0.25, recompute_mode=recompute, return_dropout_mask=True)
    output.sum().backward()
    kept = mask.cpu()
    assert set(kept.unique().tolist()) == {0.0, 1.0} and 0.72 < kept.mean().item() < 0.78
    host = [t.requires_grad_() for t in host]
    expected = torch.softmax(host[0] @ host[1].transpose(-2, -1) / math.sqrt(8), -1) * kept / 0.75 @ host[2]
    expected.sum().backward()
    assert torch.allclose(output.detach().cpu(), expected.detach(), **TIGHT)
    assert all(torch.allclose(mine.grad.cpu(), theirs.grad, **TIGHT) for mine, theirs in zip(device, host))


def test_the_attention_operators_have_gradients_to_go_with_them():
    torch.manual_seed(8)
    q, k, v, bias, g = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 5, 8), torch.randn(2, 2, 5, 8), torch.randn(2, 1, 1, 5), torch.randn(2, 4, 5, 8)
    host = [t.clone().requires_grad_() for t in (q, k, v)]
    scores = host[0] @ host[1].repeat_interleave(2, 1).transpose(-2, -1) * 0.25 + bias
    expected = torch.softmax(scores.masked_fill(~torch.ones(5, 5, dtype=torch.bool).tril(), -float("inf")), -1) @ host[2].repeat_interleave(2, 1)
    wanted = torch.autograd.grad(expected, host, g)
    q, k, v, bias, g = (t.to("hpu") for t in (q, k, v, bias, g))
    output, p, dropped = torch.ops.hpu.sdpa_fwd(q, k, v, bias, 0.0, 0.25, True, "None", None, "left")
    kept = torch.ops.hpu.sdpa_bwd(g, q, k, v, p, dropped, True, 0.0, 0.25, output)
    again, m, linv, seed = torch.ops.hpu.sdpa_recomp_fwd(q, k, v, bias, 0.0, 0.25, True, True, "fast", None, "left")
    recomputed = torch.ops.hpu.sdpa_recomp_bwd(g, q, k, v, bias, m, linv, seed, True, 0.0, 0.25, "fast", again)
    for result in (output, again):
        assert torch.allclose(result.cpu(), expected.detach(), **TIGHT)
    for gradients in (kept, recomputed):
        assert all(torch.allclose(mine.cpu(), theirs, **TIGHT) for mine, theirs in zip(gradients, wanted))
    with pytest.raises(NotImplementedError, match="sdpa_recomp_fwd with dropout_p > 0"):
        torch.ops.hpu.sdpa_recomp_fwd(q, k, v, bias, 0.1, 0.25, True, True, "fast")


def test_kv_reorder_takes_a_range_of_positions_from_other_rows():
    cache = torch.randn(3, 2, 5, 4)
    expected = cache.clone()
    for row, (start, end, source) in enumerate([(0, 2, 2), (1, 5, 0), (3, 3, 1)]):
        expected[row, :, start:end] = cache[source, :, start:end]
    arguments = [torch.tensor(t).to("hpu") for t in ([0, 1, 3], [2, 5, 3], [2, 0, 1])]
    mine = cache.to("hpu")
    assert torch.equal(torch.ops.hpu.kv_reorder(mine, *arguments).cpu(), expected)
    assert torch.equal(mine.cpu(), cache)
    torch.ops.hpu.kv_reorder_(mine, *arguments)
    assert torch.equal(mine.cpu(), expected)


@pytest.mark.parametrize("permuted", [True, False])
def test_mixture_of_experts_adds_up_the_chosen_ones(permuted):
    torch.manual_seed(6)
    experts, tokens, hidden, inner = 4, 5, 6, 8
    x, w1, w2, w3 = torch.randn(tokens, hidden), torch.randn(experts, inner, hidden), torch.randn(experts, inner, hidden), torch.randn(experts, hidden, inner)
    router, table = torch.topk(torch.softmax(torch.randn(tokens, experts), -1), 2)
    expected = torch.zeros(tokens, hidden)
    for token in range(tokens):
        for share, expert in zip(router[token], table[token]):
            activated = torch.nn.functional.silu(w1[expert] @ x[token]) * (w2[expert] @ x[token])
            expected[token] += share * (w3[expert] @ activated)

    def given(weights):
        return [(w if permuted else w.t().contiguous()).to("hpu") for w in weights]

    common = dict(hidden_states=x.to("hpu"), expert_routing_table=table.to("hpu"), router_weights=router.to("hpu"))
    rest = dict(permuted_weights=permuted, activation="silu", experts_min=0, experts_max=experts - 1)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = torch.ops.hpu.mixture_of_experts(**common, w1=given(w1), w2=given(w2), w3=given(w3), **rest)
    fused = torch.ops.hpu.mixture_of_experts(**common, w12=given(torch.cat((w1, w2), 1)), w3=given(w3), **rest)
    graph.capture_end()
    graph.replay()
    assert torch.allclose(result.cpu(), expected, rtol=1e-4, atol=1e-4) and torch.allclose(fused.cpu(), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(NotImplementedError, match="activation 'swish7' is not supported"):
        torch.ops.hpu.mixture_of_experts(**common, w1=given(w1), w2=given(w2), w3=given(w3), **{**rest, "activation": "swish7"})
