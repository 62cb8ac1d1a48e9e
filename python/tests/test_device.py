"""Which device there is and what it says of itself: `ht.hpu`'s functions and contexts."""

import os
import subprocess
import sys

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.hpu import _get_device_index
from habana_frameworks.torch.utils import experimental


def run(program, **environment):
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_asking_opens_nothing_so_that_a_process_may_still_fork():
    program = (
        "import os, torch, habana_frameworks.torch as ht\n"
        "print(ht.hpu.is_available(), ht.hpu.device_count(), ht.hpu.get_device_name(), ht.hpu.is_initialized(), flush=True)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    print((torch.ones(2).to('hpu') + 1).cpu().tolist(), flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
    )
    assert run(program) == "True 1 GAUDI2 False\n[2.0, 2.0]\n"


def test_what_the_device_is():
    assert ht.hpu.get_device_name() == ht.hpu.get_device_name("hpu:0") == ht.hpu.get_device_name(0) == "GAUDI2"
    assert ht.hpu.get_arch_list() == ["GAUDI2"] and ht.hpu.get_gencode_flags() == ""
    assert ht.hpu.is_bf16_supported() and isinstance(ht.hpu.get_device_capability(), str)
    properties = ht.hpu.get_device_properties()
    assert isinstance(properties, str) and "dramSize=" in properties and "sramSize=" in properties
    assert not ht.hpu.can_device_access_peer(0, 0)
    assert experimental._get_device_type() == experimental.synDeviceType.synDeviceGaudi2
    assert not experimental._is_fp16_supported()  # a Gaudi2 has it, openhpu has not


@pytest.mark.parametrize("given,index", [("hpu:2", 2), ("hpu", 0), (torch.device("hpu", 1), 1), (3, 3)])
def test_indices_are_parsed(given, index):
    assert _get_device_index(given) == index


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="Expected a hpu device, but got: cpu"):
        _get_device_index("cpu")
    assert _get_device_index("cpu", allow_cpu=True) == -1
    assert _get_device_index(None, optional=True) == 0
    with pytest.raises(ValueError):
        _get_device_index(None)


def test_contexts_choose_the_only_device():
    with ht.hpu.device(0), ht.hpu.device("hpu"), ht.hpu.device_of(torch.ones(1)), ht.hpu.device_of(torch.ones(1, device="hpu")):
        assert ht.hpu.current_device() == 0
    with pytest.raises(AssertionError, match="Invalid device id"):
        with ht.hpu.device(1):
            pass


def test_sync_debug_modes(monkeypatch):
    monkeypatch.setenv("PT_ENABLE_HABANA_STREAMASYNC", "1")
    for given, kept in (("warn", 1), (2, 2), ("default", 0)):
        ht.hpu.set_sync_debug_mode(given)
        assert ht.hpu.get_sync_debug_mode() == kept
    with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
        ht.hpu.set_sync_debug_mode("loud")


def test_determinism_is_asked_for_with_a_warning():
    with pytest.warns(DeprecationWarning):
        ht.hpu.setDeterministic(True)
    with pytest.warns(DeprecationWarning):
        assert ht.hpu.getDeterministic()


def test_utilization_is_refused_by_name():
    with pytest.raises(NotImplementedError, match="hpu.utilization"):
        ht.hpu.utilization()


def test_toggles_are_kept():
    assert not ht.hpu.recompute_sdp_enabled()
    with ht.hpu.sdp_kernel(enable_recompute=True):
        assert ht.hpu.recompute_sdp_enabled()
    assert not ht.hpu.recompute_sdp_enabled()
    ht.hpu.enable_dynamic_shape()
    assert ht.hpu.get_dynamic_shape_status()
    ht.hpu.disable_dynamic_shape()
    assert not ht.hpu.get_dynamic_shape_status()
    for name in ("inference_mode", "quantization", "optim_output_sif", "matmul3d_2d_reshape"):
        getattr(ht.hpu, "enable_" + name)()
        getattr(ht.hpu, "disable_" + name)()


