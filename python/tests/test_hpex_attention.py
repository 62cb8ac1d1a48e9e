"""Fused attention computes what plain PyTorch computes on the CPU: results and gradients, eagerly and in a replayed graph, without the CPU."""

import math

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.hpex.kernels import CustomSoftmax, FusedSDPA, PySDPA, PySDPAHinted, fp8_fused_sdpa

TIGHT = {"rtol": 1e-5, "atol": 1e-5}
LOOSE = {"rtol": 5e-2, "atol": 5e-2}


def fallbacks():
    return dict(ht.hpu.metric_global("cpu_fallback").stats())["TotalNumber"]


@pytest.fixture(autouse=True)
def nothing_falls_back():
    before = fallbacks()
    yield
    assert fallbacks() == before


def capture(work):
    """A graph of `work`, captured on the current stream, and what `work` gave."""
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = work()
    graph.capture_end()
    return graph, result


def plain(q, k, v, mask=None, causal=False, scale=None, keep=None):
    groups = q.shape[-3] // k.shape[-3]
    k, v = k.repeat_interleave(groups, -3), v.repeat_interleave(groups, -3)
    scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -math.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    if keep is not None:
        scores = scores.masked_fill(~keep, -math.inf)
    return torch.nan_to_num(torch.softmax(scores, -1)) @ v


def operands(heads=4, shared=4, queries=6, keys=6, size=8, dtype=torch.float32, batch=2):
    torch.manual_seed(1)
    shapes = [(batch, heads, queries, size), (batch, shared, keys, size), (batch, shared, keys, size)]
    return [torch.randn(shape).to(dtype) for shape in shapes]


def both(arguments, reference, host, tolerance=TIGHT, function=FusedSDPA):
    """Compares result and gradients: of `function` on hpu with `arguments`, of `reference` on the CPU in fp32."""
    device = [t.to("hpu").requires_grad_() for t in host]
    host = [t.float().requires_grad_() for t in host]
    weight = torch.randn(reference(*host).shape)
    expected = reference(*host)
    (expected * weight).sum().backward()
    result = function.apply(*device, *arguments)
    assert result.dtype == device[0].dtype
    result.backward(weight.to("hpu", result.dtype))
    assert torch.allclose(result.detach().cpu().float(), expected.detach(), **tolerance)
    for mine, theirs in zip(device, host):
        assert torch.allclose(mine.grad.cpu().float(), theirs.grad, **tolerance)


@pytest.mark.parametrize("recompute", [False, True, None])
@pytest.mark.parametrize("dtype,tolerance", [(torch.float32, TIGHT), (torch.bfloat16, LOOSE)])
def test_result_and_gradients_are_those_of_the_formula(dtype, tolerance, recompute):
    both((None, 0.0, False, None, "None", recompute), plain, operands(dtype=dtype), tolerance)


@pytest.mark.parametrize("queries,keys", [(6, 6), (3, 7), (7, 3)])
def test_causal_lets_query_i_see_keys_up_to_i_at_any_lengths(queries, keys):
    both((None, 0.0, True), lambda *t: plain(*t, causal=True), operands(queries=queries, keys=keys))


@pytest.mark.parametrize("shape", [(6, 6), (2, 1, 6, 6), (2, 4, 6, 6), (2, 1, 1, 6)])
def test_masks_of_bools_and_of_floats_broadcast(shape):
    torch.manual_seed(2)
    chosen = torch.rand(shape) > 0.4
    chosen[..., 0] = True
    both((chosen.to("hpu"),), lambda *t: plain(*t, mask=chosen), operands())
    bias = torch.randn(shape)
    both((bias.to("hpu"),), lambda *t: plain(*t, mask=bias), operands())


def test_a_query_that_may_see_no_key_attends_to_nothing():
    mask = torch.ones(6, 6, dtype=torch.bool)
    mask[2] = False
    both((mask.to("hpu"),), lambda *t: plain(*t, mask=mask), operands())


def test_a_mask_that_needs_a_gradient_gets_one():
    host, bias = operands(), torch.randn(1, 4, 6, 6)
    mine, theirs = bias.to("hpu").requires_grad_(), bias.clone().requires_grad_()
    FusedSDPA.apply(*(t.to("hpu") for t in host), mine).sum().backward()
    plain(*host, mask=theirs).sum().backward()
    assert torch.allclose(mine.grad.cpu(), theirs.grad, **TIGHT)


