"""A capture belongs to its stream and its thread."""

import gc
import threading

import pytest
import torch

import habana_frameworks.torch as ht


@pytest.fixture
def x():
    return torch.ones(4).to("hpu")


def in_thread(function):
    """Runs `function` in another thread; gives its result, or raises its exception here."""
    outcome = []

    def run():
        try:
            outcome.append((function(), None))
        except BaseException as error:  # noqa: B902  handed on
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def test_another_threads_ops_are_not_recorded(x):
    counter = torch.zeros(1).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x * 2
    assert not in_thread(ht.hpu.is_current_stream_capturing)
    in_thread(lambda: counter.add_(1).item())  # reads, too
    z = y + 1
    graph.capture_end()
    assert graph.segments == 1
    x.fill_(5)
    for _ in range(3):
        graph.replay()
    assert counter.item() == 1 and z.cpu().tolist() == [11.0] * 4


def test_another_thread_may_use_what_the_capture_made(x):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x * 2
    seen = in_thread(lambda: (y + 1).cpu().tolist())
    z = y * 10
    graph.capture_end()
    assert seen == [3.0] * 4
    x.fill_(2)
    graph.replay()
    assert z.cpu().tolist() == [40.0] * 4


def test_another_streams_ops_are_not_recorded(x):
    side = ht.hpu.Stream()
    counter = torch.zeros(1).to("hpu")
    graph = ht.hpu.HPUGraph()
    with ht.hpu.stream(ht.hpu.Stream()):
        graph.capture_begin()
        y = x * 2
        with ht.hpu.stream(side):
            counter.add_(1)
        z = y + 1
        graph.capture_end()
    ht.hpu.synchronize()
    x.fill_(5)
    for _ in range(3):
        graph.replay()
    ht.hpu.synchronize()
    assert counter.item() == 1 and z.cpu().tolist() == [11.0] * 4


