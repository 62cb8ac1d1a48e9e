"""Compiling is apart from capturing: what was compiled once is found again, in the process and in a folder."""

import os
import subprocess
import sys

import torch

import habana_frameworks.torch as ht

PROGRAM = """
import torch, habana_frameworks.torch as ht
from habana_frameworks.torch import _native
torch.manual_seed(0)
model = ht.hpu.wrap_in_hpu_graph(torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU()).eval().to("hpu"))
with torch.no_grad():
    y = model(torch.ones(1, 2, 8, 8, device="hpu"))
print(f"{y.sum().item():.4f}", dict(ht.hpu.metric_global("graph_compilation").stats())["TotalNumber"], _native.compile_counters()["disk_refused"])
"""


def compilations():
    return dict(ht.hpu.metric_global("graph_compilation").stats())["TotalNumber"]


def net():
    torch.manual_seed(5)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(288, 5)).eval()


def run(folder):
    environment = {**os.environ, "PT_HPU_RECIPE_CACHE_CONFIG": f"{folder},False,64"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    total, compiled, refused = done.stdout.split()
    return total, int(compiled), int(refused)


def test_capturing_the_same_model_again_compiles_nothing():
    x = torch.randn(2, 3, 8, 8)
    model = net().to("hpu")
    with torch.no_grad():
        wrapped = ht.hpu.wrap_in_hpu_graph(model)
        first = wrapped(x.to("hpu")).cpu()
        before = compilations()
        wrapped.clear_cache()
        assert torch.equal(wrapped(x.to("hpu")).cpu(), first)
        graph = ht.hpu.HPUGraph()
        inputs = x.to("hpu")
        graph.capture_begin()
        again = wrapped(inputs, bypass_hpu_graphs=True)
        graph.capture_end()
        assert torch.equal(again.cpu(), first)
    assert compilations() == before


def test_the_same_structure_at_other_addresses_compiles_nothing():
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        first = ht.hpu.wrap_in_hpu_graph(net().to("hpu"))(x.to("hpu")).cpu()
        before = compilations()
        kept = torch.ones(1000).to("hpu")
        second = ht.hpu.wrap_in_hpu_graph(net().to("hpu"))
        assert torch.equal(second(x.to("hpu")).cpu(), first) and kept.is_hpu
    assert compilations() == before


def test_weights_changed_in_place_are_seen_where_constants_derive_from_them():
    host, model = net(), net().to("hpu")
    wrapped = ht.hpu.wrap_in_hpu_graph(model)
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        wrapped(x.to("hpu"))
        assert wrapped.forward.graphs[0].memory()["prepared"] > 0  # the filters in another order
    for step in range(3):  # of an optimizer
        for net_ in (host, model):
            for i, parameter in enumerate(net_.parameters()):
                parameter.grad = torch.full(parameter.shape, 0.01 * (step + i)).to(parameter.device)
            torch.optim.SGD(net_.parameters(), lr=0.5).step()
        with torch.no_grad():
            assert torch.allclose(wrapped(x.to("hpu")).cpu(), host(x), atol=1e-4)
    other = {name: value + 0.125 if value.is_floating_point() else value for name, value in host.state_dict().items()}
    for net_ in (host, model):
        net_.load_state_dict(other)
        with torch.no_grad():
            net_[0].weight[1:3].mul_(2)  # through a view
    with torch.no_grad():
        assert torch.allclose(wrapped(x.to("hpu")).cpu(), host(x), atol=1e-3)
    assert len(wrapped.forward.graphs) == 1


def test_a_folder_keeps_what_was_compiled_for_other_processes(tmp_path):
    first, compiled, _ = run(tmp_path)
    assert compiled > 0
    assert run(tmp_path) == (first, 0, 0)


def test_damaged_files_of_the_folder_are_refused_and_compiled_anew(tmp_path):
    first, compiled, _ = run(tmp_path)
    files = sorted(path for path in tmp_path.iterdir() if path.is_file())
    assert len(files) == compiled
    for path in files:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert run(tmp_path) == (first, compiled, compiled)
    assert run(tmp_path) == (first, 0, 0)
