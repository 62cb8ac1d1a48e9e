"""Replays on the simulated card beside PyTorch on the CPU, wall time on this machine.

    bazel run -c opt //python:benchmark -- [--models resnet50,transformer] [--dtypes float32,bfloat16] [--chip gaudi2] [--repeats 10]

Each line is a model and a dtype: the CPU's eager forward (plain path), a call of the wrapped model and the wait for it in functional and in timed mode (all host time
of the simulator included, trace and hazards off), medians after two warm-ups, two threads everywhere. A process has one device, so each side has a process of its own;
they take turns, so that a change of the machine's load meets them all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from typing import List

THREADS = 2
WARM_UPS = 2


def side(model_name: str, dtype_name: str, device: str) -> None:
    """A child: one forward for each line on stdin, its seconds on stdout."""
    import reference_models
    import torch

    torch.set_num_threads(THREADS)
    if model_name == "resnet50":
        model, inputs = reference_models.vision("resnet50", batch=8, size=224, inputs=1)
    else:
        model, inputs = reference_models.encoder(batch=8, tokens=128, inputs=1)
    dtype = getattr(torch, dtype_name)
    model, x = model.to(dtype), inputs[0].to(dtype)
    wait = lambda: None  # noqa: E731
    if device != "cpu":
        import habana_frameworks.torch as ht

        model, x, wait = ht.hpu.wrap_in_hpu_graph(model.to("hpu")), x.to("hpu"), ht.hpu.synchronize
    print("ready", flush=True)
    with torch.no_grad():
        for _ in sys.stdin:
            start = time.perf_counter()
            model(x)
            wait()
            print(time.perf_counter() - start, flush=True)


class Side:
    def __init__(self, model: str, dtype: str, device: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "OPENHPU_DEVICE": device, "PT_HPU_PLACE_ON_CPU": "none"}
        command = [sys.executable, os.path.abspath(__file__), "--side", model, dtype, device]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.seconds: List[float] = []
        self.answer()

    def answer(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmark: {' '.join(self.process.args[2:])} ended with {self.process.wait()}")
        return line

    def run(self) -> None:
        self.process.stdin.write("go\n")
        self.seconds.append(float(self.answer()))

    def median(self) -> float:
        self.process.stdin.close()
        self.process.wait()
        return 1e3 * statistics.median(self.seconds[WARM_UPS:])


def main() -> None:
    if sys.argv[1:2] == ["--side"]:
        side(*sys.argv[2:5])
        return
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="resnet50,transformer")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--chip", default="gaudi2")
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()

    print(f"wall milliseconds, median of {arguments.repeats} after {WARM_UPS}, {THREADS} threads, batch 8 (resnet50 of 224 x 224, transformer of 128 tokens)")
    print(f"{'model':<12} {'dtype':<9} {'CPU eager':>10} {'functional':>11} {'ratio':>6} {'timed':>10} {'ratio':>6} {'timing adds':>12}")
    for model in arguments.models.split(","):
        for dtype in arguments.dtypes.split(","):
            sides = [Side(model, dtype, device) for device in ("cpu", f"sim:{arguments.chip},mode=functional", f"sim:{arguments.chip},mode=timed")]
            for _ in range(WARM_UPS + arguments.repeats):
                for each in sides:
                    each.run()
            cpu, functional, timed = (each.median() for each in sides)
            print(
                f"{model:<12} {dtype:<9} {cpu:>10.1f} {functional:>11.1f} {functional / cpu:>6.2f} {timed:>10.1f} {timed / cpu:>6.2f} "
                f"{100 * (timed - functional) / functional:>10.1f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
