"""Streams and events."""

import threading

import pytest
import torch

import habana_frameworks.torch as ht


def test_the_default_stream_is_current():
    assert ht.hpu.current_stream() == ht.hpu.default_stream()
    assert ht.hpu.default_stream().stream_id == 0
    assert "torch.hpu.Stream device=hpu:0" in repr(ht.hpu.default_stream())


def test_a_context_changes_the_current_stream_and_back():
    stream = ht.hpu.Stream()
    assert stream != ht.hpu.default_stream() and stream.stream_id != 0
    with ht.hpu.stream(stream):
        assert ht.hpu.current_stream() == stream
        with ht.hpu.stream(None):
            assert ht.hpu.current_stream() == stream
    assert ht.hpu.current_stream() == ht.hpu.default_stream()


def test_the_current_stream_is_the_threads_own():
    seen = []
    with ht.hpu.stream(ht.hpu.Stream()):
        thread = threading.Thread(target=lambda: seen.append(ht.hpu.current_stream().stream_id))
        thread.start()
        thread.join()
    assert seen == [0]


def test_work_on_a_stream_starts_after_what_the_default_stream_was_given():
    stream = ht.hpu.Stream()
    x = torch.ones(300, 300).to("hpu")
    for _ in range(5):
        y = x @ x / 300
        with ht.hpu.stream(stream):
            z = y + 1
        stream.synchronize()
        assert torch.allclose(z.cpu(), torch.full((300, 300), 2.0))


def test_streams_wait_for_events():
    first, second = ht.hpu.Stream(), ht.hpu.Stream()
    x = torch.ones(256, 256).to("hpu")
    ht.hpu.synchronize()
    for _ in range(5):
        with ht.hpu.stream(first):
            y = x @ x
        second.wait_stream(first)
        with ht.hpu.stream(second):
            z = y * 2
        second.synchronize()
        assert second.query()
        assert torch.equal(z.cpu(), torch.full((256, 256), 512.0))


def test_events():
    event = ht.hpu.Event()
    assert event.query()  # never recorded
    event.synchronize()
    x = torch.ones(64).to("hpu") + 1
    event.record()
    event.synchronize()
    assert event.query() and x.cpu().tolist() == [2.0] * 64


def test_elapsed_time_is_the_devices():
    begin, end = ht.hpu.Event(enable_timing=True), ht.hpu.Event(enable_timing=True)
    with pytest.raises(RuntimeError, match="Both events must be recorded"):
        begin.elapsed_time(end)
    small, large = torch.ones(64, 64).to("hpu"), torch.ones(1024, 1024).to("hpu")
    elapsed = []
    for x in (small, large):
        for _ in range(2):  # once to load
            y = x @ x
            ht.core.mark_step()
        ht.hpu.synchronize()
        begin.record()
        for _ in range(4):
            y = x @ x
            ht.core.mark_step()
        end.record()
        end.synchronize()
        elapsed.append(begin.elapsed_time(end))
        assert y.cpu()[0, 0] == x.shape[0]
    assert 0 < elapsed[0] < elapsed[1] < 1000


def test_mark_step_launches_and_may_wait():
    x = torch.ones(8).to("hpu") + 1
    ht.core.mark_step()
    ht.core.mark_step(sync=True)
    assert ht.hpu.current_stream().query() and x.cpu().tolist() == [2.0] * 8
