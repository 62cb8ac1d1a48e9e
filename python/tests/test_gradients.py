"""Gradients on hpu against the CPU: results and the gradient of every operand; none may fall back."""

import pytest
import torch
import torch.nn.functional as F

import habana_frameworks.torch as ht


def fallbacks():
    return dict(dict(ht.hpu.metric_global("cpu_fallback").stats())["FallbackOps"])


def close(mine, theirs, scale):
    narrow = theirs.dtype == torch.bfloat16
    tolerance = 4e-2 if narrow else 2e-5 * scale
    assert torch.allclose(mine.float(), theirs.float(), rtol=tolerance, atol=tolerance, equal_nan=True), (mine - theirs).abs().max()


def check(function, *arguments, scale=1, constants=()):
    """function(*arguments) and its gradients on both devices; arguments of floats get gradients, `constants` are passed behind them and get none."""
    before = fallbacks()
    made = {}
    for device in ("cpu", "hpu"):
        operands = [a.clone().to(device).requires_grad_(a.dtype.is_floating_point) if isinstance(a, torch.Tensor) else a for a in arguments]
        result = function(*operands, *[c.to(device) if isinstance(c, torch.Tensor) else c for c in constants])
        generator = torch.Generator().manual_seed(5)
        above = torch.randn(result.shape, generator=generator).to(result.dtype).to(device)
        result.backward(above)
        made[device] = [result.detach()] + [o.grad for o in operands if isinstance(o, torch.Tensor) and o.requires_grad]
    for mine, theirs in zip(made["hpu"], made["cpu"]):
        assert mine.device.type == "hpu" and mine.dtype == theirs.dtype and mine.shape == theirs.shape
        close(mine.cpu(), theirs, scale)
    assert fallbacks() == before


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


