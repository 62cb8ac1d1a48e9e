"""Small nets trained on hpu and on the CPU from one start: the losses agree, and nothing falls back to the CPU."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import habana_frameworks.torch as ht

STEPS = 20


def fallbacks():
    return dict(dict(ht.hpu.metric_global("cpu_fallback").stats())["FallbackOps"])


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.SiLU(), nn.AvgPool2d(2), nn.Conv2d(16, 16, 1), nn.Hardswish(),
        )  # fmt: skip
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(torch.flatten(F.adaptive_avg_pool2d(self.features(x), 1), 1))


class Encoder(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, activation=activation, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4))


MODELS = {
    "mlp": (mlp, lambda: torch.randn(32, 8)), "cnn": (Cnn, lambda: torch.randn(16, 1, 16, 16)), "encoder": (lambda: Encoder("gelu"), lambda: torch.randn(8, 6, 16)),
    "encoder_relu": (lambda: Encoder("relu"), lambda: torch.randn(8, 6, 16)),
}  # fmt: skip

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05), "nesterov": lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda p: torch.optim.Adam(p, 5e-3), "adamw": lambda p: torch.optim.AdamW(p, 5e-3), "amsgrad": lambda p: torch.optim.AdamW(p, 5e-3, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-3, momentum=0.5, centered=True), "adagrad": lambda p: torch.optim.Adagrad(p, 1e-2),
    "adadelta": lambda p: torch.optim.Adadelta(p), "adamax": lambda p: torch.optim.Adamax(p), "nadam": lambda p: torch.optim.NAdam(p), "radam": lambda p: torch.optim.RAdam(p),
    "sgd_foreach": lambda p: torch.optim.SGD(p, 0.02, momentum=0.9, nesterov=True, weight_decay=1e-3, foreach=True), "adam_foreach": lambda p: torch.optim.Adam(p, 5e-3, foreach=True),
    "adamw_foreach": lambda p: torch.optim.AdamW(p, 5e-3, foreach=True), "rmsprop_foreach": lambda p: torch.optim.RMSprop(p, 1e-3, momentum=0.5, foreach=True),
    "adagrad_foreach": lambda p: torch.optim.Adagrad(p, 1e-2, foreach=True),
}  # fmt: skip


def train(model, device, optimizer, inputs, targets, clip=None):
    model = copy.deepcopy(model).to(device)
    step = optimizer(model.parameters())
    losses = []
    for x, t in zip(inputs, targets):
        loss = F.cross_entropy(model(x.to(device)), t.to(device))
        step.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), *clip)
        step.step()
        losses.append(loss.detach())
    return [loss.item() for loss in losses], model


def compare(make, batch, optimizer, clip=None, states=True):
    torch.manual_seed(11)
    model = make()
    batches = [batch() for _ in range(4)]
    inputs = [batches[i % 4] for i in range(STEPS)]
    targets = [torch.arange(batches[i % 4].shape[0]) % 4 for i in range(STEPS)]
    expected, on_cpu = train(model, "cpu", optimizer, inputs, targets, clip)
    before = fallbacks()
    got, on_hpu = train(model, "hpu", optimizer, inputs, targets, clip)
    assert fallbacks() == before
    assert max(abs(a - b) for a, b in zip(got, expected)) < 1e-3, (got, expected)
    for (name, mine), theirs in zip(on_hpu.state_dict().items(), on_cpu.state_dict().values()):
        assert not states or torch.allclose(mine.cpu().float(), theirs.float(), rtol=1e-2, atol=2e-3), name
    return expected


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_models_train_as_on_the_cpu(model, optimizer):
    # Attention does not depend on the bias of its keys: AdamW makes steps of what rounding leaves of that gradient.
    losses = compare(*MODELS[model], OPTIMIZERS[optimizer], states=optimizer == "sgd")
    assert losses[-4] < losses[0]  # of one batch


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_step_as_on_the_cpu(optimizer):
    compare(mlp, MODELS["mlp"][1], OPTIMIZERS[optimizer])


@pytest.mark.parametrize("clip", [(0.1,), (0.5, float("inf")), (1.0, 1.0)])
def test_gradients_are_clipped_by_their_norm(clip):
    compare(mlp, MODELS["mlp"][1], OPTIMIZERS["sgd"], clip)


def test_learning_rates_may_change_and_gradients_may_gather():
    def run(device):
        torch.manual_seed(2)
        model = mlp().to(device)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
        losses = []
        for i in range(10):
            for _ in range(2):
                loss = F.mse_loss(model(torch.randn(4, 8).to(device)), torch.randn(4, 4).to(device)) / 2
                loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=i % 2 == 0)
            schedule.step()
            losses.append(loss.item())
        return losses

    before = fallbacks()
    assert all(abs(a - b) < 1e-3 for a, b in zip(run("hpu"), run("cpu")))
    assert fallbacks() == before


def test_bf16_training_stays_near():
    def run(device):
        torch.manual_seed(4)
        model = mlp().bfloat16().to(device)
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        x, t = torch.randn(32, 8).bfloat16().to(device), (torch.arange(32) % 4).to(device)
        losses = []
        for _ in range(10):
            loss = F.cross_entropy(model(x).float(), t)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    before = fallbacks()
    assert all(abs(a - b) < 3e-2 for a, b in zip(run("hpu"), run("cpu")))
    assert fallbacks() == before


def test_numbers_that_change_from_step_to_step_compile_nothing():
    torch.manual_seed(6)
    model = mlp().to("hpu")
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    x = torch.randn(4, 8).to("hpu")

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss.item()

    def compilations():
        return dict(ht.hpu.metric_global("graph_compilation").stats())["TotalNumber"]

    for _ in range(4):
        step()
    before = compilations()
    for _ in range(5):
        step()
    assert compilations() == before
