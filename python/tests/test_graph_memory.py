"""What graphs keep on the device, and how it is bounded."""

import gc

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch import _native

MIB = 1 << 20


def allocated():
    gc.collect()
    ht.hpu.synchronize()
    return _native.memory_counters()["allocated"]


def vector(mebibytes, value=1.0):
    return torch.full((mebibytes * MIB // 4,), value).to("hpu")


def test_graphs_that_cannot_run_at_once_share_one_arena():
    net = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.Softmax(-1)) for _ in range(3)])
    before, model = allocated(), net.to("hpu")
    wrapped = ht.hpu.wrap_in_hpu_graph(model)
    with torch.no_grad():
        for rows in (2048, 512, 1024, 256, 1536):
            wrapped(torch.randn(rows, 256).to("hpu"))
    memory = [graph.memory() for graph in wrapped.forward.graphs]
    assert len(memory) == 5 and len({m["workspace"] for m in memory}) == 5
    # Weights once, inputs and outputs of each graph; each tensor's memory is rounded up by an eighth at most.
    tensors = memory[0]["weights"] + sum(m["inputs"] + m["outputs"] for m in memory)
    assert tensors <= allocated() - before <= 1.125 * tensors
    # And the largest workspace, in steps of a megabyte.
    largest = max(m["workspace"] for m in memory)
    assert largest <= _native.memory_counters()["workspace"] <= largest + MIB
    assert sum(m["workspace"] for m in memory) > 2 * largest


def test_released_graphs_keep_no_outputs_between_calls():
    x = vector(1)
    wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda x: torch.cat([x * 2, x * 3, x * 4, x * 5]), disable_tensor_cache=True)
    with torch.no_grad():
        wrapped(x)
        before = allocated()
        for _ in range(3):
            y = wrapped(x)
            assert allocated() - before >= 4 * MIB  # the caller's
            del y
            assert allocated() - before < MIB // 8


def test_released_graphs_keep_no_inputs():
    with torch.no_grad():
        wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda x: x[:4] + 1, disable_tensor_cache=True)
        wrapped(vector(4))
        before = allocated()
        x = vector(4)
        wrapped(x)
        assert allocated() - before < 4 * MIB + MIB // 8
        del x
        assert allocated() - before < MIB // 8


def test_graphs_with_a_tensor_cache_keep_inputs_and_outputs():
    before = allocated()
    wrapped = ht.hpu.wrap_in_hpu_graph(torch.nn.ReLU())
    wrapped(vector(2))
    assert 4 * MIB <= allocated() - before < 5 * MIB
    wrapped.clear_inputs()
    assert 2 * MIB <= allocated() - before < 3 * MIB
    y = wrapped(vector(2, -1.0))
    assert y.cpu().abs().max() == 0 and 4 * MIB <= allocated() - before < 5 * MIB
    del y
    wrapped.clear_cache()
    assert allocated() - before < MIB // 8


def test_the_graph_of_a_replaced_parameter_goes():
    layer = torch.nn.Linear(512, 512).to("hpu")
    net = ht.hpu.wrap_in_hpu_graph(layer)
    x = torch.ones(4, 512).to("hpu")
    with torch.no_grad():
        for i in range(4):
            net.weight = torch.nn.Parameter(torch.full((512, 512), float(i)).to("hpu"))
            y = net(x).cpu()
            assert torch.allclose(y, 512.0 * i + layer.bias.cpu(), rtol=1e-5)
            now = allocated()
            if i == 0:
                first = now
            assert now - first < MIB // 8


def test_marked_outputs_are_all_that_a_graph_keeps():
    x = vector(1)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    made = [x * i for i in range(1, 5)]
    total = made[0] + made[1]
    graph.capture_end()
    before = allocated()
    graph.mark_user_outputs([total])
    assert before - allocated() >= 4 * MIB
    for _ in range(2):
        graph.replay()
        assert total.cpu().unique().tolist() == [3.0]
        assert before - allocated() >= 4 * MIB


def test_what_was_there_before_the_capture_is_kept():
    x, written = vector(1), vector(1)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    written.copy_(x * 3)
    total = x + 1
    graph.capture_end()
    graph.mark_user_outputs([total])
    for _ in range(2):
        assert written.cpu().unique().tolist() == [3.0]
        graph.replay()


def test_clear_inputs_drops_what_the_graph_wrote_in_place():
    x, cache = vector(1), vector(2, 0.0)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    graph.mark_user_inputs([x, cache])
    cache[: x.numel()].add_(x)
    graph.capture_end()
    ht.hpu.synchronize()
    before = allocated()
    graph.clear_inputs()
    assert before - allocated() >= 2 * MIB
    fresh = vector(2, 5.0)
    graph.replayV3([x, fresh])
    assert fresh.cpu()[0] == 6.0 and fresh.cpu()[-1] == 5.0


# --- OPENHPU_GRAPH_MEMORY_LIMIT


def own(wrapped):
    return [sum(g.memory()[n] for n in ("inputs", "outputs", "commands", "prepared")) for g in wrapped.forward.graphs]


def test_the_least_recently_used_graphs_of_all_callables_go(monkeypatch):
    a, b = (ht.hpu.wrap_in_hpu_graph(torch.nn.ReLU()) for _ in range(2))
    with torch.no_grad():
        a(vector(1))
        one = sum(own(a))
        assert 2 * MIB <= one < 3 * MIB
        monkeypatch.setenv("OPENHPU_GRAPH_MEMORY_LIMIT", "10M")
        b(vector(2))
        assert len(a.forward.cache) == len(b.forward.cache) == 1
        a(vector(1))  # now b's is the oldest
        a(vector(1, -1.0)[: MIB // 8])
        b(vector(1))
        a(vector(3))
        total = sum(own(a)) + sum(own(b))
        assert total <= 10 * MIB
        assert len(b.forward.cache) == 1
        for wrapped in (a, b):
            for mebibytes in (1, 2, 3):
                x = vector(mebibytes, -2.0)
                assert wrapped(x).cpu().abs().max() == 0
                assert sum(own(a)) + sum(own(b)) <= 10 * MIB


def test_the_graph_in_use_stays_even_if_it_is_too_large(monkeypatch):
    monkeypatch.setenv("OPENHPU_GRAPH_MEMORY_LIMIT", "1K")
    wrapped = ht.hpu.wrap_in_hpu_graph(torch.nn.ReLU())
    with torch.no_grad():
        for _ in range(2):
            assert wrapped(vector(1)).cpu()[0] == 1.0
            assert len(wrapped.forward.cache) == 1
        wrapped(vector(2))
        assert len(wrapped.forward.cache) == 1


def test_the_limit_is_a_number_of_bytes(monkeypatch):
    from habana_frameworks.torch.hpu.graphs import budget

    for text, expected in (("4096", 4096), ("512M", 512 << 20), ("2G", 2 << 30), ("1k", 1024), ("3GiB", 3 << 30), ("", None)):
        monkeypatch.setenv("OPENHPU_GRAPH_MEMORY_LIMIT", text)
        assert budget.limit() == expected
    monkeypatch.setenv("OPENHPU_GRAPH_MEMORY_LIMIT", "much")
    with pytest.raises(ValueError, match="OPENHPU_GRAPH_MEMORY_LIMIT='much' is not a number of bytes"):
        ht.hpu.wrap_in_hpu_graph(torch.nn.ReLU())(vector(1))
    monkeypatch.delenv("OPENHPU_GRAPH_MEMORY_LIMIT")
    assert not ht.hpu.is_current_stream_capturing()
