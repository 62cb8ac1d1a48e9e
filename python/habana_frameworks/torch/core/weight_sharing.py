"""Parameters that modules share stay shared when the modules move to hpu.

PyTorch's `Module.to` replaces parameters on hpu (it is none of the devices whose tensors may change places), module by module: two modules with one weight would
have two. PT_HPU_WEIGHT_SHARING=0 leaves it at that.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Any, Callable, Dict, Tuple

import torch

_moving = threading.local()


def enabled() -> bool:
    """Whether PT_HPU_WEIGHT_SHARING and EXPERIMENTAL_WEIGHT_SHARING leave it on."""
    return all(os.environ.get(name, "1").lower() not in ("0", "false") for name in ("PT_HPU_WEIGHT_SHARING", "EXPERIMENTAL_WEIGHT_SHARING"))


def patch_apply() -> None:
    """Module._apply (that is `to`, `hpu`, `float` ...) gives modules that shared a parameter the same new one."""
    apply = torch.nn.Module._apply

    @functools.wraps(apply)
    def shared_apply(self: torch.nn.Module, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> torch.nn.Module:
        outermost = getattr(_moving, "made", None) is None
        if outermost:
            _moving.made = {}
        try:
            before = {name: param for name, param in self._parameters.items() if param is not None}
            result = apply(self, fn, *args, **kwargs)
            _restore_shared(self, before, _moving.made)
            return result
        finally:
            if outermost:
                _moving.made = None

    torch.nn.Module._apply = shared_apply


Made = Dict[int, Tuple[torch.nn.Parameter, torch.nn.Parameter]]  # of a parameter before: (it, kept alive; what replaced it)


def _restore_shared(module: torch.nn.Module, before: Dict[str, torch.nn.Parameter], made: Made) -> None:
    for name, param in before.items():
        replaced = module._parameters.get(name)
        if replaced is None or replaced is param:
            continue
        _, first = made.setdefault(id(param), (param, replaced))
        if first is not replaced:
            module._parameters[name] = first
