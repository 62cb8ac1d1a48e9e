"""Random numbers on hpu: made on the device, functions of the generator's state alone, eager or replayed."""

import math

import pytest
import torch
import torch.nn.functional as F

import habana_frameworks.torch as ht
from habana_frameworks.torch import _native


def fallbacks():
    return dict(dict(ht.hpu.metric_global("cpu_fallback").stats())["FallbackOps"])


@pytest.fixture(autouse=True)
def nothing_falls_back():
    before = fallbacks()
    yield
    assert fallbacks() == before


def generator(seed=5):
    g = torch.Generator()
    g.manual_seed(seed)
    return g


@pytest.fixture
def standard():
    """A default generator of hpu that the test holds."""
    g = generator()
    _native.set_default_generator(g)
    return g


def on_hpu(*sizes, dtype=torch.float32):
    return torch.empty(*sizes, dtype=dtype, device="hpu")


N = 40000

# In-place operator, mean and standard deviation that follow.
DISTRIBUTIONS = {
    "uniform": (lambda t, g: t.uniform_(-1, 3, generator=g), 1, 4 / math.sqrt(12)),
    "normal": (lambda t, g: t.normal_(2, 3, generator=g), 2, 3),
    "bernoulli": (lambda t, g: t.bernoulli_(0.3, generator=g), 0.3, math.sqrt(0.21)),
    "exponential": (lambda t, g: t.exponential_(2, generator=g), 0.5, 0.5),
    "geometric": (lambda t, g: t.geometric_(0.25, generator=g), 4, math.sqrt(12)),
    "log_normal": (lambda t, g: t.log_normal_(0, 0.5, generator=g), math.exp(0.125), math.sqrt((math.exp(0.25) - 1) * math.exp(0.25))),
    "random_from": (lambda t, g: t.random_(-5, 5, generator=g), -0.5, math.sqrt(99 / 12)),
    "random_to": (lambda t, g: t.random_(100, generator=g), 49.5, math.sqrt(9999 / 12)),
}  # fmt: skip


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_moments_are_those_of_the_distribution(name, dtype):
    draw, mean, deviation = DISTRIBUTIONS[name]
    values = draw(on_hpu(N, dtype=dtype), generator()).cpu().double()
    assert abs(values.mean() - mean) < 5 * deviation / math.sqrt(N) + (0.02 * abs(mean) if dtype == torch.bfloat16 else 0)
    assert abs(values.std() / deviation - 1) < 0.05
    assert torch.isfinite(values).all()


def test_a_cauchy_distribution_has_its_quartiles():
    values = on_hpu(N).cauchy_(1, 2, generator=generator()).cpu()
    quartiles = values.quantile(torch.tensor([0.25, 0.5, 0.75]))
    assert torch.allclose(quartiles, torch.tensor([-1.0, 1.0, 3.0]), atol=0.1)


def test_a_normal_distribution_has_the_tails_and_no_correlation():
    values = on_hpu(N).normal_(generator=generator()).cpu()
    assert abs((values.abs() < 1).float().mean() - 0.6827) < 0.01 and abs((values.abs() > 2).float().mean() - 0.0455) < 0.005
    for shift in (1, 2, 3, 4, N // 2):
        assert abs((values[:-shift] * values[shift:]).mean()) < 0.03


def test_uniform_numbers_fill_the_range_and_stay_in_it():
    for dtype in (torch.float32, torch.bfloat16):
        values = on_hpu(N, dtype=dtype).uniform_(generator=generator()).cpu().float()
        assert values.min() >= 0 and values.max() < 1
        counts = torch.histc(values, 16, 0, 1)
        assert (counts > N / 16 * 0.9).all() and (counts < N / 16 * 1.1).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool, torch.float32])
def test_random_fills_what_its_dtype_holds(dtype):
    values = on_hpu(1000, dtype=dtype).random_(generator=generator()).cpu()
    largest = {torch.bool: 1, torch.float32: 2**24, torch.int64: 2**31 - 1}.get(dtype) or torch.iinfo(dtype).max
    assert values.dtype == dtype and values.min() >= 0 and values.float().max() <= largest and values.float().max() >= 0.9 * largest


