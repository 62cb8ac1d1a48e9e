"""Order along a dim, and running sums, against the CPU: eager, and captured and replayed; none may fall back."""

import pytest
import torch

import habana_frameworks.torch as ht


def fallbacks():
    return dict(dict(ht.hpu.metric_global("cpu_fallback").stats())["FallbackOps"])


def same(mine, theirs, tolerance):
    assert mine.device.type == "hpu" and mine.dtype == theirs.dtype and mine.shape == theirs.shape
    back = mine.cpu()
    if theirs.dtype.is_floating_point:
        assert torch.allclose(back.float(), theirs.float(), rtol=tolerance, atol=tolerance, equal_nan=True)
    else:
        assert torch.equal(back, theirs)


def check(function, x, tolerance=1e-5):
    before = fallbacks()
    expected = function(x)
    expected = [expected] if isinstance(expected, torch.Tensor) else list(expected)
    there = x.to("hpu")

    def run():
        out = function(there)
        return [out] if isinstance(out, torch.Tensor) else list(out)

    for mine, theirs in zip(run(), expected):
        same(mine, theirs, tolerance)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    out = run()
    graph.capture_end()
    for t in out:
        t.zero_()
    graph.replay()
    for mine, theirs in zip(out, expected):
        same(mine, theirs, tolerance)
    assert fallbacks() == before


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


TYPES = [torch.float32, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool]


def values(*shape, dtype=torch.float32):
    """With many equal ones."""
    return (torch.randint(0, 2, shape) if dtype == torch.bool else torch.randint(0 if dtype == torch.uint8 else -9, 9, shape)).to(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable(dim, descending, dtype):
    x = values(5, 40, 6, dtype=dtype)
    check(lambda x: torch.sort(x, dim=dim, descending=descending, stable=True), x)
    check(lambda x: torch.argsort(x, dim=dim, descending=descending, stable=True), x)
    check(lambda x: torch.sort(x.transpose(0, 1), dim=dim, descending=descending, stable=True), x)


def test_sort_of_special_values_and_shapes():
    nan, inf = float("nan"), float("inf")
    x = torch.tensor([[1.0, nan, -inf, inf, -0.0, 0.0, nan, -1.0]])
    for descending in (False, True):
        check(lambda x: torch.sort(x, descending=descending, stable=True), x)
    check(lambda x: torch.sort(x, stable=True), torch.tensor(3.0))
    check(lambda x: torch.sort(x, stable=True, dim=0), torch.randn(1, 5))
    check(lambda x: torch.sort(x, stable=True), torch.randn(5, 1))
    check(lambda x: torch.sort(x, stable=True), torch.randn(0, 4))
    check(torch.msort, torch.randn(7, 3))
    check(lambda x: torch.sort(x, dim=0, stable=True), torch.randn(3000, 3))
    check(lambda x: torch.sort(x, stable=True), torch.randn(5000))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_topk(dim, largest):
    x = torch.randperm(5 * 8 * 6).view(5, 8, 6).float()
    for k in (1, 3, 5):
        check(lambda x: torch.topk(x, k, dim=dim, largest=largest), x)
    check(lambda x: torch.topk(x.transpose(0, 2), 2, dim=dim, largest=largest), x)
    with pytest.raises(RuntimeError, match="out of range"):
        torch.topk(x.to("hpu"), 50, dim=dim)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("keepdim", [True, False])
def test_kthvalue_and_median(dim, keepdim):
    x = torch.randperm(5 * 8 * 6).view(5, 8, 6)
    for x in (x, x.float(), x[:, :7].float()):
        check(lambda x: torch.kthvalue(x, 3, dim=dim, keepdim=keepdim), x)
        check(lambda x: torch.median(x, dim=dim, keepdim=keepdim), x)
        check(torch.median, x)


def test_medians_keep_nans():
    x = torch.tensor([[1.0, float("nan"), 3.0, 2.0], [4.0, 1.0, 3.0, 2.0]])
    check(lambda x: torch.median(x, dim=1), x)
    check(torch.median, x)


@pytest.mark.parametrize("dim", [0, 1])
def test_running_sums_and_products(dim):
    check(lambda x: torch.cumsum(x, dim), torch.randn(40, 50), 1e-4)
    check(lambda x: torch.cumsum(x, dim), values(40, 50, dtype=torch.int64))
    check(lambda x: torch.cumsum(x, dim), values(40, 50, dtype=torch.bool))
    check(lambda x: torch.cumprod(x, dim), torch.rand(40, 50) + 0.5, 1e-4)
    check(lambda x: torch.cumprod(x, dim), values(3, 4, dtype=torch.int64))
    check(lambda x: torch.logcumsumexp(x, dim), torch.randn(40, 50) * 5, 1e-4)
    check(lambda x: torch.logcumsumexp(x, dim), torch.tensor([[-float("inf"), 1.0], [-float("inf"), float("inf")]]))


def test_flip_and_roll():
    check(lambda x: x.flip(0, 2), torch.randn(3, 4, 5))
    check(lambda x: x.roll((1, -2), (0, 2)), torch.randn(3, 4, 5))


def test_gradients_pass_through_sorts():
    before = fallbacks()
    for function in (lambda x: torch.sort(x, 1).values, lambda x: torch.topk(x, 3, 1).values, lambda x: torch.kthvalue(x, 2, 1).values):
        leaves = [torch.randperm(24).view(4, 6).float().requires_grad_()]
        leaves.append(leaves[0].detach().to("hpu").requires_grad_())
        for leaf in leaves:
            out = function(leaf)
            (out * torch.linspace(1, 2, out.numel()).view(out.shape).to(leaf.device)).sum().backward()
        assert torch.allclose(leaves[1].grad.cpu(), leaves[0].grad)
    assert fallbacks() == before
