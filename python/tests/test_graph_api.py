"""HPUGraph: capture, replay, and what it reports."""

import pytest
import torch

import habana_frameworks.torch as ht


def captured(function):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = function()
    graph.capture_end()
    return graph, result


def test_a_capture_runs_once_and_each_replay_again():
    x = torch.ones(4).to("hpu")
    graph, _ = captured(lambda: x.add_(1))
    assert x.cpu().tolist() == [2.0] * 4
    graph.replay()
    assert x.cpu().tolist() == [3.0] * 4


def test_inputs_are_refreshed_and_outputs_stay_where_they_are():
    x = torch.ones(4).to("hpu")
    graph, y = captured(lambda: x * 2)
    address = y.data_ptr()
    for value in (5.0, 7.0):
        x.copy_(torch.full((4,), value))
        graph.replay()
        assert y.cpu().tolist() == [2 * value] * 4 and y.data_ptr() == address


def test_mark_step_splits_a_capture():
    x = torch.ones(4).to("hpu")

    def function():
        y = x + 1
        ht.core.mark_step()
        return y * 3

    graph, z = captured(function)
    assert graph.segments == 2
    x.copy_(torch.full((4,), 9.0))
    graph.replay()
    assert z.cpu().tolist() == [30.0] * 4


def test_the_context_captures_on_a_stream_of_its_own():
    x = torch.ones(4).to("hpu")
    graph = ht.hpu.HPUGraph()
    assert not ht.hpu.is_current_stream_capturing()
    with ht.hpu.graph(graph):
        assert ht.hpu.is_current_stream_capturing()
        assert ht.hpu.current_stream() != ht.hpu.default_stream()
        y = x + 1
    assert not ht.hpu.is_current_stream_capturing()
    ht.hpu.synchronize()
    x.add_(1)
    ht.hpu.synchronize()
    graph.replay()
    ht.hpu.synchronize()
    assert y.cpu().tolist() == [3.0] * 4


def test_an_exception_abandons_a_capture():
    x = torch.ones(4).to("hpu")
    graph = ht.hpu.HPUGraph()
    with pytest.raises(ZeroDivisionError):
        with ht.hpu.graph(graph):
            x.add_(1)
            raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="The capture was discarded"):
        graph.replay()
    with ht.hpu.graph(ht.hpu.HPUGraph()):
        y = x + 1
    ht.hpu.synchronize()
    assert y.cpu().tolist() == [3.0] * 4


def test_the_vendors_messages():
    x = torch.ones(4).to("hpu")
    graph, other, stream = ht.hpu.HPUGraph(), ht.hpu.HPUGraph(), ht.hpu.Stream()
    graph.capture_end()  # nothing
    graph.capture_begin()
    with pytest.raises(RuntimeError, match="GRAPH:: graph Capture already in progress"):
        graph.capture_begin()
    with pytest.raises(RuntimeError, match="Expected m_captured_hpu_graph == nullptr .* to be true, but got false"):
        other.capture_begin()
    assert ht.hpu.is_current_stream_capturing()
    with pytest.raises(RuntimeError, match="GRAPH:: Capture in progress"):
        graph.replay()
    with ht.hpu.stream(stream):
        with pytest.raises(RuntimeError, match="GRAPH:: Capture must end on the same stream it began on."):
            graph.capture_end()
    y = x + 1
    graph.capture_end()
    graph.replay()
    assert y.cpu().tolist() == [2.0] * 4


def test_dropping_a_graph_leaves_another_ones_capture_alone():
    x = torch.ones(4).to("hpu")
    old, _ = captured(lambda: x + 1)
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x * 5
    old.reset()
    del old
    graph.capture_end()
    x.add_(1)
    graph.replay()
    assert y.cpu().tolist() == [10.0] * 4


def test_values_from_the_host_are_constants_of_the_capture():
    x = torch.zeros(2).to("hpu")

    def function():
        table = torch.tensor([1.0, 2.0]).to("hpu")
        table.add_(x)
        return table

    graph, y = captured(function)
    for _ in range(3):
        graph.replay()
        assert y.cpu().tolist() == [1.0, 2.0]


def test_recipes_are_saved(tmp_path):
    x = torch.ones(4).to("hpu")
    graph, _ = captured(lambda: x + 1)
    path = tmp_path / "recipe"
    graph.save(str(path))
    assert path.read_bytes().startswith(b"OHPURCP\n")
    with pytest.raises(RuntimeError, match="the graph is empty"):
        ht.hpu.HPUGraph().save(str(path))


def test_two_graphs_on_two_streams():
    graphs = []
    for factor in (2, 3):
        stream = ht.hpu.Stream()
        with ht.hpu.stream(stream):
            x = torch.ones(128, 128).to("hpu")
            graph, y = captured(lambda: (x @ x) * factor)
        graphs.append((graph, y, factor))
    for order in ((0, 1), (1, 0), (1, 1, 0)):
        for i in order:
            graphs[i][0].replay()
        ht.hpu.synchronize()
        for _, y, factor in graphs:
            assert torch.equal(y.cpu(), torch.full((128, 128), 128.0 * factor))


def test_everything_is_reachable_by_both_names():
    for name in ht.hpu.graphs.__all__:
        assert getattr(ht.hpu, name) is getattr(ht.hpu.graphs, name) is getattr(torch.hpu, name)
    import habana_frameworks.torch.hpu.graphs as graphs

    assert graphs is ht.hpu.graphs


def test_a_dry_run_executes_nothing_before_its_first_replay():
    x = torch.ones(4).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin(dry_run=True)
    x.add_(1)
    y = x * 2
    graph.capture_end()
    assert x.cpu().tolist() == [1.0] * 4
    for value in (2.0, 3.0):
        graph.replay()
        assert x.cpu().tolist() == [value] * 4 and y.cpu().tolist() == [2 * value] * 4


