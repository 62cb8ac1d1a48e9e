"""The generator of hpu: its state, and who seeds it."""

import os
import subprocess
import sys

import pytest
import torch

import habana_frameworks.torch as ht


def states():
    return torch.get_rng_state(), ht.hpu.get_rng_state()


def test_it_starts_in_the_cpus_state():
    program = (
        "import torch\n"
        "torch.manual_seed(7)\n"
        "import habana_frameworks.torch as ht\n"
        "print(torch.equal(torch.get_rng_state(), torch.hpu.get_rng_state()), torch.hpu.initial_seed())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True)
    assert done.stdout == "True 7\n", done.stderr


def test_seeding_pytorch_seeds_hpu():
    generator = torch.manual_seed(123)
    assert generator is torch.default_generator
    host, there = states()
    assert torch.equal(host, there) and ht.hpu.initial_seed() == torch.initial_seed() == 123
    assert torch.seed() == ht.hpu.initial_seed()


def test_seeding_hpu_leaves_the_cpu_alone():
    torch.manual_seed(1)
    host, there = states()
    generator = ht.hpu.manual_seed(2)
    assert generator is ht.hpu.default_generators[0] and isinstance(generator, torch.Generator)
    assert torch.equal(torch.get_rng_state(), host) and not torch.equal(ht.hpu.get_rng_state(), there)
    ht.hpu.manual_seed_all(1)
    assert torch.equal(ht.hpu.get_rng_state(), there)
    ht.hpu.seed()
    ht.hpu.seed_all()
    assert torch.equal(torch.get_rng_state(), host)


def test_a_state_is_set_again():
    torch.manual_seed(5)
    kept, all_kept = ht.hpu.get_rng_state("hpu:0"), ht.hpu.get_rng_state_all()
    ht.hpu.manual_seed(9)
    ht.hpu.set_rng_state(kept)
    assert torch.equal(ht.hpu.get_rng_state(), kept)
    ht.hpu.manual_seed(9)
    ht.hpu.set_rng_state_all(all_kept)
    assert torch.equal(ht.hpu.get_rng_state(0), all_kept[0]) and len(all_kept) == 1


def test_only_device_0_has_one():
    with pytest.raises(RuntimeError, match="hpu get_rng_state supports only device 0"):
        ht.hpu.get_rng_state("hpu:1")
    assert len(ht.hpu.default_generators) == 1


@pytest.mark.parametrize("devices", [None, [], ["hpu"], [0], [torch.device("hpu")]])
def test_a_fork_gives_the_state_back(devices):
    torch.manual_seed(3)
    before = states()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(99)
        torch.rand(5)
    after = states()
    assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])
    with torch.random.fork_rng(enabled=False):
        ht.hpu.manual_seed(99)
    assert ht.hpu.initial_seed() == 99


def test_the_same_seed_gives_the_same_numbers():
    drawn = []
    for _ in range(2):
        torch.manual_seed(11)
        drawn.append(torch.rand(8, device="hpu").cpu())
    assert torch.equal(*drawn)
    assert 0 <= float(drawn[0].min()) and float(drawn[0].max()) < 1
