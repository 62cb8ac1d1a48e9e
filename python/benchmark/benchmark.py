"""Simulated inference against PyTorch on the CPU, in one run: resnet50 (batch 8) and a 12-layer TransformerEncoder (batch 8, 128 tokens), fp32 and bf16.

    bazel run -c opt //python:benchmark [-- --repeats 10 --only resnet50]

Wall time, median of the repeats after two warm-ups, two threads on both sides, trace and hazards off. All host time of the simulator counts. Each side runs in a
process of its own, since a process opens one device.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Dict, List

MODELS = ["resnet50", "transformer"]
DTYPES = ["float32", "bfloat16"]
SIDES = ["cpu", "timed", "functional"]
WARM_UPS = 2


def measure(model_name: str, dtype_name: str, side: str, repeats: int) -> float:
    """Median seconds of one inference, in this process."""
    if side != "cpu":
        os.environ["OPENHPU_DEVICE"] = f"sim:gaudi,mode={side},arithmetic=fast"
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(0)
    dtype = getattr(torch, dtype_name)
    if model_name == "resnet50":
        import torchvision

        model, inputs = torchvision.models.resnet50().eval(), torch.randn(8, 3, 224, 224)
    else:
        layer = torch.nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True)
        model, inputs = torch.nn.TransformerEncoder(layer, 12).eval(), torch.randn(8, 128, 768)
    model, inputs = model.to(dtype), inputs.to(dtype)
    run, finish = model, lambda: None
    # nn.TransformerEncoder's fused CPU path is for inference without gradients; parameters that require them, recorded, take the plain one: the same ops as on hpu.
    plain = torch.enable_grad() if side == "cpu" and model_name == "transformer" else torch.no_grad()
    if side != "cpu":
        import habana_frameworks.torch as ht

        run, inputs, finish = ht.hpu.wrap_in_hpu_graph(model.to("hpu")), inputs.to("hpu"), ht.hpu.synchronize
    seconds = []
    with plain:
        for _ in range(WARM_UPS + repeats):
            start = time.perf_counter()
            run(inputs)
            finish()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARM_UPS:])


def in_own_process(model: str, dtype: str, side: str, repeats: int) -> float:
    environment = dict(os.environ, OMP_NUM_THREADS="2")
    command = [sys.executable, os.path.realpath(__file__), "--measure", model, dtype, side, "--repeats", str(repeats)]
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def main(arguments: List[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmark", description="Simulated inference against PyTorch on the CPU.")
    parser.add_argument("--repeats", type=int, default=10, help="measured runs of each (default 10)")
    parser.add_argument("--only", choices=MODELS, action="append", help="only this model")
    parser.add_argument("--measure", nargs=3, metavar=("MODEL", "DTYPE", "SIDE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure is not None:
        print(json.dumps({"seconds": measure(*options.measure, options.repeats)}))
        return 0
    print(f"median of {options.repeats} after {WARM_UPS} warm-ups, milliseconds, two threads")
    print(f"{'model':<12} {'dtype':<9} {'CPU eager':>10} {'timed':>10} {'functional':>11} {'timed/CPU':>10} {'funct./CPU':>11} {'timing adds':>12}")
    for model in options.only or MODELS:
        for dtype in DTYPES:
            took: Dict[str, float] = {side: 1000 * in_own_process(model, dtype, side, options.repeats) for side in SIDES}
            timed, functional = took["timed"] / took["cpu"], took["functional"] / took["cpu"]
            added = 100 * (took["timed"] / took["functional"] - 1)
            print(
                f"{model:<12} {dtype:<9} {took['cpu']:>10.1f} {took['timed']:>10.1f} {took['functional']:>11.1f} {timed:>10.2f} {functional:>11.2f} {added:>10.1f} %",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