def test_the_context_may_be_dry():
    x = torch.ones(4).to("hpu")
    graph = ht.hpu.HPUGraph()
    with ht.hpu.graph(graph, dry_run=True):
        x.add_(1)
    ht.hpu.synchronize()
    assert x.cpu().tolist() == [1.0] * 4
    graph.replay()
    ht.hpu.synchronize()
    assert x.cpu().tolist() == [2.0] * 4


def test_replay_v2_puts_tensors_in_the_place_of_the_captured_ones():
    a, b = torch.ones(2, 3).to("hpu"), torch.ones(2, 3).to("hpu")
    graph, y = captured(lambda: a * 2 + b)
    given = [torch.full((2, 3), 5.0).to("hpu"), torch.arange(6.0).reshape(3, 2).to("hpu").t()]
    graph.replayV2([a, b], given)
    assert torch.equal(y.cpu(), 10 + given[1].cpu())
    with pytest.raises(RuntimeError, match="replayV2 got 2 captured tensors and 1"):
        graph.replayV2([a, b], given[:1])


def marked(function, inputs):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    result = function(*inputs)
    graph.mark_user_inputs(inputs)
    graph.capture_end()
    return graph, result


def test_replay_v3_reads_the_given_tensors():
    inputs = [torch.ones(2, 3).to("hpu"), torch.ones(2, 3).to("hpu")]
    graph, y = marked(lambda a, b: a * 2 + b, inputs)
    assert graph.get_user_input_match_indices() == {0, 1}
    for value in (3.0, 4.0):
        given = [torch.full((2, 3), value).to("hpu"), torch.arange(6.0).reshape(3, 2).to("hpu").t()]
        graph.replayV3(given)
        assert torch.equal(y.cpu(), 2 * value + given[1].cpu())
        assert torch.equal(given[0].cpu(), torch.full((2, 3), value))
    assert torch.equal(inputs[0].cpu(), torch.ones(2, 3))


def test_inputs_that_the_graph_does_not_read_are_not_matched():
    inputs = [torch.ones(2).to("hpu"), torch.ones(2).to("hpu")]
    graph, _ = marked(lambda a, b: b + 1, inputs)
    assert graph.get_user_input_match_indices() == {1}


def test_replay_v3_refuses_other_sizes_and_dtypes():
    x = torch.ones(2, 3).to("hpu")
    graph, _ = marked(lambda a: a + 1, [x])
    for given in ([], [torch.ones(3, 2).to("hpu")], [x, x]):
        with pytest.raises(RuntimeError, match="HPU GRAPH:: Mark User Input Sizes is not same Replay Input Sizes"):
            graph.replayV3(given)
    with pytest.raises(RuntimeError, match="captured as torch.float32 .* given as torch.bfloat16"):
        graph.replayV3([x.to(torch.bfloat16)])


def test_marks_have_their_time():
    x = torch.ones(2).to("hpu")
    graph = ht.hpu.HPUGraph()
    with pytest.raises(RuntimeError, match="GRAPH:: mark_user_inputs must be while capturing in progress"):
        graph.mark_user_inputs([x])
    graph.capture_begin()
    y = x + 1
    for call in (lambda: graph.mark_user_outputs([y]), lambda: graph.replayV3([]), lambda: graph.replayV2([], []), graph.clear_inputs):
        with pytest.raises(RuntimeError, match="GRAPH:: Capture in progress"):
            call()
    graph.capture_end()
    graph.mark_user_outputs([y])
    with pytest.raises(RuntimeError, match="Error:mark_user_outputs is called more than once for the same graph?"):
        graph.mark_user_outputs([y])
    graph.replay()
    assert y.cpu().tolist() == [2.0, 2.0]


def test_a_second_capture_on_the_same_graph_starts_anew():
    x = torch.ones(2).to("hpu")
    graph = ht.hpu.HPUGraph()
    for factor in (2, 3):
        graph.capture_begin()
        y = x * factor
        graph.capture_end()
        assert graph.segments == 1 and y.cpu().tolist() == [float(factor)] * 2
    x.fill_(10)
    graph.replay()
    assert y.cpu().tolist() == [30.0, 30.0]


def test_an_empty_capture_replays_nothing():
    graph, _ = captured(lambda: None)
    assert graph.segments == 0
    graph.replay()


def test_reset_and_destroy_drop_what_was_recorded():
    x = torch.ones(4).to("hpu")
    for drop in (ht.hpu.HPUGraph.reset, ht.hpu.HPUGraph.destroy):
        graph, _ = captured(lambda: x.add_(1))
        before = x.cpu()
        drop(graph)
        assert graph.segments == 0
        graph.replay()
        assert torch.equal(x.cpu(), before)


def test_a_graph_reports_what_it_consists_of():
    x, w = torch.ones(64, 64).to("hpu"), torch.ones(64, 64).to("hpu")

    def function():
        y = x @ w
        ht.core.mark_step()
        return y + 1

    graph, _ = captured(function)
    summary = graph.summary()
    assert len(summary) == graph.segments == 2
    assert summary[0]["mme"] > 0 and summary[1]["tpc"] > 0 and all(s["nodes"] > 0 and s["bytes"] > 0 for s in summary)
    text = str(summary).splitlines()
    assert len(text) == 3 and "device ms" in text[0]
    memory = graph.memory()
    assert set(memory) == {"weights", "inputs", "outputs", "prepared", "commands", "workspace"}
    assert memory["inputs"] >= 2 * 4 * 64 * 64 and memory["commands"] > 0