@pytest.mark.parametrize("own_streams", [False, True])
def test_two_graphs_are_captured_at_once_on_two_threads(own_streams):
    barrier = threading.Barrier(2)
    results = {}

    def work(factor):
        stream = ht.hpu.Stream() if own_streams else ht.hpu.default_stream()
        with ht.hpu.stream(stream):
            x = torch.ones(16).to("hpu")
            graph = ht.hpu.HPUGraph()
            barrier.wait()
            graph.capture_begin()
            barrier.wait()
            y = x * factor
            barrier.wait()
            z = y + 1
            barrier.wait()
            graph.capture_end()
            barrier.wait()
            for value in (2.0, 3.0):
                x.fill_(value)
                graph.replay()
                results[factor, value] = z.cpu().tolist()

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (10, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {(f, v): [f * v + 1] * 16 for f in (10, 100) for v in (2.0, 3.0)}


def test_a_capture_ends_in_its_own_thread_and_stream(x):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x + 1
    with pytest.raises(RuntimeError, match="GRAPH:: Capture must end on the same stream it began on."):
        in_thread(graph.capture_end)
    with ht.hpu.stream(ht.hpu.Stream()):
        with pytest.raises(RuntimeError, match="GRAPH:: Capture must end on the same stream it began on."):
            graph.capture_end()
    graph.capture_end()
    graph.replay()
    assert y.cpu().tolist() == [2.0] * 4


@pytest.mark.parametrize("where", ["here", "another thread"])
@pytest.mark.parametrize("how", ["reset", "del", "collected"])
def test_destroying_any_graph_while_another_captures_changes_nothing(x, where, how):
    old = ht.hpu.HPUGraph()
    old.capture_begin()
    unused = x * 7
    old.capture_end()
    holder = [old]
    del old
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x * 5

    def destroy():
        if how == "reset":
            holder[0].reset()
        elif how == "collected":
            holder[0].cycle = holder[0]
        holder.clear()
        gc.collect()

    destroy() if where == "here" else in_thread(destroy)
    assert ht.hpu.is_current_stream_capturing()
    z = y + unused
    graph.capture_end()
    x.add_(1)
    graph.replay()
    assert z.cpu().tolist() == [17.0] * 4


def test_destroying_the_capturing_graph_ends_its_capture_alone(x):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x * 5
    del graph
    gc.collect()
    assert not ht.hpu.is_current_stream_capturing()
    assert y.cpu().tolist() == [5.0] * 4


def test_an_exception_in_a_with_block_ends_the_capture_and_restores_everything(x):
    stream = ht.hpu.current_stream()
    graph = ht.hpu.HPUGraph()
    with pytest.raises(ZeroDivisionError):
        with ht.hpu.graph(graph):
            y = x + 1
            raise ZeroDivisionError
    assert ht.hpu.current_stream() == stream and not ht.hpu.is_current_stream_capturing()
    ht.hpu.synchronize()
    assert y.cpu().tolist() == [2.0] * 4
    with ht.hpu.graph(graph):
        z = x + 2
    graph.replay()
    ht.hpu.synchronize()
    assert z.cpu().tolist() == [3.0] * 4


def test_backward_in_a_capture_is_recorded_with_it():
    w = torch.full((3,), 2.0).to("hpu").requires_grad_()
    x = torch.arange(3.0).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    (gradient,) = torch.autograd.grad((w * x * x).sum(), w)
    graph.capture_end()
    assert gradient.cpu().tolist() == [0, 1, 4]
    x.copy_(torch.tensor([1.0, 5.0, 2.0]))
    graph.replay()
    assert gradient.cpu().tolist() == [1, 25, 4]


def test_a_replay_inside_another_capture_is_refused_by_name(x):
    inner, outer = ht.hpu.HPUGraph(), ht.hpu.HPUGraph()
    inner.capture_begin()
    y = x + 1
    inner.capture_end()
    outer.capture_begin()
    with pytest.raises(RuntimeError, match="GRAPH:: Capture in progress.*another HPUGraph cannot be recorded"):
        inner.replay()
    outer.reset()
    inner.replay()
    assert y.cpu().tolist() == [2.0] * 4


def test_a_replay_follows_the_current_stream_wherever_it_was_captured(x):
    side = ht.hpu.Stream()
    graph = ht.hpu.HPUGraph()
    with ht.hpu.stream(side):
        graph.capture_begin()
        y = (x.expand(256, 4) * 2).sum(0)
        graph.capture_end()
    side.synchronize()
    for value in (3.0, 4.0, 5.0):
        x.fill_(value)  # on the default stream, as is the read
        graph.replay()
        assert (y + 0).cpu().tolist() == [512 * value] * 4


# --- several streams in one capture


def fork_and_join(x, side):
    main = ht.hpu.current_stream()
    a = x * 2
    side.wait_stream(main)
    with ht.hpu.stream(side):
        b = a + 1
        c = b * b
    d = a * 3
    main.wait_stream(side)
    return c + d


@pytest.mark.parametrize("on_default", [True, False])
def test_streams_fork_and_join_through_events(x, on_default):
    side = ht.hpu.Stream()
    main = ht.hpu.default_stream() if on_default else ht.hpu.Stream()
    graph = ht.hpu.HPUGraph()
    with ht.hpu.stream(main):
        graph.capture_begin()
        result = fork_and_join(x, side)
        graph.capture_end()
    assert graph.segments >= 3
    for value in (1.0, 3.0, -2.0):
        x.fill_(value)
        graph.replay()
        ht.hpu.synchronize()
        assert result.cpu().tolist() == [(2 * value + 1) ** 2 + 6 * value] * 4
    with ht.hpu.stream(side):  # no longer a part of it
        assert not ht.hpu.is_current_stream_capturing()


def test_a_stream_that_never_joins_is_waited_for_all_the_same(x):
    side = ht.hpu.Stream()
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    a = x * 2
    event = ht.hpu.Event()
    event.record()
    with ht.hpu.stream(side):
        event.wait()
        b = a + 1
    graph.capture_end()
    x.fill_(4)
    graph.replay()
    assert (b + 0).cpu().tolist() == [9.0] * 4


def test_an_event_of_an_earlier_time_does_not_join_a_stream(x):
    side, event = ht.hpu.Stream(), ht.hpu.Event()
    event.record()
    counter = torch.zeros(1).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x + 1
    with ht.hpu.stream(side):
        event.wait()
        counter.add_(1)
    graph.capture_end()
    ht.hpu.synchronize()
    graph.replay()
    ht.hpu.synchronize()
    assert counter.item() == 1 and y.cpu().tolist() == [2.0] * 4
