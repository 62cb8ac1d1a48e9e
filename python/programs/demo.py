"""A real model on the simulated card, through an HPU Graph.

    bazel run -c opt //python:demo -- [--model digits|resnet18|transformer] [--chip CHIP] [--batch N] [--mode timed|functional] [--trace FILE] [--save FILE]

`digits` trains a small convolutional net on the CPU on scikit-learn's scanned digits, and classifies the ones it has not seen on hpu. The others have random weights
and inputs. Paths are relative to where the command was given.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics as numbers
import sys
import time
from typing import Callable, List, NamedTuple, Optional

import reference_models
import torch


class Workload(NamedTuple):
    model: torch.nn.Module
    batches: List[torch.Tensor]
    images: int  # or sequences, in all batches
    labels: Optional[torch.Tensor]


def progress(what: str, done: int, total: int) -> None:
    width = 30
    filled = width * done // total
    end = "\n" if done == total else ""
    print(f"\r{what:<28} [{'#' * filled}{'.' * (width - filled)}] {done}/{total}", end=end, file=sys.stderr, flush=True)


def digits(batch: int) -> Workload:
    """Eight by eight pixels, ten digits; the last 500 of 1,797 are the test set."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(data.target)
    train, held_out = slice(0, len(images) - 500), slice(len(images) - 500, None)
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 3, padding=1), torch.nn.BatchNorm2d(32), torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 3, padding=1), torch.nn.BatchNorm2d(64), torch.nn.ReLU(),
        torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(64 * 16, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    epochs, step = 12, 64
    model.train()
    for epoch in range(epochs):
        order = torch.randperm(len(images[train]))
        for at in range(0, len(order), step):
            chosen = order[at : at + step]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images[train][chosen]), labels[train][chosen]).backward()
            optimizer.step()
        progress("training on the CPU", epoch + 1, epochs)
    return Workload(model.eval(), list(images[held_out].split(batch)), 500, labels[held_out])


def resnet18(batch: int) -> Workload:
    model, inputs = reference_models.vision("resnet18", batch, size=224, inputs=4)
    return Workload(model, inputs, batch * len(inputs), None)


def transformer(batch: int) -> Workload:
    model, inputs = reference_models.encoder(batch, tokens=128, inputs=4)
    return Workload(model, inputs, batch * len(inputs), None)


MODELS = {"digits": (digits, 50), "resnet18": (resnet18, 8), "transformer": (transformer, 8)}


def run_on_cpu(model: torch.nn.Module, batches: List[torch.Tensor]) -> List[torch.Tensor]:
    with torch.no_grad():
        return [model(batch) for batch in batches]


def print_engines(engines: list, elapsed_ps: int) -> None:
    """Busy shares, the engines of a kind as one line: "DCORE2_TPC3" is a TPC."""
    kinds: dict = {}
    for engine in engines:
        kinds.setdefault(engine.name.split("_")[-1].rstrip("0123456789"), []).append(engine)
    for kind, members in kinds.items():
        share = [100 * engine.busy_ps / elapsed_ps for engine in members]
        moved = sum(engine.bytes_read + engine.bytes_written for engine in members)
        count = f"{len(members)} x " if len(members) > 1 else ""
        print(f"  {count + kind:<10} {sum(share) / len(share):6.2f} % busy (most {max(share):6.2f} %), {moved / 1e6:10.2f} MB")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=sorted(MODELS), default="digits")
    parser.add_argument("--chip", help="a shipped chip, or a chip file (default: the device that OPENHPU_DEVICE names, or else gaudi2)")
    parser.add_argument("--batch", type=int, help="images, or sequences, in a batch")
    parser.add_argument("--mode", choices=["timed", "functional"], help="of the simulator (default: timed)")
    parser.add_argument("--trace", metavar="FILE", help="the timeline, for ui.perfetto.dev (default: openhpu_MODEL_trace.json)")
    parser.add_argument("--save", metavar="FILE", help="the graph's recipe")
    arguments = parser.parse_args()
    if arguments.batch is not None and arguments.batch < 1:
        parser.error("--batch must be at least 1")
    # `bazel run` starts programs elsewhere.
    here = os.environ.get("BUILD_WORKING_DIRECTORY", os.getcwd())
    arguments.trace = os.path.join(here, arguments.trace or f"openhpu_{arguments.model}_trace.json")
    if arguments.save is not None:
        arguments.save = os.path.join(here, arguments.save)
    if arguments.chip is not None and os.path.sep in arguments.chip:
        arguments.chip = os.path.join(here, arguments.chip)
    for path in (arguments.trace, arguments.save):
        if path is not None and not os.path.isdir(os.path.dirname(path)):
            parser.error(f"{path}: no such folder")
    return arguments