def test_random_covers_wide_and_negative_ranges():
    for low, high in ((-(2**31), 2**31 - 1), (-(2**31), 2**31), (-(2**30), 2**30), (-(10**7), 10**7)):
        values = on_hpu(N, dtype=torch.int64).random_(low, high, generator=generator()).cpu()
        assert values.min() >= low and values.max() < high
        assert abs(values.double().mean() - (low + high - 1) / 2) < (high - low) * 0.01
    # 32 bits modulo the range, as on the CPU: the low ones come more often.
    values = on_hpu(N, dtype=torch.int64).random_(-(2**30), 2**31 - 5, generator=generator()).cpu()
    assert values.min() < -(2**30) * 0.99 and values.max() > 2**31 * 0.99 and values.max() < 2**31 - 5
    with pytest.raises(RuntimeError, match="exceeds the range of int32"):
        on_hpu(3, dtype=torch.int64).random_(0, 2**40, generator=generator())


def test_probabilities_may_be_tensors():
    p = torch.rand(200, 200).to("hpu")
    for drawn in (on_hpu(200, 200).bernoulli_(p, generator=generator()), torch.bernoulli(p, generator=generator())):
        drawn = drawn.cpu()
        assert set(drawn.unique().tolist()) == {0, 1} and abs(drawn.mean() - p.cpu().mean()) < 0.01
        assert abs(drawn[p.cpu() < 0.2].mean() - 0.1) < 0.02
    mask = torch.empty(50, dtype=torch.bool, device="hpu").bernoulli_(1.0, generator=generator())
    assert mask.cpu().all()


def test_normals_of_tensors():
    mean, std = torch.arange(4.0).to("hpu"), torch.tensor([0.0, 0.1, 1.0, 2.0]).to("hpu")
    values = torch.stack([torch.normal(mean, std, generator=g) for g in [generator()] for _ in range(300)]).cpu()
    assert torch.allclose(values.mean(0), mean.cpu(), atol=0.3) and torch.allclose(values.std(0), std.cpu(), atol=0.2)
    assert torch.normal(mean, 2.0, generator=generator()).shape == (4,) and torch.normal(1.0, std, generator=generator()).cpu()[0] == 1
    out = torch.empty(4, device="hpu")
    assert torch.normal(mean, std, generator=generator(), out=out) is out


def test_factories_draw_on_the_device(standard):
    for made in (
        torch.rand(3, 4, device="hpu"), torch.randn(3, 4, device="hpu"), torch.randint(2, 9, (3, 4), device="hpu"), torch.rand_like(on_hpu(3, 4)),
        torch.randn_like(on_hpu(3, 4)), torch.randint_like(on_hpu(3, 4), 7), torch.normal(0.0, 1.0, (3, 4), device="hpu"),
    ):  # fmt: skip
        assert made.device.type == "hpu" and made.shape == (3, 4) and made.cpu().unique().numel() > 3
    layer = torch.nn.Linear(30, 20).to("hpu")
    torch.nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))
    assert abs(layer.weight.detach().cpu().abs().max() - 1 / math.sqrt(30)) < 0.01
    torch.nn.init.xavier_normal_(layer.weight)


def test_permutations():
    for n in (0, 1, 7, 1000):
        order = torch.randperm(n, device="hpu", generator=generator()).cpu()
        assert order.dtype == torch.int64 and torch.equal(order.sort().values, torch.arange(n))
    assert not torch.equal(order, torch.arange(n))


def test_numbers_depend_on_place_and_state_alone():
    whole = on_hpu(8, 6).uniform_(generator=generator())
    strided = on_hpu(6, 8).t().uniform_(generator=generator())
    part = on_hpu(2, 6).uniform_(generator=generator())
    assert torch.equal(whole.cpu(), strided.cpu()) and torch.equal(whole[:2].cpu(), part.cpu())
    view = torch.zeros(8, 12).to("hpu")
    view[:, ::2].uniform_(generator=generator())
    assert torch.equal(view.cpu()[:, ::2], whole.cpu()) and (view.cpu()[:, 1::2] == 0).all()


def draws(g, count):
    return [on_hpu(5).uniform_(generator=g).cpu().tolist() for _ in range(count)]


def test_equal_states_give_equal_numbers():
    g = generator(3)
    first = draws(g, 4)
    assert len({tuple(d) for d in first}) == 4
    g.manual_seed(3)
    assert draws(g, 2) == first[:2]
    state = g.get_state()
    assert draws(g, 2) == first[2:]
    g.set_state(state)
    assert draws(g, 2) == first[2:]
    other = torch.Generator()
    other.set_state(state)
    assert draws(other, 1) == first[2:3]
    g.manual_seed(4)
    assert draws(g, 1) != first[:1]


def test_draws_of_the_cpu_move_the_device_on():
    g = generator(3)
    first = draws(g, 3)
    g.manual_seed(3)
    torch.rand(1, generator=g)  # one draw
    assert draws(g, 2) == first[1:]


