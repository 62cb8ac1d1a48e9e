"""Fused optimizers take the steps of the plain formulas, compile nothing after the first ones, and go on properly when a captured step is replayed."""

import copy
import math

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.hpex.movingavrg import FusedEMA
from habana_frameworks.torch.hpex.optimizers import Adam, AdamW, FusedAdagrad, FusedAdamW, FusedLamb, FusedLars, FusedResourceApplyMomentum, FusedSGD
from habana_frameworks.torch.hpex.optimizers import distributed

SHAPES = [(3, 4), (5,), (2, 2, 2)]
TIGHT = {"rtol": 1e-5, "atol": 1e-6}
LOOSE = {"rtol": 3e-2, "atol": 3e-2}


def metric(name):
    return dict(ht.hpu.metric_global(name).stats())["TotalNumber"]


@pytest.fixture(autouse=True)
def nothing_falls_back():
    before = metric("cpu_fallback")
    yield
    assert metric("cpu_fallback") == before


class PlainAdamW:
    """AdamW where eps is added to the root of the moment as it is, as the vendor's operator does; with the correction in the size of the step, or without."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0, bias_correction=True):
        self.params, self.lr, self.betas, self.eps, self.decay, self.corrects = list(params), lr, betas, eps, weight_decay, bias_correction
        self.m, self.v, self.n = [torch.zeros_like(p) for p in self.params], [torch.zeros_like(p) for p in self.params], 0

    @torch.no_grad()
    def step(self):
        self.n += 1
        size = self.lr * math.sqrt(1 - self.betas[1] ** self.n) / (1 - self.betas[0] ** self.n) if self.corrects else self.lr
        for p, m, v in zip(self.params, self.m, self.v):
            m.mul_(self.betas[0]).add_(p.grad, alpha=1 - self.betas[0])
            v.mul_(self.betas[1]).addcmul_(p.grad, p.grad, value=1 - self.betas[1])
            p.mul_(1 - self.lr * self.decay).addcdiv_(m, v.sqrt() + self.eps, value=-size)


class PlainLamb:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, max_grad_norm=1.0, adam_w_mode=True, use_lamb=False):
        self.params, self.lr, self.betas, self.eps, self.decay = list(params), lr, betas, eps, weight_decay
        self.most, self.decoupled, self.all = max_grad_norm, adam_w_mode, use_lamb
        self.m, self.v, self.n = [torch.zeros_like(p) for p in self.params], [torch.zeros_like(p) for p in self.params], 0

    @torch.no_grad()
    def step(self):
        self.n += 1
        norm = torch.stack([p.grad.norm() for p in self.params]).norm()
        share = self.most / norm if self.most > 0 and norm > self.most else 1.0
        for p, m, v in zip(self.params, self.m, self.v):
            g = p.grad * share + (0 if self.decoupled else self.decay * p)
            m.mul_(self.betas[0]).add_(g, alpha=1 - self.betas[0])
            v.mul_(self.betas[1]).addcmul_(g, g, value=1 - self.betas[1])
            update = m / (1 - self.betas[0] ** self.n) / ((v / (1 - self.betas[1] ** self.n)).sqrt() + self.eps)
            update = update + (self.decay * p if self.decoupled else 0)
            ratio = p.norm() / update.norm() if (self.decay != 0 or self.all) and p.norm() > 0 and update.norm() > 0 else 1.0
            p.sub_(update * ratio * self.lr)


class PlainLars:
    """LARS, then momentum over what it made of the gradients."""

    def __init__(self, params, mask, lr=0.1, momentum=0.9, weight_decay=0.0, eeta=0.001, eps=1e-8):
        self.params, self.mask, self.lr, self.momentum, self.decay, self.eeta, self.eps = list(params), mask, lr, momentum, weight_decay, eeta, eps
        self.buffers = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        for p, buffer, adapts in zip(self.params, self.buffers, self.mask):
            g = p.grad
            if adapts:
                rate = self.eeta * p.norm() / (g.norm() + self.decay * p.norm() + self.eps) if p.norm() > 0 and g.norm() > 0 else 1.0
                g = (g + self.decay * p) * rate
            buffer.mul_(self.momentum).add_(g, alpha=self.lr)
            p.sub_(buffer)


def lars(params, **kwargs):
    settings = {k: kwargs.pop(k) for k in ("lr", "momentum", "weight_decay") if k in kwargs}
    return FusedLars(FusedResourceApplyMomentum(params, **settings), [1, 0, 1], **kwargs)


def lars_around_sgd(params, lr, momentum, weight_decay):
    return FusedLars(FusedSGD(params, lr=lr, momentum=momentum, weight_decay=weight_decay), [1, 0, 1])


CASES = {
    "adamw": (FusedAdamW, torch.optim.AdamW, dict(lr=0.01, eps=1e-3, weight_decay=0.0)),
    "adamw, decay": (FusedAdamW, torch.optim.AdamW, dict(lr=0.01, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-5)),
    "adamw, uncorrected": (FusedAdamW, PlainAdamW, dict(lr=0.01, bias_correction=False)),
    "distributed adamw": (distributed.FusedAdamW, torch.optim.AdamW, dict(lr=0.01, weight_decay=0.0)),
    "torch adamw": (AdamW, torch.optim.AdamW, dict(lr=0.01, weight_decay=0.1)),
    "torch adamw, amsgrad": (AdamW, torch.optim.AdamW, dict(lr=0.01, amsgrad=True, maximize=True)),
    "torch adam": (Adam, torch.optim.Adam, dict(lr=0.01, weight_decay=0.1)),
    "sgd": (FusedSGD, torch.optim.SGD, dict(lr=0.1)),
    "sgd, momentum": (FusedSGD, torch.optim.SGD, dict(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.1)),
    "sgd, nesterov": (FusedSGD, torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True)),
    "adagrad": (FusedAdagrad, torch.optim.Adagrad, dict(lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5)),
    "momentum": (FusedResourceApplyMomentum, torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.1)),
    "lamb": (FusedLamb, PlainLamb, dict(lr=0.01)),
    "lamb, no decay": (FusedLamb, PlainLamb, dict(lr=0.01, weight_decay=0.0, max_grad_norm=0.0)),
    "lamb, everywhere": (FusedLamb, PlainLamb, dict(lr=0.01, weight_decay=0.0, use_lamb=True)),
    "lamb, decay in the gradient": (FusedLamb, PlainLamb, dict(lr=0.01, weight_decay=0.1, adam_w_mode=False)),
    "lars": (lars, lambda p, **k: PlainLars(p, [1, 0, 1], **k), dict(lr=0.1, momentum=0.9, weight_decay=0.1)),
    "lars, sgd": (lars_around_sgd, lambda p, **k: PlainLars(p, [1, 0, 1], **k), dict(lr=0.1, momentum=0.9, weight_decay=0.1)),
}


def parameters(dtype=torch.float32):
    """The same on the host (fp32) and on the device (dtype)."""
    torch.manual_seed(7)
    host = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    return host, [torch.nn.Parameter(p.detach().to("hpu", dtype)) for p in host]


def set_gradients(host, device, seed):
    generator = torch.Generator().manual_seed(seed)
    for h, d in zip(host, device):
        h.grad = torch.randn(h.shape, generator=generator)
        if d.grad is None:
            d.grad = torch.empty_like(d)
        d.grad.copy_(h.grad)


def same(host, device, tolerance=TIGHT):
    return all(torch.allclose(d.detach().cpu().float(), h.detach(), **tolerance) for h, d in zip(host, device))


@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_the_formula_and_later_ones_compile_nothing(case):
    fused, plain, settings = CASES[case]
    host, device = parameters()
    mine, theirs = fused(device, **settings), plain(host, **settings)
    for step in range(1, 21):
        set_gradients(host, device, step)
        if step == 3:
            ht.hpu.synchronize()
            compiled = metric("graph_compilation")
        mine.step()
        theirs.step()
        ht.core.mark_step()
        if step in (1, 2, 20):
            assert same(host, device), step
    assert metric("graph_compilation") == compiled


@pytest.mark.parametrize("case", CASES)
def test_a_captured_step_goes_on_when_it_is_replayed(case):
    fused, plain, settings = CASES[case]
    host, device = parameters()
    mine, theirs = fused(device, **settings), plain(host, **settings)
    graph = ht.hpu.HPUGraph()
    # The first step is the capture's: the state that it makes must not be made again by a replay.
    set_gradients(host, device, 1)
    graph.capture_begin()
    mine.step()
    graph.capture_end()
    theirs.step()
    assert same(host, device)
    for step in range(2, 8):
        set_gradients(host, device, step)
        graph.replay()
        theirs.step()
    assert same(host, device)
    # And the program may go on without the graph.
    set_gradients(host, device, 8)
    mine.step()
    theirs.step()
    assert same(host, device)


@pytest.mark.parametrize("case", ["adamw, decay", "sgd, momentum", "lamb", "adagrad"])
def test_bf16_parameters_are_computed_in_fp32(case):
    fused, plain, settings = CASES[case]
    host, device = parameters(torch.bfloat16)
    mine, theirs = fused(device, **settings), plain(host, **settings)
    for step in range(1, 6):
        set_gradients(host, device, step)
        mine.step()
        theirs.step()
    assert same(host, device, LOOSE) and all(p.dtype == torch.bfloat16 for p in device)


def test_moments_have_the_dtype_that_is_asked_for():
    host, device = parameters(torch.bfloat16)
    for moments, expected in [
        (None, (torch.bfloat16, torch.bfloat16)),
        (torch.float32, (torch.float32, torch.float32)),
        ((torch.bfloat16, torch.float32), (torch.bfloat16, torch.float32)),
    ]:
        optimizer = FusedAdamW(device, moments_dtype=moments)
        set_gradients(host, device, 1)
        optimizer.step()
        state = optimizer.state[device[0]]
        assert (state["exp_avg"].dtype, state["exp_avg_sq"].dtype) == expected
        optimizer.load_state_dict(optimizer.state_dict())
        state = optimizer.state[device[0]]
        assert (state["exp_avg"].dtype, state["exp_avg_sq"].dtype) == expected
    with pytest.raises(NotImplementedError, match="moments_dtype torch.float16"):
        FusedAdamW(device, moments_dtype=torch.float16)


@pytest.mark.parametrize("case", ["adamw", "sgd, momentum", "lamb", "lars"])
def test_a_schedule_changes_the_rate_without_compiling(case):
    fused, plain, settings = CASES[case]
    host, device = parameters()
    mine, theirs = fused(device, **settings), plain(host, **settings)
    for step in range(1, 21):
        rate = 0.1 / step
        for group in mine.param_groups:
            group["lr"] = rate
        for group in getattr(theirs, "param_groups", []):
            group["lr"] = rate
        theirs.lr = rate
        set_gradients(host, device, step)
        if step == 3:
            ht.hpu.synchronize()
            compiled = metric("graph_compilation")
        mine.step()
        theirs.step()
        ht.core.mark_step()
    assert same(host, device)
    assert metric("graph_compilation") == compiled


@pytest.mark.parametrize("case", ["adamw, decay", "lars"])
def test_a_replayed_step_takes_the_rate_that_was_synchronised(case):
    fused, plain, settings = CASES[case]
    host, device = parameters()
    mine, theirs = fused(device, **settings), plain(host, **settings)
    set_gradients(host, device, 1)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    mine.step()
    graph.capture_end()
    theirs.step()
    for step in range(2, 6):
        rate = 0.05 / step
        for group in mine.param_groups + getattr(theirs, "param_groups", []):
            group["lr"] = rate
        theirs.lr = rate
        mine.sync_hyperparameters()
        set_gradients(host, device, step)
        graph.replay()
        theirs.step()
    assert same(host, device)


def test_pytorchs_schedulers_drive_them():
    host, device = parameters()
    mine, theirs = FusedSGD(device, lr=0.1, momentum=0.9), torch.optim.SGD(host, lr=0.1, momentum=0.9)
    schedules = [torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.2, total_steps=12) for o in (mine, theirs)]
    for step in range(1, 11):
        set_gradients(host, device, step)
        for optimizer, schedule in zip((mine, theirs), schedules):
            optimizer.step()
            schedule.step()
    assert same(host, device)


def test_a_scheduler_drives_lars():
    host, device = parameters()
    mine, theirs = lars(device, lr=0.1, momentum=0.9), PlainLars(host, [1, 0, 1], lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(mine, step_size=2, gamma=0.5)
    for step in range(1, 7):
        theirs.lr = 0.1 * 0.5 ** ((step - 1) // 2)
        set_gradients(host, device, step)
        mine.step()
        theirs.step()
        schedule.step()
    assert same(host, device)


def test_parameters_that_miss_a_step_have_counters_of_their_own():
    host, device = parameters()
    mine, theirs = AdamW(device, lr=0.01), torch.optim.AdamW(host, lr=0.01)
    for step in range(1, 6):
        set_gradients(host, device, step)
        if step in (2, 4):
            host[1].grad = device[1].grad = None
        mine.step()
        theirs.step()
    assert same(host, device)
    assert [mine.state[p]["step"].item() for p in device] == [5, 3, 5]


def test_a_state_dict_continues_in_another_optimizer():
    host, device = parameters()
    first, theirs = FusedAdamW(device, lr=0.01), torch.optim.AdamW(host, lr=0.01, eps=1e-6, weight_decay=0.0)
    for step in (1, 2):
        set_gradients(host, device, step)
        first.step()
        theirs.step()
    saved = copy.deepcopy(first.state_dict())
    for state in saved["state"].values():
        state["step"] = state["step"].cpu()
    second = FusedAdamW(device, lr=1.0)
    second.load_state_dict(saved)
    set_gradients(host, device, 3)
    second.step()
    theirs.step()
    assert same(host, device)


def test_what_changes_between_a_step_and_a_capture_is_seen_by_both():
    host, device = parameters()
    mine, theirs = AdamW(device, lr=0.01), torch.optim.AdamW(host, lr=0.01)
    for step in (1, 2):
        set_gradients(host, device, step)
        mine.step()
        theirs.step()
    # Another rate, and one parameter less, which gives the others a counter of their own, inside the capture.
    mine.param_groups[0]["lr"] = theirs.param_groups[0]["lr"] = 0.1
    set_gradients(host, device, 3)
    host[2].grad = device[2].grad = None
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    mine.step()
    graph.capture_end()
    theirs.step()
    for step in (4, 5):
        set_gradients(host[:2], device[:2], step)
        graph.replay()
        theirs.step()
    assert same(host, device)
    assert [mine.state[p]["step"].item() for p in device] == [5, 5, 2]


@pytest.mark.parametrize("kind", [FusedAdamW, FusedLamb, FusedSGD, lars_around_sgd])
def test_copies_go_their_own_way(kind):
    host, device = parameters()
    settings = dict(lr=0.1, momentum=0.9, weight_decay=0.1) if kind in (FusedSGD, lars_around_sgd) else dict(lr=0.1)
    optimizer = kind(device, **settings)
    set_gradients(host, device, 1)
    optimizer.step()
    other = copy.deepcopy(optimizer)
    theirs = [p for group in other.param_groups for p in group["params"]]
    for mine, p in zip(device, theirs):
        p.grad = mine.grad.clone()
    before = [p.detach().cpu() for p in device]
    other.step()
    assert all(torch.equal(p.detach().cpu(), b) for p, b in zip(device, before))
    optimizer.step()
    assert all(torch.equal(p.detach().cpu(), q.detach().cpu()) for p, q in zip(device, theirs))


def test_parameters_of_odd_shapes_and_strides():
    torch.manual_seed(12)
    host = [torch.nn.Parameter(t) for t in (torch.randn(()), torch.randn(4, 3).t(), torch.randn(0, 3))]
    device = [torch.nn.Parameter(p.detach().to("hpu")) for p in host]
    mine, theirs = FusedAdamW(device, lr=0.01), torch.optim.AdamW(host, lr=0.01, eps=1e-6, weight_decay=0.0)
    for step in (1, 2):
        set_gradients(host, device, step)
        mine.step()
        theirs.step()
    assert same(host, device)


def test_groups_have_their_own_settings():
    host, device = parameters()
    mine = FusedSGD([{"params": device[:1], "lr": 0.5}, {"params": device[1:]}], lr=0.1)
    theirs = torch.optim.SGD([{"params": host[:1], "lr": 0.5}, {"params": host[1:]}], lr=0.1)
    set_gradients(host, device, 1)
    mine.step()
    theirs.step()
    assert same(host, device)


def test_closures_and_no_gradients():
    _, device = parameters()
    optimizer = FusedAdamW(device)
    assert optimizer.step() is None
    before = [p.detach().cpu() for p in device]

    def closure():
        optimizer.zero_grad()
        loss = (device[0] * device[0]).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() > 0
    assert not torch.equal(device[0].detach().cpu(), before[0]) and torch.equal(device[1].detach().cpu(), before[1])


def test_wrong_settings_are_named():
    _, device = parameters()
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        FusedAdamW(device, lr=-1)
    with pytest.raises(ValueError, match="Invalid beta parameter: 1.0"):
        FusedLamb(device, betas=(1.0, 0.9))
    with pytest.raises(ValueError, match="Nesterov"):
        FusedSGD(device, lr=0.1, nesterov=True)
    with pytest.raises(ValueError, match="skip_mask has 1 entries for 3 parameters"):
        FusedLars(FusedSGD(device, lr=0.1), [1])
    with pytest.raises(RuntimeError, match="AMSGrad"):
        FusedLamb(device, amsgrad=True)


def test_an_update_is_one_kernel_a_parameter():
    host, device = parameters()
    optimizer = FusedAdamW(device, weight_decay=0.1)
    set_gradients(host, device, 1)
    optimizer.step()
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    optimizer.step()
    graph.capture_end()
    (steps,) = graph._graph.steps()
    assert len(steps) <= len(device) + 2, steps  # the counter, the step size


@pytest.mark.parametrize("decay_is_a_tensor", [False, True])
def test_the_operator_that_deepspeed_calls(decay_is_a_tensor):
    host, device = parameters()
    theirs = PlainAdamW(host, lr=0.01, weight_decay=0.1)
    moments = [[torch.zeros_like(p) for p in device] for _ in range(2)]
    for step in range(1, 7):
        theirs.lr = rate = 0.01 / step
        set_gradients(host, device, step)
        neg_step = torch.tensor([-rate * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)]).to("hpu")
        keep = 1 - rate * 0.1
        decay = (torch.tensor([keep]).to("hpu"), True) if decay_is_a_tensor else (keep,)
        if step == 3:
            ht.hpu.synchronize()
            compiled = metric("graph_compilation")
        torch.ops.hpu.optimizer_adamw([p.grad for p in device], [p.detach() for p in device], *moments, neg_step, 0.9, 0.999, 1e-6, *decay)
        ht.core.mark_step()
        theirs.step()
    assert same(host, device)
    assert metric("graph_compilation") == compiled


def plain_ema(averages, values, decay, updates):
    share = decay * (1 - math.exp(-updates / 2000))
    return [a * share + v * (1 - share) for a, v in zip(averages, values)]


def test_a_moving_average_follows_its_model_eagerly_and_replayed():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    values = [v.clone() for v in model.state_dict().values() if v.dtype.is_floating_point]
    model = model.to("hpu")
    ema = FusedEMA(model, decay=0.9, updates=100)
    averages, graph = values, ht.hpu.HPUGraph()
    for update in range(1, 7):
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1.5)
        if update == 2:
            graph.capture_begin()
            ema.update(model)
            graph.capture_end()
        elif update > 2:
            graph.replay()
        else:
            ema.update(model)
        now = [v.cpu() for v in model.state_dict().values() if v.dtype.is_floating_point]
        averages = plain_ema(averages, now, 0.9, 100 + update)
    mine = [v.cpu() for v in ema.ema.state_dict().values() if v.dtype.is_floating_point]
    assert all(torch.allclose(a, b, **TIGHT) for a, b in zip(mine, averages))
    assert ema.updates == 106 and not ema.ema.training and not any(p.requires_grad for p in ema.ema.parameters())


def test_a_moving_average_takes_attributes_too():
    model = torch.nn.Linear(3, 4).to("hpu")
    ema = FusedEMA(model)
    model.names, model.reducer = ["a"], 7
    ema.update_attr(model)
    assert ema.ema.names == ["a"] and not hasattr(ema.ema, "reducer")


def test_moving_averages_compile_nothing_after_the_first_updates():
    model = torch.nn.Linear(3, 4).to("hpu")
    ema = FusedEMA(model)
    for update in range(1, 11):
        if update == 3:
            compiled = metric("graph_compilation")
        ema.update(model)
        ht.core.mark_step()
    assert metric("graph_compilation") == compiled