def main() -> int:
    arguments = parse()
    if arguments.chip or arguments.mode or not os.environ.get("OPENHPU_DEVICE"):
        os.environ["OPENHPU_DEVICE"] = f"sim:{arguments.chip or 'gaudi2'},mode={arguments.mode or 'timed'}"
    simulated = os.environ["OPENHPU_DEVICE"].startswith("sim")
    os.environ.setdefault("PT_HPU_PLACE_ON_CPU", "none")
    import habana_frameworks.torch as ht
    from habana_frameworks.torch.utils import simulator

    begun = time.perf_counter()
    ht.hpu.init()
    make, batch = MODELS[arguments.model]
    work = make(arguments.batch or batch)
    reference = run_on_cpu(work.model, work.batches)

    model = ht.hpu.wrap_in_hpu_graph(work.model.to("hpu"))
    outputs: List[torch.Tensor] = []
    times_ps: List[int] = []
    seen_shapes = set()

    def classify(batches: List[torch.Tensor], tick: Callable[[int], None]) -> None:
        for i, images in enumerate(batches):
            start = simulator.host_time_ps()
            outputs.append(model(images.to("hpu")).cpu())
            if images.shape in seen_shapes:  # the first one of a shape is compiled and captured
                times_ps.append(simulator.host_time_ps() - start)
            seen_shapes.add(images.shape)
            tick(i + 1)

    # The capture, with one batch of each shape; then everything as replays.
    with torch.no_grad():
        for images in {images.shape: images for images in work.batches}.values():
            classify([images], lambda done: None)
        outputs.clear()
        if simulated:
            simulator.reset_statistics()
        before = simulator.host_time_ps()
        with simulator.trace(arguments.trace if simulated else None):
            classify(work.batches, lambda done: progress("classifying on hpu" if work.labels is not None else "running on hpu", done, len(work.batches)))
        elapsed = simulator.host_time_ps() - before
        after = simulator.statistics() if simulated else None

        # What a replay costs the host: submitting it, without waiting for the card.
        graph = model.forward.graphs[0]
        submissions = []
        for _ in range(10):
            ht.hpu.synchronize()
            start_seconds = time.perf_counter()
            graph.replay()
            submissions.append(time.perf_counter() - start_seconds)
        ht.hpu.synchronize()
    if arguments.save is not None:
        graph.save(arguments.save)

    mine, theirs = torch.cat(outputs), torch.cat(reference)
    if mine.dim() == 3:  # sequences: tokens first
        mine, theirs = torch.cat(outputs, 1), torch.cat(reference, 1)
    print(f"device                 {ht.hpu.get_device_name()} ({os.environ['OPENHPU_DEVICE']})")
    print(f"model                  {arguments.model}, {work.images} {'images' if mine.dim() == 2 else 'sequences'} in {len(work.batches)} batches")
    same = True
    if work.labels is not None:
        accuracy = [float((values.argmax(1) == work.labels).float().mean()) for values in (theirs, mine)]
        print(f"accuracy               CPU {100 * accuracy[0]:.2f} %, HPU {100 * accuracy[1]:.2f} %")
        same = accuracy[0] == accuracy[1]
    else:
        agree = float((theirs.argmax(-1) == mine.argmax(-1)).float().mean())
        print(f"largest output         at the same place for {100 * agree:.2f} % of the outputs")
    difference = float((mine - theirs).abs().max())
    print(f"output difference      at most {difference:.3g}, {difference / float(theirs.abs().max()):.3g} of the largest output")
    print(f"outputs                sha256 {hashlib.sha256(mine.contiguous().numpy().tobytes()).hexdigest()}")
    if elapsed > 0:
        typical = numbers.median(times_ps)
        whose = "simulated" if simulated else "driver's"
        print(f"{whose + ' time a batch':<22} {typical / 1e6:.3f} us (copy in, replay, copy out)")
        print(f"{whose + ' throughput':<22} {work.images / (elapsed / 1e12):.1f} {'images' if mine.dim() == 2 else 'sequences'}/s")
        if after is not None:
            print("engines")
            print_engines(after.engines, elapsed)
    else:
        print("simulated time         none: functional mode")
    print(f"host time a replay     {1e6 * numbers.median(submissions):.1f} us")
    print(f"CPU fallbacks          {dict(ht.hpu.metric_global('cpu_fallback').stats())['TotalNumber']}")
    print(f"wall time              {time.perf_counter() - begun:.1f} s")
    if simulated:
        print(f"timeline               {arguments.trace} (open it in ui.perfetto.dev)")
    if arguments.save is not None:
        print(f"recipe                 {arguments.save}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
