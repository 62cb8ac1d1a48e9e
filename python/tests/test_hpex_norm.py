"""RMS norm and the clipping of gradients, against the plain formulas on the CPU."""

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.hpex.normalization import FusedClipNorm, FusedRMSNorm, RmsNormBwdMode

TIGHT = {"rtol": 1e-5, "atol": 1e-5}
LOOSE = {"rtol": 5e-2, "atol": 5e-2}


@pytest.fixture(autouse=True)
def nothing_falls_back():
    def count():
        return dict(ht.hpu.metric_global("cpu_fallback").stats())["TotalNumber"]

    before = count()
    yield
    assert count() == before


def capture(work):
    """A graph of `work`, captured on the current stream, and what `work` gave."""
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = work()
    graph.capture_end()
    return graph, result


def plain(x, gamma, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * gamma


@pytest.mark.parametrize("shape", [(4, 16), (2, 3, 33), (2, 2, 5, 64)])
@pytest.mark.parametrize("dtype,tolerance", [(torch.float32, TIGHT), (torch.bfloat16, LOOSE)])
@pytest.mark.parametrize("gamma_dtype", [torch.float32, torch.bfloat16])
def test_result_and_gradients_are_those_of_the_formula(shape, dtype, tolerance, gamma_dtype):
    torch.manual_seed(3)
    x, gamma, weight = torch.randn(shape).to(dtype), torch.randn(shape[-1]).to(gamma_dtype), torch.randn(shape)
    mine = [t.to("hpu").requires_grad_() for t in (x, gamma)]
    theirs = [t.float().requires_grad_() for t in (x, gamma)]
    result, expected = FusedRMSNorm.apply(*mine, 1e-6), plain(*theirs, 1e-6)
    result.backward(weight.to("hpu", dtype))
    expected.backward(weight)
    assert result.dtype == dtype
    assert torch.allclose(result.detach().cpu().float(), expected.detach(), **tolerance)
    assert torch.allclose(mine[0].grad.cpu().float(), theirs[0].grad, **tolerance)
    loose = LOOSE if torch.bfloat16 in (dtype, gamma_dtype) else TIGHT
    assert mine[1].grad.dtype == gamma_dtype and torch.allclose(mine[1].grad.cpu().float(), theirs[1].grad, rtol=loose["rtol"], atol=4 * loose["atol"])


@pytest.mark.parametrize("rest", [(True,), (False, RmsNormBwdMode.STATIC_CASE_WIDTH_PARTITIONING), (True, RmsNormBwdMode.DEFAULT, True), (True, 1)])
def test_the_arguments_that_choose_kernels_change_nothing(rest):
    x, gamma = torch.randn(4, 16), torch.randn(16)
    assert torch.allclose(FusedRMSNorm.apply(x.to("hpu"), gamma.to("hpu"), 1e-5, *rest).cpu(), plain(x, gamma, 1e-5), **TIGHT)


def test_only_the_gradients_that_are_wanted_are_computed():
    x, gamma = torch.randn(4, 16).to("hpu"), torch.randn(16).to("hpu").requires_grad_()
    FusedRMSNorm.apply(x, gamma, 1e-6).sum().backward()
    assert x.grad is None and gamma.grad is not None


def test_a_graph_replays_forward_and_backward():
    x, gamma = torch.randn(4, 16).to("hpu").requires_grad_(), torch.randn(16).to("hpu").requires_grad_()

    def work():
        result = FusedRMSNorm.apply(x, gamma, 1e-6)
        return (result,) + torch.autograd.grad(result, (x, gamma), torch.ones_like(result))

    graph, (result, d_x, d_gamma) = capture(work)
    fresh = torch.randn(4, 16).requires_grad_()
    with torch.no_grad():
        x.copy_(fresh)
    graph.replay()
    host_gamma = gamma.detach().cpu().requires_grad_()
    expected = plain(fresh, host_gamma, 1e-6)
    expected.backward(torch.ones(4, 16))
    assert torch.allclose(result.detach().cpu(), expected.detach(), **TIGHT)
    assert torch.allclose(d_x.cpu(), fresh.grad, **TIGHT) and torch.allclose(d_gamma.cpu(), host_gamma.grad, **TIGHT)


def test_it_is_a_handful_of_kernels():
    x, gamma = torch.randn(4, 16).to("hpu", torch.bfloat16), torch.randn(16).to("hpu")
    graph, _ = capture(lambda: FusedRMSNorm.apply(x, gamma, 1e-6))
    assert len(graph._graph.steps()[0]) <= 4


def test_the_operators_give_the_inverse_rms_and_the_gradients():
    x, gamma, g = torch.randn(4, 16), torch.randn(16), torch.randn(4, 16)
    result, inverse = torch.ops.hpu.rms_norm(x.to("hpu"), gamma.to("hpu"), 1e-6)
    assert torch.allclose(inverse.cpu(), torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6), **TIGHT)
    d_x, d_gamma = torch.ops.hpu.rms_norm_backward(g.to("hpu"), x.to("hpu"), gamma.to("hpu"), inverse, True, 0)
    host = [t.requires_grad_() for t in (x, gamma)]
    expected = plain(*host, 1e-6)
    expected.backward(g)
    assert torch.allclose(result.cpu(), expected.detach(), **TIGHT)
    assert torch.allclose(d_x.cpu(), x.grad, **TIGHT) and torch.allclose(d_gamma.cpu(), gamma.grad, **TIGHT)


@pytest.mark.parametrize("max_norm", [0.5, 1000.0])
def test_gradients_are_clipped_by_their_common_norm(max_norm):
    torch.manual_seed(4)
    host = [torch.nn.Parameter(torch.randn(shape)) for shape in [(3, 4), (5,), (2, 2, 2)]]
    device = [torch.nn.Parameter(p.detach().to("hpu")) for p in host]
    for h, d in zip(host, device):
        h.grad = torch.randn(h.shape)
        d.grad = h.grad.to("hpu")
    without = torch.nn.Parameter(torch.zeros(2).to("hpu"))
    norm = FusedClipNorm(device, max_norm).clip_norm(device + [without])
    expected = torch.nn.utils.clip_grad_norm_(host, max_norm)
    assert torch.allclose(norm.cpu(), expected, **TIGHT)
    for h, d in zip(host, device):
        assert torch.allclose(d.grad.cpu(), h.grad, **TIGHT)
    assert without.grad is None


def test_one_parameter_and_no_gradient_are_clipped_too():
    p = torch.nn.Parameter(torch.zeros(3).to("hpu"))
    assert FusedClipNorm(p, 1.0).clip_norm(p).item() == 0
    p.grad = torch.tensor([3.0, 0.0, 4.0]).to("hpu")
    assert FusedClipNorm(p, 1.0).clip_norm(p).item() == 5
    assert torch.allclose(p.grad.cpu(), torch.tensor([0.6, 0.0, 0.8]), **TIGHT)


def test_clipping_is_captured_and_replayed():
    p = torch.nn.Parameter(torch.zeros(2).to("hpu"))
    p.grad = torch.tensor([3.0, 4.0]).to("hpu")
    graph, norm = capture(lambda: FusedClipNorm(p, 1.0).clip_norm(p))
    p.grad.copy_(torch.tensor([0.0, 10.0]))
    graph.replay()
    assert norm.item() == 10 and torch.allclose(p.grad.cpu(), torch.tensor([0.0, 1.0]), **TIGHT)
