"""Values that the host reads inside a capture: the segment is split, and the value is a guard of every replay."""

import pytest
import torch

import habana_frameworks.torch as ht


@pytest.fixture
def x():
    return torch.ones(4).to("hpu")


def capture(function, graph=None, **keywords):
    graph = ht.hpu.HPUGraph() if graph is None else graph
    graph.capture_begin(**keywords)
    result = function()
    graph.capture_end()
    return graph, result


def branch(x):
    y = x * 2
    return y + 1 if y.sum().item() > 0 else y - 1


def test_reading_a_value_splits_the_segment(x):
    graph, z = capture(lambda: branch(x))
    assert graph.segments == 2 and z.cpu().tolist() == [3.0] * 4


def test_a_replay_that_reads_the_same_value_goes_on(x):
    graph, z = capture(lambda: branch(x))
    z.zero_()
    graph.replay()
    assert z.cpu().tolist() == [3.0] * 4


def test_a_replay_that_would_read_another_value_names_both_values_and_the_line(x):
    graph, z = capture(lambda: branch(x))
    x.copy_(torch.full((4,), -1.0))
    with pytest.raises(RuntimeError) as failed:
        graph.replay()
    for text in ("8", "-8", "test_guards.py:"):
        assert text in str(failed.value)
    assert z.cpu().tolist() == [3.0] * 4  # the old branch did not run
    x.copy_(torch.ones(4))
    graph.replay()  # the graph is whole
    assert z.cpu().tolist() == [3.0] * 4


def test_what_ran_before_the_guard_stands(x):
    counter = torch.zeros(1).to("hpu")

    def function():
        counter.add_(1)
        return branch(x)

    graph, _ = capture(function)
    x.neg_()
    with pytest.raises(RuntimeError, match="test_guards.py"):
        graph.replay()
    assert counter.item() == 2


@pytest.mark.parametrize(
    "read",
    [lambda t: t[0].item(), lambda t: t.cpu(), lambda t: bool(t[1] > 0), lambda t: t.tolist(), lambda t: print(t), lambda t: float(t[2]), lambda t: int(t[3]), lambda t: t.t().cpu()],
    ids=["item", "cpu", "bool", "tolist", "print", "float", "int", "view"],
)
def test_each_way_to_read_is_a_guard(x, read):
    graph, _ = capture(lambda: read(x * 3))
    graph.replay()
    x.fill_(-5)
    with pytest.raises(RuntimeError, match=r"test_guards.py:\d+"):
        graph.replay()


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bfloat16, torch.bool, torch.uint8, torch.float64])
def test_values_of_every_dtype_are_compared(dtype):
    t = torch.tensor([0, 1]).to(dtype).to("hpu")
    graph, _ = capture(lambda: t.tolist())
    graph.replay()
    t.copy_(torch.tensor([1, 1]).to(dtype))
    with pytest.raises(RuntimeError, match="test_guards.py"):
        graph.replay()


def test_an_asynchronous_replay_fails_at_the_next_synchronisation(x):
    for synchronise in (ht.hpu.synchronize, ht.hpu.current_stream().synchronize, lambda: ht.core.mark_step(sync=True), lambda: x.cpu()):
        x.fill_(1)
        graph, z = capture(lambda: branch(x))
        x.fill_(-1)
        graph.replay(asynchronous=True)
        with pytest.raises(RuntimeError, match=r"test_guards.py:\d+"):
            synchronise()
        synchronise()  # once
        assert z.cpu().tolist() == [3.0] * 4


def test_the_mode_error_refuses_the_read_by_name(x, monkeypatch):
    monkeypatch.setenv("OPENHPU_GRAPH_DATA_DEPENDENCE", "error")
    for read in (lambda: x[0].item(), lambda: x.cpu(), lambda: bool(x[0] > 0), lambda: x.tolist()):
        graph = ht.hpu.HPUGraph()
        graph.capture_begin()
        with pytest.raises(RuntimeError, match=r"is not supported during HPU Graph capturing \(test_guards.py:\d+\)"):
            read()
        assert x.cpu().tolist() == [1.0] * 4


def test_the_mode_freeze_is_the_vendors(x, monkeypatch):
    monkeypatch.setenv("OPENHPU_GRAPH_DATA_DEPENDENCE", "freeze")
    graph, z = capture(lambda: branch(x))
    x.fill_(-1)
    graph.replay()
    assert z.cpu().tolist() == [-1.0] * 4  # the branch of the capture


def test_unknown_modes_are_named(x, monkeypatch):
    monkeypatch.setenv("OPENHPU_GRAPH_DATA_DEPENDENCE", "nonsense")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    with pytest.raises(RuntimeError, match="expected guard, error or freeze"):
        x.cpu()
    graph.reset()


def test_a_dry_run_has_no_values_to_read(x):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin(dry_run=True)
    y = x + 1
    with pytest.raises(RuntimeError, match="dry.run"):
        y.cpu()
    graph.reset()
    assert x.cpu().tolist() == [1.0] * 4
