"""A small decoder written with hpex trains as its plain form does on the CPU: eagerly, and as one graph that is replayed for every step."""

import math

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.hpex.kernels import FusedSDPA, RotaryPosEmbeddingHelperV2
from habana_frameworks.torch.hpex.normalization import FusedClipNorm, FusedRMSNorm
from habana_frameworks.torch.hpex.optimizers import AdamW

HEADS, SHARED, SIZE, LENGTH, STEPS = 4, 2, 8, 6, 20
WIDTH = HEADS * SIZE


def rotated(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def plain_attention(q, k, v):
    k, v = (t.repeat_interleave(HEADS // SHARED, 1) for t in (k, v))
    scores = (q @ k.transpose(-2, -1) / math.sqrt(SIZE)).masked_fill(~torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril(), -math.inf)
    return torch.softmax(scores, -1) @ v


class Block(torch.nn.Module):
    """One layer of a LLaMA-like decoder; `fused` chooses hpex or plain PyTorch."""

    def __init__(self, fused):
        super().__init__()
        self.fused = fused
        self.norm = torch.nn.Parameter(torch.ones(WIDTH))
        self.q, self.k, self.v = (torch.nn.Linear(WIDTH, heads * SIZE, bias=False) for heads in (HEADS, SHARED, SHARED))
        self.out = torch.nn.Linear(WIDTH, WIDTH, bias=False)
        angles = torch.arange(LENGTH)[:, None] * 10000 ** (-torch.arange(0, SIZE, 2) / SIZE)
        angles = torch.cat((angles, angles), -1)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        self.register_buffer("positions", torch.arange(LENGTH)[None])

    def forward(self, x):
        if self.fused:
            y = FusedRMSNorm.apply(x, self.norm, 1e-6)
        else:
            y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.norm
        q, k, v = (layer(y).view(x.shape[0], LENGTH, -1, SIZE).transpose(1, 2) for layer in (self.q, self.k, self.v))
        if self.fused:
            q, k = (RotaryPosEmbeddingHelperV2.apply(t, self.cos, self.sin, self.positions) for t in (q, k))
            attended = FusedSDPA.apply(q, k, v, None, 0.0, True, None, "fast", True)
        else:
            q, k = (rotated(t, self.cos, self.sin) for t in (q, k))
            attended = plain_attention(q, k, v)
        return x + self.out(attended.transpose(1, 2).reshape(x.shape))


def models():
    torch.manual_seed(9)
    plain, fused = Block(False), Block(True)
    fused.load_state_dict(plain.state_dict())
    return plain, fused.to("hpu")


def batches():
    generator = torch.Generator().manual_seed(10)
    return [[torch.randn(2, LENGTH, WIDTH, generator=generator) for _ in range(2)] for _ in range(STEPS)]


def fallbacks():
    return dict(ht.hpu.metric_global("cpu_fallback").stats())["TotalNumber"]


@pytest.mark.parametrize("captured", [False, True])
def test_training_gives_the_losses_of_the_cpu(captured):
    plain, fused = models()
    theirs, mine = (kind(model.parameters(), lr=1e-2) for kind, model in ((torch.optim.AdamW, plain), (AdamW, fused)))
    clip = FusedClipNorm(fused.parameters(), 1.0)
    x, target = (t.to("hpu") for t in batches()[0])
    graph, before = ht.hpu.HPUGraph(), fallbacks()

    def step():
        mine.zero_grad(set_to_none=True)
        loss = (fused(x) - target).square().mean()
        loss.backward()
        clip.clip_norm(fused.parameters())
        mine.step()
        return loss

    expected, losses, loss = [], [], None
    for inputs in batches():
        theirs.zero_grad()
        wanted = (plain(inputs[0]) - inputs[1]).square().mean()
        wanted.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        theirs.step()
        expected.append(wanted.item())
        x.copy_(inputs[0])
        target.copy_(inputs[1])
        if captured and loss is None:
            graph.capture_begin()
            loss = step()
            graph.capture_end()
        elif captured:
            graph.replay()
        else:
            loss = step()
        losses.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-3)
    for name, value in plain.state_dict().items():
        assert torch.allclose(fused.state_dict()[name].cpu(), value, rtol=1e-3, atol=1e-4), name
    assert fallbacks() == before


def test_a_wrapped_model_gives_the_results_of_the_cpu():
    plain, fused = models()
    wrapped = ht.hpu.wrap_in_hpu_graph(fused.eval())
    with torch.no_grad():
        for inputs, _ in batches()[:4]:
            assert torch.allclose(wrapped(inputs.to("hpu")).cpu(), plain(inputs), rtol=1e-5, atol=1e-5)
