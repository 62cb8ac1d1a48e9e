"""What importing the package changes in PyTorch, all in one place."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import List

import torch

from habana_frameworks.torch.hpu import autocast, random

from . import serialization, tensors, weight_sharing

# Names of the modules being run, innermost last. Nothing is pushed: errors and traces name the user's line instead.
_name_stack: List[str] = []

_done = False


def register_device(hpu: ModuleType) -> None:
    """`torch.hpu` is the module, and so are its parts: `import torch.hpu.random` makes no second copy."""
    torch._register_device_module("hpu", hpu)
    prefix = hpu.__name__ + "."
    for name in [name for name in sys.modules if name.startswith(prefix)]:
        sys.modules["torch.hpu." + name[len(prefix) :]] = sys.modules[name]
    if not hasattr(torch.profiler.ProfilerActivity, "HPU"):
        # What PyTorch's profiler sees of hpu is the host's side; the device's own timeline is utils.simulator.trace.
        torch.profiler.ProfilerActivity.HPU = torch.profiler.ProfilerActivity.CPU


def overwrite_torch_functions() -> None:
    """Does it, once a process."""
    global _done
    if _done:
        return
    _done = True
    tensors.overwrite_torch_functions()
    serialization.overwrite_torch_functions()
    random.overwrite_torch_functions()
    autocast.overwrite_torch_functions()
    if weight_sharing.enabled():
        weight_sharing.patch_apply()
