"""Notices when the parameters, buffers or submodules of a module are replaced, without looking at them at every call.

Everything in PyTorch that replaces one goes through a few methods: these count an epoch, for the whole process. Who depends on a module's state compares one number,
and looks at the module (`StateWatch.refresh`) only when it changed.
"""

from __future__ import annotations

import functools
import threading
import types
from typing import Any, Callable, Dict, Iterable, List, Tuple

import torch

from habana_frameworks.torch import _native

Module = torch.nn.Module

epoch: List[int] = [0]  # one number; read as epoch[0]

_STATE_DICTS = ("_parameters", "_buffers", "_modules")
_STATE_NAMES = frozenset(_STATE_DICTS + ("training",))


def bump() -> None:
    """Something may have been replaced. Called after it was, so that whoever sees the new number sees the new state."""
    epoch[0] += 1


def _bumping(owner: type, name: str) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def replaced(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            bump()

    setattr(owner, name, replaced)


def _bumping_property(name: str) -> None:
    inherited = getattr(torch._C._TensorBase, name)

    def change(self: torch.Tensor, value: Any) -> None:
        inherited.__set__(self, value)
        bump()

    setattr(torch.Tensor, name, property(inherited.__get__, change, inherited.__delete__, inherited.__doc__))


def _install() -> None:
    set_attribute, delete_attribute = Module.__setattr__, Module.__delattr__

    @functools.wraps(set_attribute)
    def __setattr__(self: Module, name: str, value: Any) -> None:  # noqa: N807
        set_attribute(self, name, value)
        held = self.__dict__
        if name in _STATE_NAMES or name in held.get("_parameters", ()) or name in held.get("_buffers", ()) or name in held.get("_modules", ()):
            bump()

    @functools.wraps(delete_attribute)
    def __delattr__(self: Module, name: str) -> None:  # noqa: N807
        delete_attribute(self, name)
        bump()

    Module.__setattr__ = __setattr__
    Module.__delattr__ = __delattr__
    for name in ("register_buffer", "register_parameter", "add_module", "register_module", "_apply", "load_state_dict"):
        _bumping(Module, name)
    # Containers write to `_modules` themselves.
    for owner in (torch.nn.ModuleList, torch.nn.ModuleDict, torch.nn.Sequential):
        for name in ("insert", "__delitem__", "clear", "append", "extend"):
            if name in vars(owner):
                _bumping(owner, name)
    for name in ("requires_grad_", "set_"):
        _bumping(torch.Tensor, name)
    for name in ("data", "requires_grad"):
        _bumping_property(name)


def modules_of(function: Callable[..., Any]) -> List[Module]:
    """The modules whose state a function depends on, as far as Python shows them: its own (`module.forward`), its closure's, its globals'."""
    found: List[Module] = []
    seen = set()
    pending: List[Any] = [function]
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Module):
            found.append(value)
        elif isinstance(value, functools.partial):
            pending += [value.func, *value.args, *value.keywords.values()]
        elif isinstance(value, types.MethodType):
            pending += [value.__self__, value.__func__] if not isinstance(value.__self__, Module) else [value.__self__]
        elif isinstance(value, types.FunctionType):
            for cell in value.__closure__ or ():
                try:
                    pending.append(cell.cell_contents)
                except ValueError:  # not assigned yet
                    pass
            pending += value.__defaults__ or ()
            pending += [value.__globals__[name] for name in value.__code__.co_names if isinstance(value.__globals__.get(name), Module)]
    return found


class StateWatch:
    """The state that captured graphs of a function depend on.

    `generation` changes when a parameter, buffer or submodule is another one than before: graphs of an earlier generation are stale. `modes` is a number for the training
    flags and requires_grad of all of them: part of a graph's key.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # for whoever uses graphs of this state
        self.seen_epoch = -1
        self.generation = 0
        self.modes = 0
        self._known_modes: Dict[Tuple[bytes, bytes], int] = {}
        self._identity = b""
        self._modules: List[Module] = []
        self._dicts: List[Dict[str, Any]] = []
        self._kept: List[Any] = []  # so that no other object takes the place of one in `_identity`

    def refresh(self, function: Callable[..., Any]) -> None:
        """Looks at the modules of `function`; call it when `epoch[0]` is not `seen_epoch`."""
        self.seen_epoch = epoch[0]
        identity, flags = _native.module_state(self._dicts)
        if identity != self._identity or not self._dicts:
            self._modules = [m for root in modules_of(function) for m in root.modules()]
            self._dicts = [m.__dict__[name] for m in self._modules for name in _STATE_DICTS]
            identity, flags = _native.module_state(self._dicts)
            if identity != self._identity:
                self._identity = identity
                self.generation += 1
            # Aliases keep the memory's identity, the objects theirs.
            self._kept = [self._modules] + [(t, t.detach()) for t in self.tensors()]
        training = bytes(bool(m.training) for m in self._modules)
        self.modes = self._known_modes.setdefault((training, flags), len(self._known_modes))

    def tensors(self) -> Iterable[torch.Tensor]:
        """The parameters and buffers, each as often as it is held."""
        return (t for held in self._dicts for t in held.values() if isinstance(t, torch.Tensor))

    # A copy of a module is watched anew.

    def __deepcopy__(self, memo: Dict[int, Any]) -> "StateWatch":
        return StateWatch()

    def __reduce__(self) -> Tuple[Any, ...]:
        return (StateWatch, ())


def watch_of(module: Module) -> StateWatch:
    """The module's own watch."""
    return module.__dict__.setdefault("_hpu_graph_watch", StateWatch())


_install()