def test_flushes_do_not_change_the_numbers():
    g = generator(3)
    one_segment = torch.stack([on_hpu(5).uniform_(generator=g) for _ in range(6)]).cpu().tolist()
    assert one_segment == draws(generator(3), 6)


def test_thousands_of_draws_go_on_without_repetition():
    # More than one state of an MT19937 gives, and more than the device holds keys for.
    g = generator(9)
    values = torch.cat([torch.stack([on_hpu(2).random_(generator=g) for _ in range(100)]).cpu() for _ in range(110)])
    assert values.flatten().unique().numel() > values.numel() - 50  # of 2^24
    late = generator(9)
    torch.empty(700).uniform_(generator=late)  # 700 draws
    assert torch.equal(on_hpu(2).random_(generator=late).cpu(), values[700].cpu())
    late = generator(9)
    torch.empty(10500).uniform_(generator=late)
    assert torch.equal(on_hpu(2).random_(generator=late).cpu(), values[10500].cpu())


def program(x, g):
    """Two draws."""
    return x + on_hpu(16).uniform_(generator=g) * 2, on_hpu(3, 4).normal_(generator=g)


def eager(x, g):
    return [t.cpu().tolist() for t in program(x, g)]


def test_replays_draw_what_eager_operators_would():
    x, g = torch.arange(16.0).to("hpu"), generator(11)
    graph = ht.hpu.HPUGraph()
    program(x, g)
    g.manual_seed(11)
    graph.capture_begin()
    out = program(x, g)
    graph.capture_end()
    captured = [t.cpu().tolist() for t in out]
    replayed = []
    for _ in range(3):
        graph.replay()
        replayed.append([t.cpu().tolist() for t in out])
    between = eager(x, g)
    graph.replay()
    replayed.append([t.cpu().tolist() for t in out])
    same = generator(11)
    assert captured == eager(x, same)
    assert replayed[:3] == [eager(x, same) for _ in range(3)]
    assert between == eager(x, same)
    assert replayed[3] == eager(x, same)
    assert torch.equal(g.get_state(), same.get_state())


def test_seeding_rules_replays():
    x, g = torch.zeros(16).to("hpu"), generator(1)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    out = program(x, g)
    graph.capture_end()
    seen = []
    for seed in (21, 22, 21):
        g.manual_seed(seed)
        graph.replay()
        graph.replay()
        seen.append([t.cpu().tolist() for t in out])
    assert seen[0] == seen[2] != seen[1]
    same = generator(21)
    eager(x, same)
    assert seen[0] == eager(x, same)


def test_replays_pass_the_end_of_the_keys():
    g = generator(2)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    out = torch.stack([on_hpu(2).random_(generator=g) for _ in range(500)])
    graph.capture_end()
    for replays in range(1, 26):
        graph.replay()
    late = generator(2)
    torch.empty(500 * 25).uniform_(generator=late)
    assert torch.equal(out.cpu()[0], on_hpu(2).random_(generator=late).cpu())


def test_dropout_trains_on_the_device(standard):
    x = torch.ones(100, 200).to("hpu").requires_grad_()
    for y in (F.dropout(x, 0.25, training=True), torch.native_dropout(x, 0.25, True)[0]):
        x.grad = None
        y.sum().backward()
        kept = y.detach().cpu()
        assert torch.allclose(kept.unique(), torch.tensor([0.0, 1 / 0.75])) and abs((kept == 0).float().mean() - 0.25) < 0.02
        assert torch.equal(x.grad.cpu(), kept)
    assert torch.equal(F.dropout(x, 0.5, training=False).detach().cpu(), x.detach().cpu())
    assert (F.dropout(x, 1.0, training=True).detach().cpu() == 0).all()
    assert torch.equal(F.dropout(x, 0.0, training=True).detach().cpu(), x.detach().cpu())
    y = F.dropout2d(torch.ones(4, 8, 5, 5).to("hpu"), 0.5, training=True).cpu()
    assert ((y == 0).flatten(2).all(-1) | (y == 2).flatten(2).all(-1)).all()


def test_wrapped_modules_draw_anew_in_each_call(standard):
    model = ht.hpu.wrap_in_hpu_graph(torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.Dropout(0.5)).to("hpu").train())
    x = torch.ones(4, 8).to("hpu")
    with torch.no_grad():
        outs = [model(x).cpu() for _ in range(4)]
    zeros = {tuple((o == 0).flatten().tolist()) for o in outs}
    assert len(zeros) == 4


def test_generators_of_other_devices_are_refused():
    with pytest.raises(TypeError):
        _native.set_default_generator(5)
