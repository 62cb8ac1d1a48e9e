"""torch.autocast("hpu"): which operators run in bfloat16, against the CPU's values in the same types."""

import os
import subprocess
import sys
import threading

import pytest
import torch

import habana_frameworks.torch as ht


def on_hpu(*tensors):
    return [t.to("hpu") for t in tensors]


def test_products_run_in_bfloat16_and_nothing_does_without():
    a, b = torch.randn(4, 5), torch.randn(5, 3)
    x, y = on_hpu(a, b)
    with torch.autocast("hpu"):
        assert torch.hpu.is_autocast_hpu_enabled()
        product = x @ y
    assert product.dtype == torch.bfloat16
    assert torch.allclose(product.cpu(), a.bfloat16() @ b.bfloat16(), rtol=0.02, atol=0.02)
    assert (x @ y).dtype == torch.float32 and not torch.hpu.is_autocast_hpu_enabled()


def test_pytorchs_own_state_is_untouched():
    with torch.autocast("hpu", dtype=torch.bfloat16):
        assert not torch.is_autocast_enabled() and not torch.is_autocast_cpu_enabled()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not torch.hpu.is_autocast_hpu_enabled()
        assert torch.ones(2, 2).mm(torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["addmm", "bmm", "linear", "matmul", "mean", "mul", "mv", "softmax", "log_softmax", "layer_norm", "leaky_relu", "conv2d"])
