"""Operators on hpu against the CPU: values, dtypes, shapes; none may fall back."""

import pytest
import torch
import torch.nn.functional as F

import habana_frameworks.torch as ht


def fallbacks():
    return dict(dict(ht.hpu.metric_global("cpu_fallback").stats())["FallbackOps"])


def move(value, device):
    if isinstance(value, torch.Tensor):
        return value.clone().to(device)
    if isinstance(value, (list, tuple)):
        return type(value)(move(v, device) for v in value)
    return value


def flat(value):
    return [value] if isinstance(value, torch.Tensor) else [t for v in value for t in flat(v)]


def check(function, *arguments, rtol=None, atol=None):
    """function(*arguments) on both devices."""
    before = fallbacks()
    expected = flat(function(*move(arguments, "cpu")))
    got = flat(function(*move(arguments, "hpu")))
    assert len(got) == len(expected)
    for mine, theirs in zip(got, expected):
        assert mine.device.type == "hpu" and mine.dtype == theirs.dtype and mine.shape == theirs.shape
        back = mine.detach().cpu()
        if theirs.dtype.is_floating_point:
            narrow = theirs.dtype == torch.bfloat16
            assert torch.allclose(
                back.float(), theirs.detach().float(), rtol=rtol or (2e-2 if narrow else 1e-5), atol=atol or (2e-2 if narrow else 1e-6), equal_nan=True
            ), (back - theirs).abs().max()
        else:
            assert torch.equal(back, theirs)
    assert fallbacks() == before


def randn(*shape, dtype=torch.float32):
    return torch.randn(*shape).to(dtype)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


UNARY = {
    "abs": torch.abs, "neg": torch.neg, "exp": torch.exp, "expm1": torch.expm1, "log": lambda t: torch.log(t.abs() + 0.1), "log1p": lambda t: torch.log1p(t.abs()),
    "log2": lambda t: torch.log2(t.abs() + 0.1), "sqrt": lambda t: torch.sqrt(t.abs()), "rsqrt": lambda t: torch.rsqrt(t.abs() + 0.1),
    "reciprocal": lambda t: torch.reciprocal(t.abs() + 0.5), "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "erf": torch.erf, "sigmoid": torch.sigmoid,
    "floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "trunc": torch.trunc, "sign": torch.sign, "relu": torch.relu, "gelu": F.gelu,
    "gelu_tanh": lambda t: F.gelu(t, approximate="tanh"), "silu": F.silu, "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "hardtanh": F.hardtanh,
    "relu6": F.relu6, "leaky_relu": F.leaky_relu, "elu": F.elu, "softplus": F.softplus, "mish": F.mish, "clamp": lambda t: t.clamp(-0.5, 0.5),
    "clamp_min": lambda t: t.clamp_min(0.1), "isnan": torch.isnan, "logical_not": torch.logical_not, "pow2": lambda t: t**2, "pow3": lambda t: t**3,
    "rsub": lambda t: 1 - t, "add_scalar": lambda t: t + 2, "div_scalar": lambda t: t / 3, "scalar_div": lambda t: 2 / (t.abs() + 1), "square": torch.square,
    "isfinite": torch.isfinite,
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_functions_of_one_tensor(name, dtype):
    if name == "mish" and dtype == torch.bfloat16:
        pytest.skip("PyTorch's CPU has no mish of bf16")
    check(UNARY[name], randn(3, 50, dtype=dtype))


BINARY = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum, "minimum": torch.minimum, "eq": torch.eq, "ne": torch.ne,
    "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge, "add_alpha": lambda a, b: torch.add(a, b, alpha=2),
    "floor_div": lambda a, b: torch.div(a, b, rounding_mode="floor"), "trunc_div": lambda a, b: torch.div(a, b, rounding_mode="trunc"),
    "where": lambda a, b: torch.where(a > b, a, b), "atan2": torch.atan2, "remainder": lambda a, b: torch.remainder(a, b),
    "logical_and": torch.logical_and, "logical_or": torch.logical_or,
}  # fmt: skip
TYPES = [
    (torch.float32, torch.float32), (torch.bfloat16, torch.bfloat16), (torch.bfloat16, torch.float32), (torch.int64, torch.int64), (torch.int32, torch.int64),
    (torch.int64, torch.float32), (torch.uint8, torch.int32), (torch.bool, torch.float32),
]  # fmt: skip


