"""The program that a new user types first, as it stands in the vendor's guide."""

import os
import subprocess
import sys

PROGRAM = """
import torch
import habana_frameworks.torch as ht
device = torch.device('hpu')
class GraphTest(object):
    def __init__(self, size: int) -> None:
        self.g = ht.hpu.HPUGraph()
        self.s = ht.hpu.Stream()
        self.size = size
    def wrap_func(self, first: bool) -> None:
        if first:
            with ht.hpu.stream(self.s):
                self.g.capture_begin()
                a = torch.full((self.size,), 1, device=device)
                b = a
                b = b + 1
                self.g.capture_end()
                self.b = b
        else:
            self.g.replay()
t = GraphTest(8); t.wrap_func(True)
for _ in range(3):
    t.wrap_func(False); ht.hpu.synchronize(); print(t.b.cpu())
"""


def run(program, **environment):
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PT_HPU_PLACE_ON_CPU": "none", **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_prints_twos_every_time():
    assert run(PROGRAM) == 3 * "tensor([2, 2, 2, 2, 2, 2, 2, 2])\n"


def test_the_address_is_constant():
    addresses = run(PROGRAM.replace("print(t.b.cpu())", "print(t.b.data_ptr())")).split()
    assert len(addresses) == 3 and len(set(addresses)) == 1 and int(addresses[0]) > 0


def test_it_is_the_same_in_functional_mode():
    assert run(PROGRAM, OPENHPU_DEVICE=os.environ["OPENHPU_DEVICE"].split(",")[0] + ",mode=functional") == 3 * "tensor([2, 2, 2, 2, 2, 2, 2, 2])\n"


def test_a_timeline_does_not_depend_on_the_hash_seed(tmp_path):
    program = "from habana_frameworks.torch.utils import simulator\nimport sys\n" + PROGRAM.replace(
        "for _ in range(3):\n    ", f"with simulator.trace(sys.argv[1] if len(sys.argv) > 1 else {str(tmp_path / 'FILE')!r}):\n    "
    )
    timelines = []
    for seed in ("1", "2"):
        path = tmp_path / seed
        run(program.replace("FILE", seed), PYTHONHASHSEED=seed)
        timelines.append(path.read_bytes())
    assert timelines[0] == timelines[1] and b"TPC" in timelines[0]


def test_device_side_input_and_output_addresses_are_constant_between_invocations():
    program = """
import torch
import habana_frameworks.torch as ht
x = torch.ones(100).to('hpu')
w = torch.ones(100, 50).to('hpu')
g = ht.hpu.HPUGraph()
g.capture_begin()
y = torch.relu(x @ w)
ht.core.mark_step()
z = y * 2 + x[:50]
g.capture_end()
seen = set()
for i in range(5):
    x.copy_(torch.full((100,), float(i)))
    g.replay()
    junk = [torch.ones(1000 + i).to('hpu') + 1 for _ in range(3)]
    ht.hpu.synchronize()
    seen.add((x.data_ptr(), y.data_ptr(), z.data_ptr()))
    assert z.cpu().tolist() == [201.0 * i] * 50
print(len(seen))
"""
    assert run(program) == "1\n"


def test_a_captured_region_executes_once_at_capture_and_again_at_each_replay():
    program = """
import torch
import habana_frameworks.torch as ht
x = torch.tensor([1]).to('hpu')
g = ht.hpu.HPUGraph()
g.capture_begin()
x += 1
g.capture_end()
print(x.item())
g.replay()
print(x.item())
x = torch.tensor([1]).to('hpu')
g.capture_begin(dry_run=True)
x += 1
g.capture_end()
print(x.item())
g.replay()
print(x.item())
"""
    assert run(program).split() == ["2", "3", "1", "2"]


def test_mark_step_is_not_needed_and_harmless():
    program = """
import torch
import habana_frameworks.torch as ht
import habana_frameworks.torch.core as htcore
x = torch.ones(3).to('hpu')
htcore.mark_step(); htcore.mark_step()
g = ht.hpu.HPUGraph()
g.capture_begin()
htcore.mark_step()
y = x + 1
htcore.mark_step(); htcore.mark_step()
z = y * 3
htcore.mark_step()
g.capture_end()
x.fill_(2)
htcore.mark_step()
g.replay()
htcore.mark_step()
print(z.cpu().tolist())
"""
    assert run(program) == "[9.0, 9.0, 9.0]\n"