@pytest.mark.parametrize("name,dtype", [("FloatTensor", torch.float32), ("LongTensor", torch.int64), ("BoolTensor", torch.bool), ("BFloat16Tensor", torch.bfloat16)])
def test_legacy_tensor_types(name, dtype):
    kind = getattr(torch.hpu, name)
    made = kind([[1, 0]])
    assert made.dtype == dtype and made.is_hpu and made.cpu().tolist() == [[1, 0]]
    assert kind(2, 3).shape == (2, 3)
    assert isinstance(made, kind) and not isinstance(made.cpu(), kind)


def test_torch_hpu_is_one_module_by_every_name():
    import torch.hpu.random  # noqa: F401

    assert sys.modules["torch.hpu.random"] is ht.hpu.random
    assert torch.hpu.memory_allocated is ht.hpu.memory_allocated


def test_tensors_are_moved_and_know_where_they_are():
    t = torch.ones(2)
    assert not t.is_hpu and t.hpu().is_hpu and t.hpu(0).is_hpu and t.hpu(device="hpu:0", non_blocking=True).is_hpu
    module = torch.nn.Linear(2, 2).hpu()
    assert module.weight.is_hpu and module.bias.device == torch.device("hpu", 0)
    assert torch.tensor([1.0], device="hpu").get_device() == 0


def test_numpy_says_what_to_do():
    with pytest.raises(TypeError, match=r"can't convert hpu:0 device type tensor to numpy. Use Tensor.cpu\(\)"):
        torch.ones(2, device="hpu").numpy()
    assert torch.ones(2, device="hpu").cpu().numpy().tolist() == [1, 1]


def test_generators_are_the_cpus():
    with pytest.raises(RuntimeError, match="Device type HPU is not supported for torch.Generator"):
        torch.Generator(device="hpu")


def test_memory_is_pinned_for_hpu():
    x = torch.arange(6.0).reshape(2, 3).t()
    for pinned in (x.pin_memory(), x.pin_memory("hpu"), x.pin_memory(device="hpu")):
        assert pinned.is_pinned() and pinned.is_pinned("hpu") and not x.is_pinned()
        assert torch.equal(pinned, x) and pinned.stride() == x.stride()
        assert torch.equal(pinned.to("hpu", non_blocking=True).cpu(), x)


@pytest.mark.parametrize("workers", [0, 2])
def test_data_loaders_pin_for_hpu(workers):
    data = torch.utils.data.TensorDataset(torch.arange(8.0), torch.arange(8))
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=workers, pin_memory=True, pin_memory_device="hpu")
    batches = list(loader)
    assert [b[0].is_pinned() for b in batches] == [True, True]
    assert batches[1][1].to("hpu").cpu().tolist() == [4, 5, 6, 7]


def test_tensors_are_recorded_on_streams():
    t = torch.ones(2, device="hpu")
    t.record_stream(ht.hpu.Stream())
    ht.hpu.record_stream(t, ht.hpu.current_stream())
    with pytest.raises(TypeError):
        t.record_stream("stream")
    with pytest.raises(RuntimeError):
        ht.hpu.record_stream(torch.ones(1), ht.hpu.current_stream())


def test_printing_a_parameter_and_a_result():
    parameter = torch.nn.Parameter(torch.ones(1, device="hpu"))
    assert repr(parameter) == "Parameter containing:\ntensor([1.], device='hpu:0', requires_grad=True)"
    assert repr(parameter * 2) == "tensor([2.], device='hpu:0', grad_fn=<MulBackward0>)"


def test_devices_are_visible_before_any_tensor_is():
    assert run("import torch, habana_frameworks.torch.core\nx = torch.tensor([1, 2], device='hpu')\nprint(x.cpu().tolist())") == "[1, 2]\n"
