"""In-place updates through views, captured and replayed: as eager PyTorch does them."""

import pytest
import torch

import habana_frameworks.torch as ht


def slices(t):
    t[1:3].add_(1)
    t[:, ::2].mul_(2)
    return t


def transposes(t):
    t.t()[1].add_(5)
    t.transpose(0, 1).mul_(0.5)
    return t


def expanded(t):
    row = t[0]
    t[1:].copy_(row.expand(3, 4))
    return t + row.expand(4, 4)


def overlapping(t):
    flat = t.view(-1)
    windows = flat.unfold(0, 4, 2)
    total = windows.sum(1)
    flat[2:6].add_(total[0])
    t[1:].copy_(t[:-1].clone())
    return windows.sum(1)


def whole_assignment(t):
    t[:] = t * 3
    t[...] = t - 1
    t[2] = 7
    return t


def temporaries(t):
    tmp = t * 2
    tmp[:].add_(1)
    tmp[1, :].zero_()
    return tmp


def diagonals(t):
    t.diagonal().fill_(9)
    t.as_strided((4,), (5,)).add_(1)
    return t


def chains(t):
    t.view(2, 8).t()[3:5].add_(t.view(2, 8).t()[:2])
    t.reshape(16)[5:9].sub_(1)
    t.squeeze().unsqueeze(0)[0, 1].neg_()
    return t


def cache_writes(t):
    cache = torch.zeros(1, 8, 4, device=t.device)
    cache[:, 2:6].copy_(t)
    cache[:, 6] = t[0]
    cache.narrow(1, 0, 2).copy_(t[:2])
    return cache.sum(1) + cache[:, 3]


@pytest.mark.parametrize("function", [slices, transposes, expanded, overlapping, whole_assignment, temporaries, diagonals, chains, cache_writes], ids=lambda f: f.__name__)
def test_in_place_updates_through_views_capture_and_replay_correctly(function):
    host = torch.arange(16.0).reshape(4, 4)
    there = host.to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = function(there)
    graph.capture_end()
    expected = function(host)
    for round_ in range(4):
        assert torch.equal(there.cpu(), host), round_
        assert torch.equal(result.cpu(), expected), round_
        graph.replay()
        expected = function(host)


def test_a_cache_that_outlives_the_capture_is_written_step_by_step():
    torch.manual_seed(0)
    cache_host = torch.zeros(2, 8, 4)
    cache = cache_host.to("hpu")
    new = torch.zeros(2, 1, 4).to("hpu")
    position = torch.zeros(1, dtype=torch.int64).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    cache.index_copy_(1, position, new)
    summed = cache.sum(1)
    graph.capture_end()
    for step in range(6):
        value = torch.randn(2, 1, 4)
        new.copy_(value)
        position.fill_(step)
        graph.replay()
        cache_host[:, step : step + 1] = value
        assert torch.equal(cache.cpu(), cache_host)
        assert torch.allclose(summed.cpu(), cache_host.sum(1), atol=1e-6)


def test_views_of_inputs_and_outputs_see_each_replay():
    x = torch.arange(6.0).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x.view(2, 3) * 2
    part = y[1]
    graph.capture_end()
    before = part.cpu().tolist()
    x.view(2, 3)[1].fill_(10)
    graph.replay()
    assert before == [6, 8, 10] and part.cpu().tolist() == [20] * 3
