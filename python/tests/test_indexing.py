"""Reading and writing at computed places, against the CPU: eager, and captured and replayed; none may fall back but what depends on data."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

import habana_frameworks.torch as ht


def fallbacks():
    return dict(dict(ht.hpu.metric_global("cpu_fallback").stats())["FallbackOps"])


def same(mine, theirs):
    assert mine.device.type == "hpu" and mine.dtype == theirs.dtype and mine.shape == theirs.shape
    back, theirs = mine.detach().cpu(), theirs.detach()
    if theirs.dtype.is_floating_point:
        narrow = theirs.dtype == torch.bfloat16
        assert torch.allclose(back.float(), theirs.float(), rtol=2e-2 if narrow else 1e-5, atol=2e-2 if narrow else 1e-6, equal_nan=True)
    else:
        assert torch.equal(back, theirs)


def check(function, *arguments, capture=True):
    """function(*tensors) on both devices, in place where it likes: what it returns and what it leaves must agree; then the same through a replay."""
    before = fallbacks()
    here, there = [a.clone() for a in arguments], [a.clone().to("hpu") for a in arguments]
    expected, got = function(*here), function(*there)
    same(got, expected)
    for mine, theirs in zip(there, here):
        same(mine, theirs)
    if capture:
        there = [a.clone().to("hpu") for a in arguments]
        graph = ht.hpu.HPUGraph()
        graph.capture_begin()
        out = function(*there)
        graph.capture_end()
        for t, a in zip(there, arguments):
            t.copy_(a)
        graph.replay()
        same(out, expected)
        for mine, theirs in zip(there, here):
            same(mine, theirs)
    assert fallbacks() == before


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(5)


FLOATS = [torch.float32, torch.bfloat16, torch.int64, torch.uint8]


def values(*shape, dtype=torch.float32):
    return torch.randn(shape).to(dtype) if dtype.is_floating_point else torch.randint(0, 5, shape).to(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_scatter_writes_and_adds(dim, dtype):
    x, source = values(6, 5, 7, dtype=dtype), values(4, 3, 4, dtype=dtype)
    unique = torch.stack([torch.randperm(5)[:4] for _ in range(12)]).view(4, 3, 4) if dim == -1 else torch.argsort(torch.rand(4, 3, 4), dim=dim)
    index = torch.randint(0, 5, (4, 3, 4))
    check(lambda x, i, s: x.scatter(dim, i, s), x, unique, source)
    check(lambda x, i: x.scatter(dim, i, 3), x, index)
    check(lambda x, i, s: x.scatter_add(dim, i, s), x, index, source)
    check(lambda x, i, s: x.scatter_add_(dim, i, s).add_(0), x, index, source)
    check(lambda x, i, s: x.scatter_(dim, i, s, reduce="multiply"), x, unique, source)
    check(lambda x, i: x.scatter_(dim, i, 2, reduce="add"), x, index)


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_scatter_reduce(reduce, include):
    for dtype in (torch.float32, torch.int64):
        x, source, index = values(6, 5, dtype=dtype), values(9, 5, dtype=dtype), torch.randint(0, 6, (9, 5))
        check(lambda x, i, s: x.scatter_reduce(0, i, s, reduce, include_self=include), x, index, source)
    check(lambda x, i, s: x.scatter_reduce_(1, i, s, reduce, include_self=include), values(5, 6), torch.randint(0, 6, (5, 40)), values(5, 40))


def test_the_order_of_writes_is_that_of_the_index():
    check(lambda x, i, s: x.scatter(0, i, s), values(3), torch.tensor([1, 1, 1, 0]), values(4))
    check(lambda x, i, s: x.index_put_((i,), s), values(3), torch.tensor([2, 2]), values(2))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_index_add_copy_fill(dim, dtype):
    x = values(4, 5, 6, dtype=dtype)
    shape = [4, 5, 6]
    shape[dim] = 3
    source, index = values(*shape, dtype=dtype), torch.tensor([3, 0, 2])
    check(lambda x, i, s: x.index_add(dim, i, s), x, index, source)
    check(lambda x, i, s: x.index_add_(dim, i, s, alpha=2), x, torch.tensor([1, 1, 1]), source)
    check(lambda x, i, s: x.index_copy_(dim, i, s), x, index, source)
    check(lambda x, i, s: x.index_copy(dim, i, s), x, index, source)
    check(lambda x, i: x.index_fill(dim, i, 2), x, index)
    check(lambda x, i: x.index_fill_(dim, i, 2), x, index)
    check(lambda x, i, v: x.index_fill_(dim, i, v), x, index, torch.tensor(3).to(dtype))


def assign(where):
    """x[where(indices)] = v"""

    def function(x, v, *indices):
        x[where(*indices)] = v
        return x + 0

    return function


PUTS = {
    "first": (lambda i, j: i, (4, 6, 7)),
    "second": (lambda i, j: (slice(None), j), (5, 4, 7)),
    "last": (lambda i, j: (..., j), (5, 6, 4)),
    "pair": (lambda i, j: (i, j), (4, 7)),
    "apart": (lambda i, j: (i, slice(None), j), (4, 6)),
    "broadcast": (lambda i, j: (i[:, None], j), (4, 4, 7)),
    "sliced": (lambda i, j: (slice(1, 5), slice(None, None, 2), j), (4, 3, 4)),
    "number": (lambda i, j: (i, 2), (4, 7)),
    "one value": (lambda i, j: (i, j), ()),
    "a row": (lambda i, j: (i,), (7,)),
}  # fmt: skip


@pytest.mark.parametrize("name", PUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_assignment_at_indices(name, dtype):
    where, shape = PUTS[name]
    v = values(*shape, dtype=torch.float32).to(dtype)
    check(assign(where), values(5, 6, 7).to(dtype), v, torch.tensor([4, 0, -2, 1]), torch.tensor([-1, 3, 2, 0]))


def test_index_put_accumulates():
    i, j = torch.tensor([1, 1, 3, -2]), torch.tensor([0, 0, 2, 1])
    check(lambda x, i, j, v: x.index_put((i, j), v, accumulate=True), values(4, 5, 6), i, j, values(4, 6))
    check(lambda x, i, v: x.index_put_((i,), v, accumulate=True), values(4, 5), i, values(4, 5))
    check(lambda x, i, v: x.index_put_((i,), v, accumulate=True), values(4, 5, dtype=torch.bfloat16), i, values(5, dtype=torch.bfloat16))


def test_writes_through_views():
    def f(x, i, v):
        x[1:, ::2][:, i] = v
        x.t()[i] += 1
        x[0].index_add_(0, i, v[0])
        return x + 0

    check(f, values(4, 8), torch.tensor([3, 0, 1]), values(3, 3))


def test_large_rows_and_tables():
    check(lambda x, i, v: x.index_add_(0, i, v), values(300, 70), torch.randint(0, 300, (500,)), values(500, 70))
    check(lambda x, i, v: x.index_add_(1, i, v), values(70, 300), torch.randint(0, 300, (90,)), values(70, 90))
    check(lambda x, i, v: x.scatter_add_(1, i, v), values(90, 300), torch.randint(0, 300, (90, 200)), values(90, 200))
    check(lambda x, i, v: x.t().scatter_add_(1, i, v), values(300, 90), torch.randint(0, 300, (90, 200)), values(90, 200))


def mask_of(*shape):
    return torch.rand(*shape) > 0.5


def test_masks_write_without_knowing_how_many():
    m, row = mask_of(5, 6), torch.randn(7)

    def put(x, m, v):
        x[m] = v
        return x + 0

    def number(x, m):
        x[m] = 2.5
        return x + 0

    check(number, values(5, 6), m)
    check(number, values(5, 6, 7), m)
    check(number, values(5, 6), torch.zeros(5, 6).bool())
    check(put, values(5, 6), m, torch.tensor(3.0))
    check(put, values(5, 6, 7), m, row)
    check(put, values(5, 6, 7), m, torch.randn(1, 7))
    check(put, values(5, 6), m, torch.randn(int(m.sum())))
    check(put, values(5, 6, 7), m, torch.randn(int(m.sum()), 7))
    column = mask_of(6)

    def second(x, m, v):
        x[:, m] = v
        return x + 0

    check(second, values(5, 6, 3), column, torch.randn(5, int(column.sum()), 3))
    check(second, values(5, 6, 3), column, torch.randn(5, 1, 1))
    check(lambda x, m: x.index_put((m,), x.new_ones(()), accumulate=True), values(5, 6), m)
    check(lambda x, m, v: x.masked_scatter(m, v), values(5, 6), m, values(40))
    check(lambda x, m, v: x.masked_scatter_(m, v), values(3, 5, 6), m, values(100))
    check(lambda x, m: x.masked_fill_(m, -1), values(5, 6), m)


def test_values_that_do_not_fit_a_mask_are_refused():
    x, m = torch.zeros(4).to("hpu"), torch.tensor([True, False, True, False]).to("hpu")
    with pytest.raises(IndexError, match="shape mismatch"):
        x[m] = torch.ones(3).to("hpu")
    with pytest.raises(IndexError, match="mask"):
        x[torch.ones(3).bool().to("hpu")] = 1
    with pytest.raises(RuntimeError, match="source < number of ones"):
        x.masked_scatter_(m, torch.ones(1).to("hpu"))


def test_reading():
    i = torch.tensor([2, -1, 0])
    check(lambda x, i: x.take(i), values(4, 5), torch.tensor([[3, 19], [0, 7]]))
    check(lambda x, i: x[i], values(4, 5), i)
    check(lambda x, i: x[:, i], values(4, 5), i)
    check(lambda x, i: torch.take_along_dim(x, i, dim=1), values(4, 5), torch.randint(0, 5, (4, 2)))
    check(lambda x, i, s: x.put_(i, s), values(4, 5), torch.tensor([3, 19, 0]), values(3))
    check(lambda x, i, s: x.t().put_(i, s, accumulate=True), values(4, 5), torch.tensor([3, 19, 3]), values(3))
    check(lambda i: F.one_hot(i, 6), torch.randint(0, 6, (3, 4)))
    check(lambda i: F.one_hot(i), torch.randint(0, 6, (3, 4)), capture=False)


def grads(device, function, *arguments):
    leaves = [a.clone().to(device).requires_grad_() if a.dtype.is_floating_point else a.clone().to(device) for a in arguments]
    out = function(*leaves)
    (out * torch.linspace(-1, 1, out.numel()).view(out.shape).to(device)).sum().backward()
    return [leaf.grad for leaf in leaves if leaf.dtype.is_floating_point]


GRADIENTS = {
    "embedding": (lambda w, i: F.embedding(i, w), values(7, 5), torch.randint(0, 7, (4, 6))),
    "embedding with padding": (lambda w, i: F.embedding(i, w, padding_idx=2), values(7, 5), torch.randint(0, 7, (4, 6))),
    "gather": (lambda x, i: x.gather(1, i), values(4, 6), torch.randint(0, 6, (4, 9))),
    "index_select": (lambda x, i: x.index_select(1, i), values(4, 6), torch.randint(0, 6, (9,))),
    "index": (lambda x, i: x[:, i], values(4, 6), torch.randint(0, 6, (9,))),
    "index pair": (lambda x, i, j: x[i, j], values(4, 6), torch.randint(0, 4, (9,)), torch.randint(0, 6, (9,))),
    "scatter": (lambda x, s, i: x.scatter(1, i, s), values(4, 6), values(4, 3), torch.tensor([[0, 2, 4]] * 4)),
    "scatter_add": (lambda x, s, i: x.scatter_add(1, i, s), values(4, 6), values(4, 9), torch.randint(0, 6, (4, 9))),
    "index_add": (lambda x, s, i: x.index_add(0, i, s), values(4, 6), values(9, 6), torch.randint(0, 4, (9,))),
    "index_put": (lambda x, s, i: (x * 1).index_put((i,), s), values(4, 6), values(2, 6), torch.tensor([3, 1])),
    "max": (lambda x: x.max(1).values, values(4, 6)),
    "median": (lambda x: x.median(1).values, values(4, 7)),
    "cumsum": (lambda x: x.cumsum(1), values(4, 6)),
    "masked_fill": (lambda x: x.masked_fill(x > 0, 1.0), values(4, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    function, *arguments = GRADIENTS[name]
    before = fallbacks()
    for mine, theirs in zip(grads("hpu", function, *arguments), grads("cpu", function, *arguments)):
        same(mine, theirs)
    assert fallbacks() == before


def test_indices_and_masks_of_the_cpu_are_copied():
    before = fallbacks()
    x, i = torch.arange(12.0).view(3, 4), torch.tensor([[2, 0], [1, 1], [3, 3]])
    there = x.to("hpu")
    assert torch.equal(there.gather(1, i).cpu(), x.gather(1, i))
    assert torch.equal(there.index_select(0, torch.tensor([2, 0])).cpu(), x[[2, 0]])
    assert torch.equal(there[[2, 0]].cpu(), x[[2, 0]]) and torch.equal(F.embedding(torch.tensor([1, 2]), there).cpu(), x[1:])
    assert torch.equal(there.scatter(1, i[:, :1], 9).cpu(), x.scatter(1, i[:, :1], 9))
    assert torch.equal(there.masked_fill(x > 5, 0).cpu(), x.masked_fill(x > 5, 0))
    assert torch.equal(torch.where(x > 5, there, torch.zeros(4)).cpu(), torch.where(x > 5, x, torch.zeros(4)))
    assert torch.equal((there == x).cpu(), x == x)
    there[torch.tensor([True, False, True])] = 7
    there[torch.tensor([1]), torch.tensor([2])] = torch.tensor([5.0])
    assert there.cpu().tolist() == [[7] * 4, [4, 5, 5, 7], [7] * 4]
    assert fallbacks() == before


OUT_OF_RANGE = """
import torch
import habana_frameworks.torch
x = torch.zeros(4).to("hpu")
try:
    x.scatter_(0, torch.tensor([5]).to("hpu"), 1.0)
    x.cpu()
