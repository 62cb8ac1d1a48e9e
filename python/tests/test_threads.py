"""Threads that capture, replay and destroy graphs at random. OPENHPU_THREADS_TEST_SECONDS runs it for that long instead of some rounds."""

import gc
import os
import random
import threading
import time

import torch

import habana_frameworks.torch as ht

THREADS = 8
ROUNDS = 60
SECONDS = float(os.environ.get("OPENHPU_THREADS_TEST_SECONDS", "0"))


class Worker:
    """A thread with graphs of its own, on a stream of its own, and a wrapped module that all share."""

    def __init__(self, seed, shared):
        self.random = random.Random(seed)
        self.shared, self.shared_weight, self.shared_bias = shared
        self.stream = ht.hpu.Stream() if seed % 2 else ht.hpu.default_stream()
        self.graphs = []  # graph, input, output, factor
        self.module = ht.hpu.wrap_in_hpu_graph_func(lambda x, factor: x * factor + 1, disable_tensor_cache=seed % 3 == 0)
        self.rounds = 0
        self.error = None

    def capture(self):
        size, factor = self.random.choice((3, 64, 200)), self.random.randint(2, 9)
        x = torch.ones(size).to("hpu")
        graph = ht.hpu.HPUGraph()
        graph.capture_begin(dry_run=self.random.random() < 0.3)
        y = (x + 1) * factor
        if self.random.random() < 0.3:
            ht.core.mark_step()
            y = y * 1
        graph.capture_end()
        self.graphs.append((graph, x, y, factor))

    def replay(self):
        if self.graphs:
            graph, x, y, factor = self.random.choice(self.graphs)
            value = float(self.random.randint(-50, 50))
            x.copy_(torch.full(x.shape, value))
            graph.replay(asynchronous=self.random.random() < 0.5)
            assert torch.equal(y.cpu(), torch.full(y.shape, (value + 1) * factor))

    def destroy(self):
        if self.graphs:
            graph = self.graphs.pop(self.random.randrange(len(self.graphs)))[0]
            if self.random.random() < 0.5:
                graph.reset()

    def abandon(self):
        x = torch.ones(4).to("hpu")
        try:
            with ht.hpu.graph(ht.hpu.HPUGraph(), stream=self.stream):
                x.add_(1)
                raise KeyError
        except KeyError:
            pass
        assert torch.equal(x.cpu(), torch.full((4,), 2.0))

    def call(self):
        value, factor = float(self.random.randint(-50, 50)), self.random.randint(1, 3)
        x = torch.full((self.random.choice((2, 5)),), value).to("hpu")
        assert torch.equal(self.module(x, factor).cpu(), torch.full(x.shape, value * factor + 1))

    def call_shared(self):
        x = torch.full((self.random.choice((1, 2)), 4), float(self.random.randint(-50, 50)))
        with torch.no_grad():
            y = self.shared(x.to("hpu"))
        assert torch.allclose(y.cpu(), torch.nn.functional.linear(x, self.shared_weight, self.shared_bias), atol=1e-4)

    def run(self, until):
        try:
            with ht.hpu.stream(self.stream):
                while not until(self.rounds):
                    for _ in range(self.random.randint(1, 4)):
                        self.random.choice((self.capture, self.replay, self.replay, self.destroy, self.abandon, self.call, self.call_shared))()
                    if self.random.random() < 0.05:
                        gc.collect()
                    self.rounds += 1
        except BaseException as error:  # noqa: B902  told by the test
            self.error = error


def test_eight_threads_capture_replay_and_destroy_at_random():
    torch.manual_seed(1)
    layer = torch.nn.Linear(4, 3)
    weights = layer.weight.detach().clone(), layer.bias.detach().clone()
    shared = ht.hpu.wrap_in_hpu_graph(layer.to("hpu"), disable_tensor_cache=True), *weights
    workers = [Worker(seed, shared) for seed in range(THREADS)]
    end = time.monotonic() + SECONDS
    until = (lambda rounds: time.monotonic() >= end) if SECONDS else (lambda rounds: rounds >= ROUNDS)
    threads = [threading.Thread(target=worker.run, args=(until,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in workers:
        if worker.error is not None:
            raise worker.error
    assert all(worker.rounds > 0 for worker in workers)
    assert not ht.hpu.is_current_stream_capturing()
