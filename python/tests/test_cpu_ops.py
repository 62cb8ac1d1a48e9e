"""Operators without a kernel in a capture: refused by name, or run between two segments."""

import pytest
import torch

import habana_frameworks.torch as ht


@pytest.fixture
def x():
    return torch.tensor([3.0, 1.0, 2.0]).to("hpu")


def capture(function):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = function()
    graph.capture_end()
    return graph, result


def test_an_op_that_cannot_run_on_the_device_is_refused_with_its_name_and_line(x):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    doubled = x * 2
    with pytest.raises(RuntimeError) as refused:
        torch.lgamma(x)
    for text in ("aten::lgamma", "is not supported during HPU Graph capturing", "cpu fallback is not supported during hpu graph capturing", "test_cpu_ops.py:"):
        assert text in str(refused.value)
    assert not ht.hpu.is_current_stream_capturing()
    assert doubled.cpu().tolist() == [6, 2, 4]  # what was pending ran
    with pytest.raises(RuntimeError, match="The capture was discarded: aten::lgamma"):
        graph.capture_end()
    with pytest.raises(RuntimeError, match="The capture was discarded"):
        graph.replay()
    graph.reset()
    graph, doubled = capture(lambda: x * 2)
    graph.replay()
    assert doubled.cpu().tolist() == [6, 2, 4]


def test_segments_that_ran_before_the_refusal_stand(x):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    x.add_(1)
    ht.core.mark_step()
    x.add_(1)
    with pytest.raises(RuntimeError):
        torch.lgamma(x)
    assert x.cpu().tolist() == [5, 3, 4]


def test_device_memory_is_as_before_a_refused_capture(x):
    def attempt():
        graph = ht.hpu.HPUGraph()
        graph.capture_begin()
        y = torch.relu(x.expand(1000, 3) * 2)
        ht.core.mark_step()
        z = y + 1
        try:
            torch.lgamma(z)
        except RuntimeError:
            return
        raise AssertionError("not refused")

    attempt()
    ht.hpu.synchronize()
    before = ht.hpu.memory_allocated()
    for _ in range(3):
        attempt()
    ht.hpu.synchronize()
    assert ht.hpu.memory_allocated() == before


@pytest.mark.parametrize(
    "op",
    [torch.nonzero, lambda t: torch.masked_select(t, t > 1), torch.unique, lambda t: t[t > 1], lambda t: torch.repeat_interleave(t.to(torch.int64)), lambda t: torch.bincount(t.to(torch.int64))],
    ids=["nonzero", "masked_select", "unique", "boolean_indexing", "repeat_interleave", "bincount"],
)
def test_an_op_whose_output_shape_depends_on_data_is_refused_by_name(x, op):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    with pytest.raises(RuntimeError, match=r"aten::\S+ is not supported during HPU Graph capturing \(test_cpu_ops.py:\d+\)"):
        op(x)
    assert (x + 1).cpu().tolist() == [4, 2, 3]


# --- OPENHPU_GRAPH_CPU_OPS=break


@pytest.fixture
def broken(monkeypatch):
    monkeypatch.setenv("OPENHPU_GRAPH_CPU_OPS", "break")


def test_the_op_runs_between_two_segments_on_replay_too(x, broken):
    graph, y = capture(lambda: torch.lgamma(x * 2) + 1)
    assert graph.segments == 2
    for values in ([3.0, 1.0, 2.0], [0.5, 4.0, 9.0], [7.0, 7.0, 7.0]):
        x.copy_(torch.tensor(values))
        graph.replay()
        assert torch.allclose(y.cpu(), torch.lgamma(torch.tensor(values) * 2) + 1)


def test_in_place_and_out_forms(x, broken):
    out = torch.empty(3).to("hpu")

    def function():
        y = x + 1
        y.lgamma_()
        matrix = torch.zeros(2, 3).to("hpu") + x
        matrix[1].lgamma_()
        torch.lgamma(x, out=out)
        return y * 1, matrix * 1

    graph, (y, matrix) = capture(function)
    for values in ([3.0, 1.0, 2.0], [0.5, 4.0, 9.0]):
        t = torch.tensor(values)
        x.copy_(t)
        graph.replay()
        assert torch.allclose(y.cpu(), (t + 1).lgamma())
        assert torch.allclose(matrix.cpu(), torch.stack([t, t.lgamma()]))
        assert torch.allclose(out.cpu(), t.lgamma())


def test_several_results_and_lists(x, broken):
    def function():
        m = torch.stack([x, x * 2, x + 7])
        q, r = torch.linalg.qr(m)
        return q @ r

    graph, product = capture(function)
    for values in ([3.0, 1.0, 2.0], [0.5, 4.0, 9.0]):
        t = torch.tensor(values)
        x.copy_(t)
        graph.replay()
        assert torch.allclose(product.cpu(), torch.stack([t, t * 2, t + 7]), atol=1e-5)


def test_a_result_of_another_size_fails_with_the_line(x, broken):
    graph, _ = capture(lambda: torch.nonzero(x > 1))
    graph.replay()
    x.copy_(torch.zeros(3))
    with pytest.raises(RuntimeError, match=r"aten::nonzero at test_cpu_ops.py:\d+.*when the HPU Graph was captured"):
        graph.replay()


def test_a_wrapped_model_with_cpu_ops_gives_right_answers(broken):
    wrapped = ht.hpu.wrap_in_hpu_graph_func(lambda t: torch.lgamma(torch.relu(t) + 1) * 2)
    for seed in range(4):
        t = torch.randn(5, generator=torch.Generator().manual_seed(seed))
        assert torch.allclose(wrapped(t.to("hpu")).cpu(), torch.lgamma(torch.relu(t) + 1) * 2, atol=1e-6)


def test_errors_of_the_op_are_the_callers(x, broken):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    with pytest.raises(RuntimeError, match="bins must be > 0"):
        torch.histc(x, bins=-1)
    assert not ht.hpu.is_current_stream_capturing()


def test_place_on_cpu_still_rules(x, broken, monkeypatch):
    monkeypatch.setenv("PT_HPU_PLACE_ON_CPU", "none")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    with pytest.raises(RuntimeError, match=r"aten::lgamma\S* is not yet supported on HPU"):
        torch.lgamma(x)
    graph.reset()