def typed(dtype, *shape):
    if dtype.is_floating_point:
        return randn(*shape, dtype=dtype)
    return torch.randint(0, 2, shape).bool() if dtype == torch.bool else torch.randint(1, 9, shape).to(dtype)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("types", TYPES, ids=lambda pair: "-".join(str(t)[6:] for t in pair))
def test_functions_of_two_tensors(name, types):
    if name == "sub" and torch.bool in types:
        pytest.skip("PyTorch has no difference with bools")
    if name == "trunc_div" and torch.bfloat16 in types:
        pytest.skip("PyTorch's CPU rounds the quotient to bf16 before it is truncated; ours is rounded once")
    check(BINARY[name], typed(types[0], 4, 1, 6), typed(types[1], 5, 6))


def test_dimensions_rank_above_scalars_rank_above_numbers():
    check(lambda a, b: a + b, randn(3, dtype=torch.bfloat16), torch.tensor(1.5))
    check(lambda a, b: a * b, torch.arange(3), torch.tensor(1.5))
    check(lambda a: a + 1.5, torch.arange(3))
    check(lambda a: a + True, torch.arange(3))
    check(lambda a: a * 2, torch.tensor([True, False]))
    check(lambda a: a / 2, torch.arange(3))
    check(lambda a: a // 2, torch.arange(-3, 3))
    check(lambda a: a == 1.5, randn(3))


def test_a_number_tensor_of_the_cpu_may_join():
    there = randn(3).to("hpu")
    assert torch.equal((there + torch.tensor(2.0)).cpu(), there.cpu() + 2)
    assert torch.equal(torch.where(there > 0, there, torch.tensor(0.0)).cpu(), torch.relu(there.cpu()))


IN_PLACE = {
    "add_": lambda t: t.add_(1), "add_tensor_": lambda t: t.add_(t), "mul_": lambda t: t.mul_(2.5), "sub_": lambda t: t.sub_(1, alpha=3), "div_": lambda t: t.div_(2),
    "relu_": lambda t: t.relu_(), "clamp_": lambda t: t.clamp_(0, 1), "exp_": lambda t: t.exp_(), "zero_": lambda t: t.zero_(), "fill_": lambda t: t.fill_(3),
    "copy_": lambda t: t.copy_(t.flip(0)), "masked_fill_": lambda t: t.masked_fill_(t > 0, 9), "sigmoid_": lambda t: t.sigmoid_(), "hardtanh_": lambda t: F.hardtanh_(t),
    "row": lambda t: t[1:3].mul_(2), "column": lambda t: t[:, 1].fill_(4), "transposed": lambda t: t.t().add_(1), "hardswish_": lambda t: F.hardswish(t, inplace=True),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_place(name, dtype):
    def function(t):
        IN_PLACE[name](t)
        return t

    check(function, randn(4, 6, dtype=dtype))


def test_out():
    def function(a, b):
        out = torch.empty(0, device=a.device)
        torch.add(a, b, out=out)
        return out, torch.mm(a, b, out=torch.empty(4, 4, device=a.device))

    check(function, randn(4, 4), randn(4, 4))


REDUCTIONS = {
    "sum": torch.sum, "sum_dim": lambda t: t.sum(1), "sum_dims": lambda t: t.sum((0, 2), keepdim=True), "mean": torch.mean, "mean_dim": lambda t: t.mean(-1),
    "mean_dims": lambda t: t.mean((1, 2)), "amax": lambda t: t.amax(1), "amin": lambda t: t.amin((0, 1)), "max": torch.max, "min": torch.min,
    "max_dim": lambda t: tuple(t.max(1)), "min_dim": lambda t: tuple(t.min(-1, keepdim=True)), "argmax": torch.argmax, "argmax_dim": lambda t: t.argmax(1),
    "argmin": lambda t: t.argmin(2), "var": lambda t: t.var(1), "var_all": lambda t: t.var(), "std": lambda t: t.std(1, unbiased=False), "norm": lambda t: t.norm(dim=1),
    "prod": lambda t: t.prod(1), "any": lambda t: (t > 1).any(), "all_dim": lambda t: (t > -1).all(1), "cumsum": lambda t: t.cumsum(1), "softmax": lambda t: t.softmax(1),
    "log_softmax": lambda t: t.log_softmax(-1), "var_mean": lambda t: torch.var_mean(t, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    check(REDUCTIONS[name], randn(5, 7, 33), rtol=1e-4, atol=1e-4)


def test_reductions_of_integers():
    check(lambda t: (t.sum(), t.sum(0), t.max(), t.argmax(1), t.bool().sum(1)), torch.randint(-9, 9, (4, 10)))


def test_reductions_to_nothing_and_of_nothing():
    check(lambda t: (t.sum(0), t.mean(1), t.sum()), torch.zeros(0, 3).t())


PRODUCTS = {
    "mm": (torch.mm, (33, 17), (17, 65)),
    "bmm": (torch.bmm, (3, 5, 7), (3, 7, 9)),
    "addmm": (lambda a, b: torch.addmm(torch.ones(b.shape[1], device=a.device, dtype=a.dtype), a, b, beta=2, alpha=3), (4, 5), (5, 6)),
    "baddbmm": (lambda a, b: torch.baddbmm(torch.ones(1, device=a.device, dtype=a.dtype), a, b), (2, 4, 5), (2, 5, 6)),
    "matmul": (torch.matmul, (2, 3, 4, 5), (5, 6)),
    "broadcast": (torch.matmul, (2, 1, 4, 5), (3, 5, 6)),
    "vector": (torch.matmul, (4, 5), (5,)),
    "dot": (torch.dot, (50,), (50,)),
    "transposed": (lambda a, b: a.t() @ b.t(), (5, 4), (6, 5)),
    "linear": (lambda a, b: F.linear(a, b, torch.ones(b.shape[0], device=a.device, dtype=a.dtype)), (2, 3, 8), (5, 8)),
    "einsum": (lambda a, b: torch.einsum("bij,bkj->bik", a, b), (2, 3, 4), (2, 5, 4)),
    "empty": (torch.mm, (0, 4), (4, 3)),
    "no_inner": (torch.mm, (2, 0), (0, 3)),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products(name, dtype):
    function, a, b = PRODUCTS[name]
    check(function, randn(*a, dtype=dtype), randn(*b, dtype=dtype), rtol=2e-2 if dtype == torch.bfloat16 else 1e-4, atol=5e-2 if dtype == torch.bfloat16 else 1e-4)


CONVOLUTIONS = {
    "plain": dict(),
    "stride": dict(stride=2, padding=1),
    "dilation": dict(dilation=2, padding=2),
    "groups": dict(groups=2),
    "depthwise": dict(groups=8),
    "rectangular": dict(stride=(2, 1), padding=(0, 2)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_convolutions(name, dtype):
    groups = CONVOLUTIONS[name].get("groups", 1)
    arguments = randn(2, 8, 11, 9, dtype=dtype), randn(16, 8 // groups, 3, 3, dtype=dtype), randn(16, dtype=dtype)
    loose = dict(rtol=2e-2, atol=6e-2) if dtype == torch.bfloat16 else dict(rtol=1e-4, atol=1e-4)
    check(lambda x, w, b: F.conv2d(x, w, b, **CONVOLUTIONS[name]), *arguments, **loose)


def test_convolutions_of_lines_and_transposed():
    check(lambda x, w: F.conv1d(x, w, padding=1), randn(2, 4, 20), randn(6, 4, 3), rtol=1e-4, atol=1e-4)
    check(lambda x, w: F.conv_transpose2d(x, w, stride=2), randn(2, 4, 5, 5), randn(4, 3, 3, 3), rtol=1e-4, atol=1e-4)


def test_norms():
    x, w, b = randn(4, 6, 5, 5), randn(6).abs(), randn(6)
    check(lambda x, w, b: F.batch_norm(x, b, w, w, b), x, w, b, rtol=1e-4, atol=1e-5)
    check(lambda x, w, b: F.group_norm(x, 3, w, b), x, w, b, rtol=1e-4, atol=1e-5)
    check(lambda x, w, b: F.layer_norm(x, (6,), w, b), randn(7, 3, 6), w, b, rtol=1e-4, atol=1e-5)
    check(lambda x: F.layer_norm(x, (5, 5)), x, rtol=1e-4, atol=1e-5)


def test_batch_norm_in_training_updates_its_statistics():
    def function(x):
        norm = torch.nn.BatchNorm2d(6).to(x.device)
        return norm(x).detach(), norm(x * 2).detach(), norm.running_mean, norm.running_var, norm.num_batches_tracked

    check(function, randn(4, 6, 5, 5), rtol=1e-4, atol=1e-5)


def test_poolings():
    x = randn(2, 3, 13, 11)
    check(lambda x: F.max_pool2d(x, 3, 2, 1), x)
    check(lambda x: F.max_pool2d(x, 2, return_indices=True), x)
    check(lambda x: F.avg_pool2d(x, 3, 2, 1), x)
    check(lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False, ceil_mode=True), x)
    for size in (1, (4, 5), 7):
        check(lambda x: F.adaptive_avg_pool2d(x, size), x)


def test_picking_elements():
    x, index = randn(6, 5), torch.tensor([[3, 0], [5, 5]])
    check(lambda x, i: x[i], x, index)
    check(lambda x, i: x[:, i[0] % 5], x, index)
    check(lambda x, i: x[i, i % 5], x, index)
    check(lambda x, i: x.index_select(0, i[1]), x, index)
    check(lambda x, i: x.gather(1, i % 5), x, index)
    check(lambda x, i: F.embedding(i, x), x, index)
    check(lambda x, i: x.masked_fill(x > 0, 2.5), x, index)


def test_moving_elements():
    x = randn(2, 3, 4)
    check(lambda x: torch.cat([x, x * 2], 1), x)
    check(lambda x: torch.cat([x, x.int()], -1), x)
    check(lambda x: torch.stack([x, x + 1], 2), x)
    check(lambda x: x.permute(2, 0, 1).contiguous(), x)
    check(lambda x: x.flip(0, 2), x)
    check(lambda x: x.roll(1, 2), x)
    check(lambda x: F.pad(x, (1, 2, 0, 1), value=7), x)
    check(lambda x: x.repeat(2, 1, 3), x)
    check(lambda x: x.expand(5, 2, 3, 4) + 1, x)
    check(lambda x: (x.tril(), x.triu(1)), randn(5, 5))
    check(lambda x: x.transpose(0, 2).reshape(-1), x)
    check(lambda x: x.unfold(2, 2, 1).sum(-1), x)
    check(lambda x: (x.to(torch.bfloat16), x.to(torch.int32), x.bool(), x.long().float()), x)


def test_rank_six_and_strides_of_zero():
    x = randn(2, 1, 3, 1, 2, 3)
    check(lambda x: x + x.transpose(0, 5).transpose(0, 5) * 2, x)
    check(lambda x: x.expand(2, 4, 3, 5, 2, 3).sum((1, 3)), x)
    check(lambda x: x.permute(5, 3, 1, 0, 2, 4).contiguous() + 1, x)


def test_attention():
    def function(q, k, v):
        scores = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + torch.full((9, 9), float("-inf"), device=q.device).triu(1), -1)
        return scores @ v

    check(function, randn(2, 4, 9, 16), randn(2, 4, 9, 16), randn(2, 4, 9, 16), rtol=1e-4, atol=1e-5)


def test_nothing_happens_in_evaluation_dropout():
    check(lambda x: F.dropout(x, 0.5, training=False), randn(3, 4))


def test_mistakes_have_pytorchs_messages():
    with pytest.raises(RuntimeError, match="The size of tensor a \\(3\\) must match the size of tensor b \\(4\\)"):
        torch.ones(3).to("hpu") + torch.ones(4).to("hpu")
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        torch.ones(2, 3).to("hpu") @ torch.ones(2, 3).to("hpu")
