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


def test_synchronizing_the_current_stream_launches_what_is_pending_there():
    from habana_frameworks.torch import _native

    x = torch.ones(8).to("hpu")
    ht.hpu.synchronize()
    before = _native.compile_counters()["launches"]
    y = x + 1
    assert _native.compile_counters()["launches"] == before
    ht.hpu.current_stream().synchronize()
    assert _native.compile_counters()["launches"] == before + 1 and y.cpu().tolist() == [2.0] * 8


def test_a_streams_attributes():
    stream = ht.hpu.Stream(device="hpu", priority=-1)
    assert stream.device == torch.device("hpu", 0) and stream.device_index == 0 and stream.device_type == 15
    assert stream.hpu_stream == stream.stream_id == stream.id() and stream.priority == 0
    assert ht.hpu.Stream.priority_range() == (0, -1)
    assert repr(stream) == f"<torch.hpu.Stream device=hpu:0 hpu_stream={stream.hpu_stream:#x}>"
    assert ht.hpu.get_stream_info(stream) == (torch.device("hpu", 0), stream.stream_id)


def test_streams_are_equal_when_they_are_the_same():
    stream = ht.hpu.Stream()
    same = ht.hpu.Stream(stream_id=stream.stream_id, device_index=stream.device_index, device_type=stream.device_type)
    assert same == stream and hash(same) == hash(stream) and stream != ht.hpu.Stream()
    assert stream != "stream" and stream != stream.stream_id
    assert ht.hpu.Stream(stream_ptr=stream.hpu_stream) == stream
    assert ht.hpu.Stream(is_default_stream=True) == ht.hpu.default_stream("hpu:0") == ht.hpu.default_stream(0)


def test_a_wrapped_stream_has_no_priority_of_its_own():
    with pytest.raises(RuntimeError, match="Priority was explicitly set for a external stream"):
        ht.hpu.Stream(stream_ptr=0, priority=-1)
    with pytest.raises(AssertionError, match="Invalid device id"):
        ht.hpu.Stream("hpu:1")


def test_an_events_attributes():
    event = ht.hpu.Event()
    assert repr(event) == "<htorch.hpu.Event uninitialized>" and event.hpu_event == 0 and event.device is None
    assert event.query()
    event.synchronize()
    event.wait()
    event.wait(ht.hpu.Stream())
    event.record()
    assert repr(event).startswith("<htorch.hpu.Event 0x") and event.device == torch.device("hpu", 0)
    event.record(ht.hpu.Stream())
    event.synchronize()


def test_an_event_stays_on_its_device():
    event = ht.hpu.Event()
    event.record()
    elsewhere = ht.hpu.Stream(stream_id=0, device_index=1)
    with pytest.raises(RuntimeError, match="Event device hpu:0 does not match recording stream's device hpu:1."):
        event.record(elsewhere)


def test_events_are_made_by_streams():
    stream = ht.hpu.Stream()
    event = stream.record_event()
    assert isinstance(event, ht.hpu.Event) and stream.record_event(event) is event
    ht.hpu.current_stream().wait_event(event)
    ht.hpu.synchronize()
    assert stream.query() and event.query()


def test_step_closures_run_once_after_the_next_step():
    seen = []
    ht.core.add_step_closure(lambda *values: seen.append(values), args=(1, 2))
    assert seen == []
    ht.core.mark_step()
    ht.core.iter_mark_step()
    assert seen == [(1, 2)]