def test_the_lower_list_gives_bfloat16(name):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 4)
    calls = {
        "addmm": lambda d: torch.addmm(d(x[0]), d(x[0]), d(x[1])),
        "bmm": lambda d: torch.bmm(d(x), d(x)),
        "linear": lambda d: torch.nn.functional.linear(d(x), d(x[0]), d(x[0, 0])),
        "matmul": lambda d: torch.matmul(d(x), d(x)),
        "mean": lambda d: torch.mean(d(x), -1),
        "mul": lambda d: torch.mul(d(x), d(x)),
        "mv": lambda d: torch.mv(d(x[0]), d(x[0, 0])),
        "softmax": lambda d: torch.softmax(d(x), -1),
        "log_softmax": lambda d: torch.log_softmax(d(x), -1),
        "layer_norm": lambda d: torch.nn.functional.layer_norm(d(x), (4,), d(x[0, 0]), d(x[0, 1])),
        "leaky_relu": lambda d: torch.nn.functional.leaky_relu(d(x)),
        "conv2d": lambda d: torch.nn.functional.conv2d(d(x[None]), d(torch.ones(3, 2, 3, 3))),
    }
    with torch.autocast("hpu"):
        got = calls[name](lambda t: t.to("hpu"))
    # Of the same bfloat16 inputs, exactly: the CPU's own bfloat16 is off by more where rows hardly vary.
    want = calls[name](lambda t: t.bfloat16().double())
    assert got.dtype == torch.bfloat16
    assert torch.allclose(got.cpu().double(), want, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("function", [torch.exp, torch.rsqrt, torch.reciprocal, torch.log, lambda t: t.pow(2), lambda t: t / 2])
def test_the_float32_list_gives_float32(function):
    x = torch.rand(8).bfloat16() + 1
    with torch.autocast("hpu"):
        got = function(x.to("hpu"))
    assert got.dtype == torch.float32
    assert torch.allclose(got.cpu(), function(x.float()), rtol=1e-3)


def test_sums_run_in_the_widest_type_of_their_operands():
    wide, narrow = torch.randn(4), torch.randn(4).bfloat16()
    x, y = on_hpu(wide, narrow)
    with torch.autocast("hpu"):
        assert (x + y).dtype == torch.float32 and (y + y).dtype == torch.bfloat16
        joined = torch.cat([x, y])
    assert joined.dtype == torch.float32 and torch.equal(joined.cpu(), torch.cat([wide, narrow.float()]))


def test_integers_and_float64_are_left_alone():
    x = torch.arange(4).to("hpu")
    with torch.autocast("hpu"):
        assert (x * x).dtype == torch.int64


def test_regions_nest():
    x = torch.ones(3, 3, device="hpu")
    with torch.autocast("hpu"):
        with torch.autocast("hpu", enabled=False):
            assert (x @ x).dtype == torch.float32 and not torch.hpu.is_autocast_hpu_enabled()
        assert (x @ x).dtype == torch.bfloat16
    with torch.autocast(device_type="hpu", dtype=torch.float32):
        assert (x @ x).dtype == torch.float32


def test_functions_are_decorated():
    @torch.autocast("hpu")
    def double(t, deep=1):
        return double(t @ t, deep - 1) if deep else t @ t

    x = torch.ones(2, 2, device="hpu")
    assert double(x).dtype == torch.bfloat16
    assert not torch.hpu.is_autocast_hpu_enabled()
    with torch.hpu.amp.autocast():
        assert (x @ x).dtype == torch.bfloat16


def test_an_exception_ends_the_region():
    with pytest.raises(ValueError):
        with torch.autocast("hpu"):
            raise ValueError
    assert not torch.hpu.is_autocast_hpu_enabled()


def test_another_thread_has_its_own_state():
    seen = []
    with torch.autocast("hpu"):
        thread = threading.Thread(target=lambda: seen.append(torch.hpu.is_autocast_hpu_enabled()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_gradients_flow_and_are_of_the_parameters_types():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    x, target = torch.randn(3, 6), torch.randn(3, 2)
    want = torch.nn.functional.mse_loss(model(x), target)
    want.backward()
    grads = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    model = model.to("hpu")
    with torch.autocast("hpu"):
        out = model(x.to("hpu"))
        loss = torch.nn.functional.mse_loss(out, target.to("hpu"))
    assert out.dtype == torch.bfloat16 and loss.dtype == torch.float32
    loss.backward()
    for param, grad in zip(model.parameters(), grads):
        assert param.grad.dtype == torch.float32
        assert torch.allclose(param.grad.cpu(), grad, rtol=0.1, atol=0.05)


def test_float16_is_refused_with_a_warning():
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        region = torch.autocast("hpu", dtype=torch.float16)
    x = torch.ones(2, 2, device="hpu")
    with region:
        assert (x @ x).dtype == torch.float32


def test_batch_norms_running_statistics_stay_their_own():
    model = torch.nn.BatchNorm2d(3).to("hpu").train()
    with torch.autocast("hpu"):
        model(torch.randn(4, 3, 5, 5).to("hpu") + 10)
    assert model.running_mean.dtype == torch.float32
    assert torch.all(model.running_mean.cpu() > 0.5)


def test_files_replace_the_lists(tmp_path):
    lower, wide = tmp_path / "lower.txt", tmp_path / "wide.txt"
    lower.write_text("mm\n")
    wide.write_text("matmul\nbmm\n")
    program = (
        "import torch, habana_frameworks.torch\n"
        "x = torch.ones(1, 2, 2, device='hpu')\n"
        "with torch.autocast('hpu'): print(torch.mm(x[0], x[0]).dtype, torch.bmm(x.bfloat16(), x.bfloat16()).dtype, torch.softmax(x, -1).dtype)\n"
    )
    environment = {**os.environ, "PT_HPU_AUTOCAST_LOWER_PRECISION_OPS_LIST": str(lower), "PT_HPU_AUTOCAST_FP32_OPS_LIST": str(wide)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "torch.bfloat16 torch.float32 torch.float32\n", done.stderr


def test_the_dtype_can_be_asked_and_set():
    assert ht.hpu.get_autocast_hpu_dtype() == torch.bfloat16
    ht.hpu.set_autocast_hpu_enabled(True)
    try:
        assert (torch.ones(2, 2, device="hpu") @ torch.ones(2, 2, device="hpu")).dtype == torch.bfloat16
    finally:
        ht.hpu.set_autocast_hpu_enabled(False)
