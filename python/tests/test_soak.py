"""Ten thousand replays: nothing grows, nothing drifts. OPENHPU_SOAK_REPLAYS changes the number."""

import gc
import os

import torch

os.environ["OPENHPU_DEVICE"] = "sim:gaudi2,mode=functional"

import habana_frameworks.torch as ht  # noqa: E402
from habana_frameworks.torch import _native  # noqa: E402

REPLAYS = int(os.environ.get("OPENHPU_SOAK_REPLAYS", "10000"))


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Gated(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.value, self.gate = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)

    def forward(self, x):
        return {"y": self.value(x) * torch.sigmoid(self.gate(x)), "x": x + 1}


def models():
    linear = torch.nn.Linear
    torch.manual_seed(11)
    return [
        torch.nn.Sequential(linear(8, 16), torch.nn.ReLU(), linear(16, 4)),
        torch.nn.Sequential(linear(8, 8), torch.nn.GELU()),
        torch.nn.Sequential(torch.nn.LayerNorm(8), linear(8, 8)),
        torch.nn.Sequential(torch.nn.Unflatten(1, (2, 4)), torch.nn.Conv1d(2, 3, 3), torch.nn.Flatten()),
        torch.nn.Softmax(dim=-1),
        Gated(),
        torch.nn.Sequential(linear(8, 8), torch.nn.Tanh(), linear(8, 1, bias=False)),
        torch.nn.Sequential(torch.nn.Sigmoid(), linear(8, 8)),
    ]


def tensors(output):
    return list(output.values()) if isinstance(output, dict) else [output]


def test_ten_thousand_replays_leave_memory_and_results_as_they_were():
    wrapped = [ht.hpu.wrap_in_hpu_graph(m.eval().to("hpu"), disable_tensor_cache=i % 2 == 1) for i, m in enumerate(models())]
    inputs = [torch.randn(rows, 8).to("hpu") for rows in (1, 2, 5, 16)]
    cases = [(m, x) for m in wrapped for x in inputs]
    with torch.no_grad():
        for _ in range(2):  # captured, then replayed
            expected = [[t.cpu() for t in tensors(m(x))] for m, x in cases]

        def round_():
            for (m, x), wanted in zip(cases, expected):
                for t, w in zip(tensors(m(x)), wanted):
                    assert torch.equal(t.cpu(), w)

        gc.collect()
        ht.hpu.synchronize()
        device, host = _native.memory_counters()["allocated"], resident_bytes()
        compiled = _native.compile_counters()["compilations"]
        for _ in range(REPLAYS // len(cases) + 1):
            round_()
        gc.collect()
        ht.hpu.synchronize()
        assert _native.memory_counters()["allocated"] == device
        assert _native.compile_counters()["compilations"] == compiled
        assert resident_bytes() - host <= 1 << 20
    assert all(len(m.forward.cache) == len(inputs) for m in wrapped)
