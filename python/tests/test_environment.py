"""Environment variables that change what a user sees."""

import os
import subprocess
import sys

import pytest

from habana_frameworks.torch.internal import bridge_config


def run(program, **environment):
    done = subprocess.run([sys.executable, "-c", "import torch, habana_frameworks.torch as ht\n" + program], env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_eager_mode_has_no_graphs():
    program = (
        "from habana_frameworks.torch.utils.internal import is_lazy\n"
        "print(is_lazy(), hasattr(ht.hpu, 'HPUGraph'), hasattr(ht.hpu, 'wrap_in_hpu_graph'))\n"
        "ht.core.mark_step(); ht.core.mark_step()\n"
        "print((torch.ones(2, device='hpu') + 1).cpu().tolist())\n"
    )
    out, errors = run(program, PT_HPU_LAZY_MODE="0")
    assert out == "False False False\n[2.0, 2.0]\n"
    assert errors.count("Calling mark_step function does not have any effect. It's lazy mode only functionality. (warning logged once)") == 1
    assert run(program)[0].startswith("True True True\n")


def test_long_segments_are_split():
    program = (
        "x = torch.zeros(4, device='hpu')\n"
        "for i in range(10): x = x + i\n"
        "print(ht._native.compile_counters()['launches'], x.cpu().tolist())\n"
    )
    assert run(program)[0] == "0 [45.0, 45.0, 45.0, 45.0]\n"
    assert run(program, PT_HPU_MAX_COMPOUND_OP_SIZE="5")[0] == "2 [45.0, 45.0, 45.0, 45.0]\n"


def test_fallbacks_are_printed_at_the_end():
    program = "import os\ntorch.linalg.eigvalsh(torch.eye(3, device='hpu'))\nos.environ.clear()\n"
    out, _ = run(program, ENABLE_CONSOLE="true", LOG_LEVEL_PT_FALLBACK="1")
    assert out.startswith("CPU Fallback stats:\n") and "\taten::" in out
    assert run(program)[0] == ""


def test_ops_may_be_kept_off_the_cpu():
    program = (
        "try: torch.linalg.eigvalsh(torch.eye(3, device='hpu'))\n"
        "except RuntimeError as error: print(error)\n"
    )
    assert " is not yet supported on HPU." in run(program, PT_HPU_PLACE_ON_CPU="none")[0]


def test_the_range_check_can_be_left_out():
    program = "print(torch.tensor([2**32 + 5]).to('hpu').cpu().tolist())\n"
    assert run(program, PT_HPU_ENABLE_VALID_DATA_RANGE_CHECK="0")[0] == "[5]\n"


def test_defaults_that_the_import_sets():
    program = "import os; print(os.environ['HABANA_PROFILE'], os.environ['TORCHINDUCTOR_COMPILE_THREADS'])"
    assert run(program)[0] == "profile_api_light 1\n"


def test_weights_are_not_shared_on_request():
    program = (
        "a, b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)\n"
        "b.weight = a.weight\n"
        "m = torch.nn.Sequential(a, b).to('hpu')\n"
        "print(m[0].weight is m[1].weight)\n"
    )
    assert run(program)[0] == "True\n"
    assert run(program, PT_HPU_WEIGHT_SHARING="0")[0] == "False\n"


def test_gpu_migration_is_refused_with_a_warning():
    out, errors = run("print('running')", PT_HPU_GPU_MIGRATION="1")
    assert out == "running\n" and "GPU migration is not available" in errors


def test_every_flag_can_be_asked_for(monkeypatch):
    monkeypatch.delenv("PT_HPU_LAZY_MODE", raising=False)
    assert bridge_config.get_pt_hpu_lazy_mode() == 1
    assert bridge_config.get_pt_hpu_gpu_migration() is False
    assert bridge_config.get_pt_enable_comm_group_cache() is True
    assert bridge_config.get_pt_enable_int64_support() is False
    assert bridge_config.get_pt_hpu_max_compound_op_size() == 2**63 - 1
    assert bridge_config.get_pt_hpu_recipe_cache_config() == ""
    assert bridge_config.get_pt_hpu_some_flag_of_tomorrow() is False
    monkeypatch.setenv("PT_HPU_SOME_FLAG_OF_TOMORROW", "12")
    assert bridge_config.get_pt_hpu_some_flag_of_tomorrow() == 12


def test_flags_are_set_for_a_region(monkeypatch):
    monkeypatch.delenv("PT_HPU_ENABLE_LAZY_COLLECTIVES", raising=False)
    with bridge_config.env_setting("PT_HPU_ENABLE_LAZY_COLLECTIVES", True):
        assert bridge_config.get_pt_hpu_enable_lazy_collectives() is True
    assert bridge_config.get_pt_hpu_enable_lazy_collectives() is False
    monkeypatch.setenv("PT_HPU_LAZY_ACC_PAR_MODE", "1")
    bridge_config.set_pt_hpu_lazy_acc_par_mode(0)
    assert bridge_config.get_pt_hpu_lazy_acc_par_mode() == 0 and os.environ["PT_HPU_LAZY_ACC_PAR_MODE"] == "0"


def test_other_names_are_no_flags():
    with pytest.raises(AttributeError):
        bridge_config.nonsense
