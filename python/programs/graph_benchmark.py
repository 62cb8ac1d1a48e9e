"""What a replay costs the host: a wrapped call, its parts, and HPUGraph.replay(), on the device that completes at once.

    bazel run -c opt //python:graph_benchmark -- [--models linear,resnet50] [--repeats 40]

Microseconds, the best of the repeats, one thread. A call with the graph's own tensors copies nothing; with others it copies them, as the column "copies" does alone.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Callable, List, Tuple

os.environ.setdefault("OPENHPU_DEVICE", "null:gaudi2")

import torch  # noqa: E402

import habana_frameworks.torch as ht  # noqa: E402
from habana_frameworks.torch import _native  # noqa: E402

CALLS = 100


class Three(torch.nn.Module):
    """One layer, three inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(64, 64)

    def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return self.layer(a) + b + c


class Vision(torch.nn.Module):
    """resnet50 with two more inputs."""

    def __init__(self) -> None:
        super().__init__()
        import torchvision

        self.body = torchvision.models.resnet50(weights=None)

    def forward(self, x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        return self.body(x) * scale + shift


def model(name: str) -> Tuple[torch.nn.Module, List[torch.Tensor]]:
    if name == "linear":
        return Three(), [torch.randn(4, 64) for _ in range(3)]
    if name == "resnet50":
        return Vision(), [torch.randn(1, 3, 64, 64), torch.ones(1000), torch.zeros(1000)]
    raise SystemExit(f"graph_benchmark: unknown model {name}: linear, resnet50")


def microseconds(work: Callable[[], object], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(CALLS):
            work()
        best = min(best, time.perf_counter() - start)
    return 1e6 * best / CALLS


def main() -> None:
    parser = argparse.ArgumentParser(prog="graph_benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="linear,resnet50")
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    print(f"host microseconds, best of {arguments.repeats} x {CALLS}, {os.environ['OPENHPU_DEVICE']}")
    print(f"{'model':<10} {'replay()':>9} {'call':>7} {'call + copies':>14} {'copies':>7} {'beyond copies':>14} {'key':>6}")
    for name in arguments.models.split(","):
        net, inputs = model(name)
        net = ht.hpu.wrap_in_hpu_graph(net.eval().to("hpu"))
        given = [t.to("hpu") for t in inputs]
        with torch.no_grad():
            net(*given)
            (params,) = net.forward.cache.values()
            own = list(params.graph_inputs[0])

            def copies() -> None:
                _native.copy_inputs(own, given)
                _native.mark_step(False)

            replay, call, copying, alone = (
                microseconds(work, arguments.repeats) for work in (params.graph.replay, lambda: net(*own), lambda: net(*given), copies)
            )
            key = microseconds(lambda: ht.hpu.graphs.input_hash(tuple(given)), arguments.repeats)
        print(f"{name:<10} {replay:>9.2f} {call:>7.2f} {copying:>14.2f} {alone:>7.2f} {copying - alone:>14.2f} {key:>6.2f}")


if __name__ == "__main__":
    main()
