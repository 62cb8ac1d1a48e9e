"""Streams are real concurrency on the device: simulated time tells."""

import subprocess
import sys

import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.utils import simulator


def captured(stream, function):
    graph = ht.hpu.HPUGraph()
    with ht.hpu.stream(stream):
        graph.capture_begin()
        graph.kept = function()  # what nobody holds is dead work
        graph.capture_end()
    ht.hpu.synchronize()
    return graph


def simulated(work):
    ht.hpu.synchronize()
    before = simulator.statistics().now_ps
    work()
    ht.hpu.synchronize()
    return simulator.statistics().now_ps - before


def setup():
    torch.manual_seed(0)
    first, second = ht.hpu.Stream(), ht.hpu.Stream()
    x, y = torch.rand(1024, 1024).to("hpu"), torch.rand(2048, 2048).to("hpu")

    def products():  # the MME's
        p = x
        for _ in range(4):
            p = p @ x
        return p

    def functions():  # the TPCs'
        t = y
        for _ in range(6):
            t = torch.softmax(t, 1)
        return t

    return first, second, captured(first, products), captured(second, functions)


def test_work_on_two_streams_overlaps_when_nothing_orders_it():
    first, second, products, functions = setup()

    def run(graph, stream):
        with ht.hpu.stream(stream):
            graph.replay()

    for graph, stream in ((products, first), (functions, second)):
        run(graph, stream)  # once to warm up
    alone = [simulated(lambda g=g, s=s: run(g, s)) for g, s in ((products, first), (functions, second))]

    def both():
        run(products, first)
        run(functions, second)

    def ordered():
        run(products, first)
        second.wait_stream(first)
        run(functions, second)

    together, one_after_the_other = simulated(both), simulated(ordered)
    assert together < 0.9 * sum(alone), (together, alone)
    # Alone, each pays for its submission and its wait.
    assert one_after_the_other > 0.9 * sum(alone), (one_after_the_other, alone)


def test_elapsed_time_is_simulated_milliseconds():
    first, second, products, _ = setup()
    begin, end = ht.hpu.Event(enable_timing=True), ht.hpu.Event(enable_timing=True)
    total = 0.0

    def work():
        nonlocal total
        with ht.hpu.stream(first):
            begin.record()
            products.replay()
            end.record()
        end.synchronize()
        total = begin.elapsed_time(end)

    simulated(work)
    whole = simulated(work) / 1e9
    assert 0.5 * whole < total <= whole


def test_what_shares_tensors_across_streams_needs_no_events():
    side = ht.hpu.Stream()
    x, y = torch.rand(64, 64).to("hpu"), torch.rand(64, 64).to("hpu")
    graph = ht.hpu.HPUGraph()
    with ht.hpu.graph(graph, stream=side):
        z = (x @ y).relu() + x
    for _ in range(5):  # the device reports accesses that nothing orders
        a, b = torch.rand(64, 64), torch.rand(64, 64)
        x.copy_(a)
        y.copy_(b.to("hpu"))
        graph.replay()
        with ht.hpu.stream(side):
            w = z * 2
        assert torch.allclose(w.cpu(), 2 * ((a @ b).relu() + a), atol=1e-4)


# Threads that are mostly away from the interpreter, and want it back while it is being finalised.
ABANDONED = """
import threading
from habana_frameworks.torch import _native

def ask():
    while True:
        _native.probe()

_native.probe()
for _ in range(4):
    threading.Thread(target=ask, daemon=True).start()
"""


def test_threads_in_the_device_at_exit_do_not_end_the_process_badly():
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", ABANDONED], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


# A thread that is in one long operator, whose every step asks the interpreter for the user's line.
ABANDONED_IN_AN_OPERATOR = """
import threading
import torch
import habana_frameworks.torch

weights = list(torch.nn.LSTM(4, 4).to("hpu").parameters())
x, zeros = torch.rand(2000, 1, 4).to("hpu"), torch.zeros(1, 1, 4).to("hpu")
begun = threading.Event()

def work():
    with torch.no_grad():
        begun.set()
        torch._VF.lstm(x, (zeros, zeros), weights, True, 1, 0.0, False, False, False)

threading.Thread(target=work, daemon=True).start()
begun.wait()
"""


# A thread that replays an operator of the CPU, with the device locked, while graphs are torn down.
ABANDONED_IN_A_HOST_STEP = """
import os
os.environ["OPENHPU_GRAPH_CPU_OPS"] = "break"
import threading
import torch
import habana_frameworks.torch as ht

x = torch.rand(40, 30).to("hpu")

def captured():
    graph = ht.hpu.HPUGraph()
    with ht.hpu.stream(ht.hpu.Stream()):
        graph.capture_begin()
        graph.kept = torch.linalg.inv(x[:30].t() + 30 * torch.eye(30).to("hpu"))
        graph.capture_end()
    return graph

replayed, held = captured(), captured()
begun = threading.Event()

def work():
    while True:
        replayed.replay()
        begun.set()

threading.Thread(target=work, daemon=True).start()
begun.wait()
"""


def test_a_thread_in_a_host_step_at_exit_does_not_keep_the_process():
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", ABANDONED_IN_A_HOST_STEP], capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_a_thread_in_an_operator_at_exit_does_not_end_the_process_badly():
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", ABANDONED_IN_AN_OPERATOR], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
