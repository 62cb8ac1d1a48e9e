"""Real models with random weights through one graph each, against the CPU: fp32 close, bf16 no worse than the CPU's own bf16."""

import copy

import pytest
import reference_models
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.utils import simulator

MODELS = {
    "resnet18": lambda: reference_models.vision("resnet18", batch=2, size=224, inputs=5),
    "resnet50": lambda: reference_models.vision("resnet50", batch=2, size=224, inputs=5),
    "mobilenet_v2": lambda: reference_models.vision("mobilenet_v2", batch=2, size=224, inputs=5),
    "vgg11": lambda: reference_models.vision("vgg11", batch=2, size=224, inputs=5),
    "transformer": lambda: reference_models.encoder(batch=2, tokens=128, inputs=5),
}


def fallbacks():
    return dict(ht.hpu.metric_global("cpu_fallback").stats())["TotalNumber"]


def run_cpu(model, inputs, dtype=torch.float32):
    model = copy.deepcopy(model).to(dtype)
    with torch.no_grad():
        return [model(x.to(dtype)).float() for x in inputs]


def run_hpu(model, inputs, dtype=torch.float32):
    model = ht.hpu.wrap_in_hpu_graph(copy.deepcopy(model).to(dtype).to("hpu"))
    with torch.no_grad():
        outputs = [model(x.to(dtype).to("hpu")).float().cpu() for x in inputs]
    assert len(model.forward.graphs) == 1
    model.clear_cache()
    return outputs


def error(outputs, references):
    return max(float((o - r).abs().max() / r.abs().max()) for o, r in zip(outputs, references))


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_the_cpu_for_different_inputs_of_one_graph(name):
    model, inputs = MODELS[name]()
    reference = run_cpu(model, inputs)
    before = fallbacks()
    simulator.reset_statistics()

    outputs = run_hpu(model, inputs)
    assert error(outputs, reference) <= 1e-3
    for other in outputs[1:]:
        assert not torch.equal(outputs[0], other)
    for engine in simulator.statistics().engines:
        if engine.name.startswith(("MME", "TPC")):
            assert engine.busy_ps > 0, engine.name

    narrow = error(run_hpu(model, inputs, torch.bfloat16), reference)
    cpu_narrow = error(run_cpu(model, inputs, torch.bfloat16), reference)
    assert narrow <= 1.5 * cpu_narrow
    assert fallbacks() == before


def test_a_trained_step_follows_the_cpu():
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 4))
    x, label = torch.randn(5, 3, 8, 8), torch.randint(4, (5,))
    mine = copy.deepcopy(model).to("hpu")
    for _ in range(3):
        for net, device in ((model, "cpu"), (mine, "hpu")):
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1, foreach=False)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x.to(device)), label.to(device)).backward()
            optimizer.step()
    for a, b in zip(model.state_dict().values(), mine.state_dict().values()):
        assert torch.allclose(a, b.cpu(), atol=1e-4), (a, b.cpu())
