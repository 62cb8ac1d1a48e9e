"""What importing the installed wheel gives, and how it answers when there is no such device."""

import os
import subprocess
import sys

import torch

import habana_frameworks.torch as ht
import habana_frameworks.torch.core as htcore
from habana_frameworks.torch import _native


def run(program, **environment):
    return subprocess.run([sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True)


def test_the_installed_wheel_is_what_is_tested():
    assert ht.__file__.startswith(os.environ.get("VENV", sys.prefix))


def test_importing_registers_the_device():
    assert torch.hpu is ht.hpu and htcore.hpu is ht.hpu
    assert ht.hpu.is_available() and ht.hpu.device_count() == 1 and ht.hpu.current_device() == 0
    assert ht.hpu.get_device_name() == "GAUDI2"
    t = torch.ones(2)
    assert not t.is_hpu and t.hpu().is_hpu and t.to("hpu").device == torch.device("hpu", 0)


def test_importing_opens_nothing():
    done = run("import habana_frameworks.torch as ht; print(ht.hpu.is_initialized())", OPENHPU_DEVICE="nonsense")
    assert done.stdout == "False\n", done.stderr


def test_every_operator_that_a_declaration_names_exists():
    assert _native.unknown_operators() == []
    assert "aten::add.Tensor" in _native.bound_operators()
    assert "aten::add_.Tensor" in _native.bound_operators()
    assert "aten::add.out" in _native.bound_operators()


def test_an_unknown_device_is_named():
    done = run("import torch, habana_frameworks.torch; torch.ones(1).to('hpu')", OPENHPU_DEVICE="nonsense")
    assert "OPENHPU_DEVICE=nonsense: no such device; use sim:<chip>" in done.stderr
    done = run("import habana_frameworks.torch as ht; print(ht.hpu.is_available(), ht.hpu.device_count())", OPENHPU_DEVICE="sim:nonsense")
    assert done.stdout == "False 0\n", done.stderr


def test_a_card_that_is_not_there_is_named_with_what_to_do():
    done = run("import torch, habana_frameworks.torch; torch.ones(1).to('hpu')", OPENHPU_DEVICE="habanalabs:250")
    assert "OPENHPU_DEVICE=habanalabs:250: habanalabs:250: no such card" in done.stderr
    assert "/dev/accel/accel250: ENOENT" in done.stderr and "/dev/hl250: ENOENT" in done.stderr
    done = run("import torch, habana_frameworks.torch; torch.ones(1).to('hpu')", OPENHPU_DEVICE="habanalabs:x")
    assert "want habanalabs:<n>" in done.stderr


def test_the_device_is_a_simulated_gaudi2_unless_another_is_named():
    for device in ("", "sim"):
        done = run("import habana_frameworks.torch as ht; print(ht.hpu.get_device_name(), ht.hpu.memory_stats()['Limit'] >> 30)", OPENHPU_DEVICE=device)
        assert done.stdout == "GAUDI2 95\n", done.stderr


def test_a_chip_that_no_card_is_says_so():
    program = "import torch, habana_frameworks.torch as ht; print((torch.ones(2, 2).to('hpu') @ torch.ones(2, 2).to('hpu')).cpu().tolist())"
    done = run(program, OPENHPU_DEVICE="sim:gaudi3,mode=functional")
    assert done.stdout == "[[2.0, 2.0], [2.0, 2.0]]\n", done.stderr
    assert "openhpu: gaudi3 is for performance studies only: Gaudi3's counts, clocks and bandwidths on Gaudi2's commands" in done.stderr


def test_another_chip_can_be_chosen():
    done = run("import torch, habana_frameworks.torch as ht; print(ht.hpu.get_device_name(), (torch.ones(2).to('hpu') + 1).cpu())", OPENHPU_DEVICE="sim:tiny")
    assert done.stdout == "TINY tensor([2., 2.])\n", done.stderr


def test_a_forked_child_is_told():
    ht.hpu.init()
    done = run(
        "import os, torch, habana_frameworks.torch as ht\n"
        "ht.hpu.init()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try: torch.ones(1).to('hpu')\n"
        "    except RuntimeError as e: print(e, flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
    )
    assert "Cannot re-initialize hpu in a forked subprocess" in done.stdout, done.stderr


def test_a_second_device_is_refused():
    for index in (1, "hpu:1"):
        try:
            ht.hpu.set_device(index)
        except AssertionError as error:
            assert "Invalid device id" in str(error)
        else:
            raise AssertionError("accepted")