except RuntimeError as e:
    assert "entry 0 of the index is outside the output of 4" in str(e), e
    print("refused")
"""


def test_indices_out_of_range_are_errors():
    # In a process of its own: the device stops, as a card does.
    assert subprocess.run([sys.executable, "-c", OUT_OF_RANGE], capture_output=True, text=True, check=True).stdout == "refused\n"


SIZED_BY_DATA = {
    "nonzero": lambda x, m: torch.nonzero(x),
    "masked_select": lambda x, m: torch.masked_select(x, m),
    "index": lambda x, m: x[m],
    "_unique2": lambda x, m: torch.unique(x),
    "repeat_interleave": lambda x, m: torch.repeat_interleave(m.int() + 1),
    "bincount": lambda x, m: torch.bincount(m.int()),
}  # fmt: skip


@pytest.mark.parametrize("name", SIZED_BY_DATA)
def test_what_has_a_size_of_its_data_runs_on_the_cpu_and_is_refused_in_captures(name):
    x, m = torch.tensor([3.0, 0.0, 2.0]), torch.tensor([True, False, True])
    function = SIZED_BY_DATA[name]
    before = sum(fallbacks().values())
    assert torch.equal(function(x.to("hpu"), m.to("hpu")).cpu(), function(x, m))
    assert sum(fallbacks().values()) == before + 1
    there, mask = x.to("hpu"), m.to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    with pytest.raises(RuntimeError) as refused:
        function(there, mask)
    for text in (name, "is not supported during HPU Graph capturing", "cpu fallback is not supported during hpu graph capturing", "depends on data", "test_indexing.py:"):
        assert text in str(refused.value)
    with pytest.raises(RuntimeError, match="The capture was discarded"):
        graph.capture_end()