ACTIVATIONS = {
    "relu": F.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
    "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish, "hardtanh": F.hardtanh, "relu6": F.relu6, "leaky_relu": F.leaky_relu, "elu": F.elu,
    "celu": lambda x: F.celu(x, 1.5), "selu": F.selu, "softplus": F.softplus, "softplus_beta": lambda x: F.softplus(x, 2, 1), "logsigmoid": F.logsigmoid,
    "hardshrink": F.hardshrink, "softshrink": F.softshrink, "threshold": lambda x: F.threshold(x, 0.1, 0.5), "mish": F.mish, "softsign": F.softsign,
    "tanhshrink": F.tanhshrink, "glu": lambda x: F.glu(x, 1), "softmax": lambda x: F.softmax(x, 1), "softmax0": lambda x: F.softmax(x, 0),
    "log_softmax": lambda x: F.log_softmax(x, 1), "softmin": lambda x: F.softmin(x, 0), "elu_in_place": lambda x: F.elu(x * 1, inplace=True),
    "leaky_in_place": lambda x: F.leaky_relu(x * 1, 0.2, inplace=True), "relu_in_place": lambda x: F.relu(x * 1, inplace=True),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_activations(name, dtype):
    if name in ("mish", "hardtanh", "relu6") and dtype == torch.bfloat16:
        pytest.skip("PyTorch's CPU has none of bf16")
    check(ACTIVATIONS[name], torch.randn(6, 40).to(dtype) * 2)


FUNCTIONS = {
    "exp": torch.exp, "log": lambda x: torch.log(x.abs() + 0.5), "sqrt": lambda x: torch.sqrt(x.abs() + 0.5), "rsqrt": lambda x: torch.rsqrt(x.abs() + 0.5),
    "reciprocal": lambda x: torch.reciprocal(x.abs() + 0.5), "sin": torch.sin, "cos": torch.cos, "abs": torch.abs, "neg": torch.neg, "erf": torch.erf,
    "log1p": lambda x: torch.log1p(x.abs()), "expm1": torch.expm1, "pow2": lambda x: x**2, "pow3": lambda x: x**3, "pow_half": lambda x: (x.abs() + 0.5) ** 0.5,
    "square": torch.square, "clamp": lambda x: x.clamp(-0.5, 0.5), "clamp_min": lambda x: x.clamp_min(0.1), "sum": lambda x: x.sum(), "mean": lambda x: x.mean(),
    "sum_dim": lambda x: x.sum(1), "mean_dim": lambda x: x.mean(-1, keepdim=True), "var": lambda x: x.var(), "var_dim": lambda x: x.var(1, unbiased=False),
    "std": lambda x: x.std(), "std_dim": lambda x: x.std(0), "norm": lambda x: x.norm(), "norm1": lambda x: x.norm(1), "norm_dim": lambda x: x.norm(2, 1),
    "vector_norm": lambda x: torch.linalg.vector_norm(x, 3), "logsumexp": lambda x: torch.logsumexp(x, 1), "prod_dim": lambda x: (x + 3).prod(1),
    "amax": lambda x: x.amax(1), "max_all": lambda x: x.max(), "slice": lambda x: x[1:3, ::2], "select": lambda x: x[1],
    "transpose": lambda x: x.t().contiguous() * 2, "cat": lambda x: torch.cat([x, x * 2], 1), "stack": lambda x: torch.stack([x, x * x]), "pad": lambda x: F.pad(x, (1, 2, 0, 3)),
    "expand": lambda x: x[:, :1].expand(-1, 4) * 2, "chunk": lambda x: torch.mul(*x.chunk(2, 1)), "unbind": lambda x: x.unbind(0)[1] * 3, "roll": lambda x: x.roll(2, 1),
    "where": lambda x: torch.where(x > 0, x * 2, x * 3), "masked_fill": lambda x: x.masked_fill(x > 0.5, 0), "tril": lambda x: x.tril(), "flip": lambda x: x.flip(1),
    "repeat": lambda x: x.repeat(2, 3), "view": lambda x: x.view(-1, 4) * 2, "diagonal": lambda x: x.diagonal() * 2, "normalize": lambda x: F.normalize(x, dim=1),
    "unfold": lambda x: x.unfold(1, 3, 1) * 1.5, "cumsum": lambda x: x.cumsum(1), "split": lambda x: sum(p.sum(1) * i for i, p in enumerate(x.split(3, 1))),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    check(FUNCTIONS[name], torch.randn(4, 6), scale=5)


PAIRS = {
    "add": torch.add, "sub": lambda a, b: torch.sub(a, b, alpha=2), "mul": torch.mul, "div": lambda a, b: a / (b.abs() + 1), "maximum": torch.maximum,
    "minimum": torch.minimum, "lerp": lambda a, b: torch.lerp(a, b, 0.3), "addcmul": lambda a, b: torch.addcmul(a, a, b, value=0.5),
    "addcdiv": lambda a, b: torch.addcdiv(a, a, b.abs() + 1, value=0.5), "pow": lambda a, b: torch.pow(a.abs() + 0.5, b), "atan2": torch.atan2,
    "row": lambda a, b: a * b[:1], "column": lambda a, b: a + b[:, :1], "mm": lambda a, b: a @ b.t(), "linear": lambda a, b: F.linear(a, b), "dot": lambda a, b: a[0] @ b[0],
    "bmm": lambda a, b: torch.bmm(a.view(2, 2, 6), b.view(2, 6, 2)), "matmul": lambda a, b: a.view(2, 2, 6) @ b.t(), "mv": lambda a, b: a @ b[0],
    "cosine": lambda a, b: F.cosine_similarity(a, b), "outer": lambda a, b: torch.outer(a[0], b[0]), "einsum": lambda a, b: torch.einsum("ij,kj->ik", a, b),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_functions_of_two(name, dtype):
    check(PAIRS[name], torch.randn(4, 6).to(dtype), torch.randn(4, 6).to(dtype), scale=5)


LOSSES = {
    "mse": F.mse_loss, "l1": F.l1_loss, "smooth_l1": F.smooth_l1_loss, "huber": F.huber_loss, "soft_margin": lambda x, t, **k: F.soft_margin_loss(x, t.sign(), **k),
    "smooth_l1_beta": lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0.3, **k), "huber_delta": lambda x, t, **k: F.huber_loss(x, t, delta=0.4, **k),
    "bce": lambda x, t, **k: F.binary_cross_entropy(x.sigmoid(), t.sigmoid(), **k), "bce_logits": lambda x, t, **k: F.binary_cross_entropy_with_logits(x, t.sigmoid(), **k),
    "kl_div": lambda x, t, **k: F.kl_div(F.log_softmax(x, 1), F.softmax(t, 1), **k), "kl_div_log": lambda x, t, **k: F.kl_div(F.log_softmax(x, 1), F.log_softmax(t, 1), log_target=True, **k),
    "poisson": lambda x, t, **k: F.poisson_nll_loss(x, t.abs(), **k), "hinge": lambda x, t, **k: F.hinge_embedding_loss(x, t.sign(), **k),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.filterwarnings("ignore:reduction")
def test_losses(name, reduction):
    check(lambda x, t: LOSSES[name](x, t, reduction=reduction), torch.randn(5, 7), constants=(torch.randn(5, 7),))


def test_losses_with_weights():
    weight, positive = torch.rand(5, 7), torch.rand(7)
    check(lambda x, t, w: F.binary_cross_entropy(x.sigmoid(), t, w), torch.randn(5, 7), constants=(torch.rand(5, 7), weight))
    check(lambda x, t, w, p: F.binary_cross_entropy_with_logits(x, t, w, pos_weight=p), torch.randn(5, 7), constants=(torch.rand(5, 7), weight, positive))
    check(lambda a, p, n: F.triplet_margin_loss(a, p, n), torch.randn(5, 7), torch.randn(5, 7), torch.randn(5, 7))
    check(lambda a, b: F.margin_ranking_loss(a, b, torch.ones_like(a)), torch.randn(5), torch.randn(5))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(6, 5), (3, 5, 2, 4), (3, 5, 4), (5,)])
def test_cross_entropy(reduction, weighted, shape):
    target = torch.randint(0, 5, shape[:1] + shape[2:] if len(shape) > 1 else ())
    if target.dim() > 0:
        target.view(-1)[1] = -100  # ignored
    weight = torch.rand(5) if weighted else None
    check(lambda x, t, w: F.cross_entropy(x, t, w, reduction=reduction), torch.randn(*shape), constants=(target, weight))
    if len(shape) == 2:
        check(lambda x, t, w: F.nll_loss(x.log_softmax(1), t, w, ignore_index=2, reduction=reduction), torch.randn(*shape), constants=(target.clamp_min(0), weight))
        check(lambda x, t, w: F.cross_entropy(x, t, w, reduction=reduction, label_smoothing=0.1), torch.randn(*shape), constants=(target, weight))
        check(lambda x, t, w: F.cross_entropy(x, t, w, reduction=reduction), torch.randn(*shape), constants=(torch.rand(*shape).softmax(1), weight))


def test_a_mean_of_ignored_targets_is_nan_and_bf16_losses_work():
    check(lambda x, t: F.cross_entropy(x, t), torch.randn(3, 4), constants=(torch.full((3,), -100),))
    check(lambda x, t: F.cross_entropy(x, t), torch.randn(8, 4).bfloat16(), constants=(torch.randint(0, 4, (8,)),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layer_norm(dtype):
    check(lambda x, w, b: F.layer_norm(x, (8,), w, b), torch.randn(3, 5, 8).to(dtype), torch.randn(8).to(dtype), torch.randn(8).to(dtype), scale=5)
    check(lambda x, w, b: F.layer_norm(x, (5, 8), w, b), torch.randn(3, 5, 8).to(dtype), torch.randn(5, 8).to(dtype), torch.randn(5, 8).to(dtype), scale=5)
    check(lambda x: F.layer_norm(x, (8,)), torch.randn(3, 8).to(dtype), scale=5)


def test_group_norm():
    check(lambda x, w, b: F.group_norm(x, 2, w, b), torch.randn(3, 6, 4, 5), torch.randn(6), torch.randn(6), scale=5)
    check(lambda x: F.group_norm(x, 3), torch.randn(3, 6, 7), scale=5)
    check(lambda x, w: F.instance_norm(x, weight=w), torch.randn(3, 6, 7), torch.randn(6), scale=5)


@pytest.mark.parametrize("shape", [(4, 6, 5, 3), (16, 6), (4, 6, 9)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_and_its_running_statistics(shape, training):
    check(lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b, training), torch.randn(*shape), torch.randn(6), torch.randn(6), constants=(torch.randn(6), torch.rand(6) + 0.5), scale=5)
    if training:
        check(lambda x: F.batch_norm(x, None, None, training=True), torch.randn(*shape), scale=5)
    running = {}
    for device in ("cpu", "hpu"):
        torch.manual_seed(3)
        norm = torch.nn.BatchNorm2d(6).to(device)
        for _ in range(3):
            norm(torch.randn(4, 6, 5, 3).to(device))
        running[device] = [norm.running_mean.cpu(), norm.running_var.cpu(), norm.num_batches_tracked.cpu().float()]
    for mine, theirs in zip(running["hpu"], running["cpu"]):
        close(mine, theirs, 1)


CONVOLUTIONS = {
    "plain": ((2, 3, 9, 8), (4, 3, 3, 3), {}), "padded": ((2, 3, 9, 8), (4, 3, 3, 3), {"padding": 1}), "strided": ((2, 3, 9, 8), (4, 3, 3, 3), {"stride": 2, "padding": 1}),
    "dilated": ((2, 3, 9, 10), (4, 3, 3, 3), {"dilation": 2, "padding": (1, 2)}), "pointwise": ((2, 5, 6, 6), (7, 5, 1, 1), {}),
    "pointwise_strided": ((2, 5, 6, 7), (7, 5, 1, 1), {"stride": 2}), "pointwise_padded": ((2, 3, 4, 4), (5, 3, 1, 1), {"padding": 1}),
    "grouped": ((2, 6, 7, 7), (8, 3, 3, 3), {"groups": 2, "padding": 1}), "depthwise": ((2, 6, 7, 7), (6, 1, 3, 3), {"groups": 6, "padding": 1, "stride": 2}),
    "multiplied": ((2, 3, 7, 7), (6, 1, 3, 3), {"groups": 3, "padding": 1}), "wide": ((1, 40, 5, 5), (36, 40, 3, 3), {"padding": 1}), "uneven": ((1, 3, 8, 8), (4, 3, 5, 2), {"stride": (3, 2)}),
    "patches": ((2, 3, 8, 8), (5, 3, 4, 4), {"stride": 4}), "one_d": ((2, 3, 11), (4, 3, 3), {"padding": 1, "stride": 2}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_convolutions(name, dtype):
    image, weight, arguments = CONVOLUTIONS[name]
    function = F.conv1d if len(image) == 3 else F.conv2d
    scale = (torch.tensor(weight[1:]).prod() ** -0.5).item()
    check(lambda x, w, b: function(x, w, b, **arguments), torch.randn(*image).to(dtype), (torch.randn(*weight) * scale).to(dtype), torch.randn(weight[0]).to(dtype), scale=5)


TRANSPOSED = {
    "plain": ((2, 3, 5, 6), (3, 4, 3, 3), {}), "strided": ((2, 3, 5, 6), (3, 4, 4, 4), {"stride": 2, "padding": 1}),
    "output_padded": ((2, 3, 5, 6), (3, 4, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}), "grouped": ((2, 4, 5, 5), (4, 3, 2, 2), {"groups": 2, "stride": 2}),
    "one_d": ((2, 3, 7), (3, 4, 4), {"stride": 2, "padding": 1}), "dilated": ((1, 3, 5, 5), (3, 2, 3, 3), {"dilation": 2}),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolutions(name):
    image, weight, arguments = TRANSPOSED[name]
    function = F.conv_transpose1d if len(image) == 3 else F.conv_transpose2d
    check(lambda x, w, b: function(x, w, b, **arguments), torch.randn(*image), torch.randn(*weight) * 0.3, torch.randn(weight[1] * arguments.get("groups", 1)), scale=5)


POOLS = {
    "max": lambda x: F.max_pool2d(x, 2), "max_overlapping": lambda x: F.max_pool2d(x, 3, 2, 1), "max_dilated": lambda x: F.max_pool2d(x, 2, 1, 0, 2),
    "max_ceil": lambda x: F.max_pool2d(x, 2, ceil_mode=True), "average": lambda x: F.avg_pool2d(x, 2), "average_overlapping": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "average_ceil": lambda x: F.avg_pool2d(x, 2, ceil_mode=True), "average_ceil_padded": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "average_without_padding": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), "average_divisor": lambda x: F.avg_pool2d(x, 2, divisor_override=3),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, 1), "adaptive_even": lambda x: F.adaptive_avg_pool2d(x, (3, 2)), "adaptive_uneven": lambda x: F.adaptive_avg_pool2d(x, (4, 5)),
    "adaptive_max": lambda x: F.adaptive_max_pool2d(x, (4, 3)), "adaptive_larger": lambda x: F.adaptive_avg_pool2d(x, (11, 9)), "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "nearest_size": lambda x: F.interpolate(x, size=(13, 5)), "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "bilinear_aligned": lambda x: F.interpolate(x, size=(14, 5), mode="bilinear", align_corners=True), "bilinear_down": lambda x: F.interpolate(x, size=(4, 5), mode="bilinear"),
    "shuffle": lambda x: F.pixel_shuffle(x.repeat(1, 4, 1, 1), 2), "max_narrow": lambda x: F.max_pool2d(x[..., :1], 3, 1, 1), "reflect": lambda x: F.pad(x, (1, 1, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", POOLS)
def test_pooling_and_upsampling(name):
    check(POOLS[name], torch.randn(2, 3, 9, 8), scale=2)


def test_pooling_of_bf16_and_without_a_batch():
    check(lambda x: F.max_pool2d(x, 2), torch.randn(3, 8, 8).bfloat16())
    check(lambda x: F.avg_pool2d(x, 3, 1, 1), torch.randn(3, 8, 8))


def test_prelu_dropout_and_embedding():
    check(F.prelu, torch.randn(3, 4, 5), torch.rand(4))
    check(F.prelu, torch.randn(3, 5), torch.rand(1))
    check(lambda x: F.dropout(x, 0.0, training=True), torch.randn(3, 5))


def test_attention():
    torch.manual_seed(1)
    weights = torch.randn(3 * 8, 8) * 0.3

    def attention(x, w):
        q, k, v = F.linear(x, w).view(2, 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        p = (q @ k.transpose(-2, -1) * 0.5).softmax(-1)
        return (p @ v).transpose(1, 2).reshape(2, 5, 8)

    check(attention, torch.randn(2, 5, 8), weights, scale=5)


def test_gradients_are_captured_and_replayed():
    weight = (torch.randn(4, 6) * 0.5).to("hpu").requires_grad_()
    image, target = torch.randn(5, 6).to("hpu"), torch.randint(0, 4, (5,)).to("hpu")
    weight.grad = torch.zeros(4, 6).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    weight.grad.zero_()
    F.cross_entropy(F.gelu(F.linear(image, weight)), target).backward()
    graph.capture_end()
    for _ in range(2):
        new_image, new_target = torch.randn(5, 6), torch.randint(0, 4, (5,))
        image.copy_(new_image)
        target.copy_(new_target)
        graph.replay()
        mine = weight.detach().cpu().requires_grad_()
        F.cross_entropy(F.gelu(F.linear(new_image, mine)), new_target).backward()
        close(weight.grad.cpu(), mine.grad, 1)