@pytest.mark.parametrize("shared", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_several_heads_of_queries_share_a_head_of_keys(shared, causal):
    both((None, 0.0, causal), lambda *t: plain(*t, causal=causal), operands(shared=shared))


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(RuntimeError, match="4 heads are not a multiple of the key's 3"):
        FusedSDPA.apply(*(t.to("hpu") for t in operands(shared=3)))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("causal", [False, True])
def test_only_valid_keys_are_seen(side, causal):
    lengths = torch.tensor([4, 6])
    position = torch.arange(6)
    keep = position < lengths[:, None] if side == "right" else position >= 6 - lengths[:, None]
    arguments = (None, 0.0, causal, None, "fast", True, lengths.to("hpu"), side)
    both(arguments, lambda *t: plain(*t, causal=causal, keep=keep[:, None, None, :]), operands())


def test_scale_and_keywords():
    q, k, v = operands()
    result = FusedSDPA.apply(q.to("hpu"), k.to("hpu"), v.to("hpu"), is_causal=True, scale=0.3)
    assert torch.allclose(result.cpu(), plain(q, k, v, causal=True, scale=0.3), **TIGHT)


def test_three_dims_are_a_batch_of_one_head():
    q, k, v = (t[:, 0] for t in operands())
    result = FusedSDPA.apply(q.to("hpu"), k.to("hpu"), v.to("hpu"))
    assert torch.allclose(result.cpu(), torch.softmax(q @ k.transpose(1, 2) / math.sqrt(8), -1) @ v, **TIGHT)


def test_probabilities_are_returned_on_request():
    q, k, v = operands()
    output, p = FusedSDPA.apply(q.to("hpu"), k.to("hpu"), v.to("hpu"), return_attn_probs=True)
    assert torch.allclose(p.cpu(), torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(8), -1), **TIGHT)
    assert torch.allclose(output.cpu(), p.cpu() @ v, **TIGHT)


def test_recompute_keeps_no_probabilities_for_the_backward_pass():
    def held(recompute):
        tensors = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: tensors.append(t) or t, lambda t: t):
            FusedSDPA.apply(*(t.to("hpu").requires_grad_() for t in operands()), recompute_mode=recompute)
        return sorted(tuple(t.shape) for t in tensors)

    assert (2, 4, 6, 6) in held(False) and (2, 4, 6, 6) not in held(True)


def test_wrong_arguments_are_named():
    q, k, v = (t.to("hpu") for t in operands())
    with pytest.raises(ValueError, match="dropout_p is 1.5"):
        FusedSDPA.apply(q, k, v, dropout_p=1.5)
    with pytest.raises(ValueError, match="softmax_mode is 'slow'"):
        FusedSDPA.apply(q, k, v, softmax_mode="slow")
    with pytest.raises(ValueError, match="seq_padding_type is 'up'"):
        FusedSDPA.apply(q, k, v, valid_seq_len=torch.tensor([1, 2]), seq_padding_type="up")


@pytest.mark.parametrize("function", [PySDPA, PySDPAHinted])
def test_the_other_names_compute_the_same(function):
    both((None, 0.0, True), lambda *t: plain(*t, causal=True), operands(), function=function)


def test_fp8_is_refused_by_name():
    with pytest.raises(NotImplementedError, match="fp8_fused_sdpa is not supported"):
        fp8_fused_sdpa(1, 2, 3)


@pytest.mark.parametrize("recompute", [False, True])
def test_forward_and_backward_are_captured_and_replayed(recompute):
    q, k, v = (t.to("hpu").requires_grad_() for t in operands(shared=2))

    def work():
        result = FusedSDPA.apply(q, k, v, None, 0.0, True, None, "fast", recompute)
        return result, torch.autograd.grad(result, (q, k, v), torch.ones_like(result))

    graph, (result, gradients) = capture(work)
    torch.manual_seed(5)
    fresh = [torch.randn(t.shape) for t in (q, k, v)]
    with torch.no_grad():
        for mine, new in zip((q, k, v), fresh):
            mine.copy_(new)
    graph.replay()
    host = [t.requires_grad_() for t in fresh]
    expected = plain(*host, causal=True)
    wanted = torch.autograd.grad(expected, host, torch.ones_like(expected))
    assert torch.allclose(result.detach().cpu(), expected.detach(), **TIGHT)
    for mine, theirs in zip(gradients, wanted):
        assert torch.allclose(mine.cpu(), theirs, **TIGHT)


def test_attention_is_a_handful_of_kernels():
    q, k, v = (t.to("hpu") for t in operands(shared=2))
    bias = torch.zeros(2, 1, 6, 6).to("hpu")
    graph, _ = capture(lambda: FusedSDPA.apply(q, k, v, bias))
    (steps,) = graph._graph.steps()
    assert len(steps) == 4, steps
    graph, _ = capture(lambda: FusedSDPA.apply(q, k, v, None, 0.0, True))
    (steps,) = graph._graph.steps()
    assert len(steps) == 5, steps  # the mask first


def test_custom_softmax_is_softmax_of_the_last_dim():
    x = torch.randn(3, 5)
    mine, theirs = x.to("hpu").requires_grad_(), x.clone().requires_grad_()
    weight = torch.randn(3, 5)
    result = CustomSoftmax.apply(mine, 1)
    result.backward(weight.to("hpu"))
    expected = torch.softmax(theirs, -1)
    expected.backward(weight)
    assert torch.allclose(result.detach().cpu(), expected.detach(), **TIGHT)
    assert torch.allclose(mine.grad.cpu(), theirs.grad, **TIGHT)
