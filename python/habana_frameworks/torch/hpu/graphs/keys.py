"""What a call looks like: keys of its arguments, and the tensors in them."""

from __future__ import annotations

import collections
import copy
import dataclasses
import hashlib
from typing import Any, Callable, Dict, Hashable, List, Optional, Tuple

import torch

from habana_frameworks.torch import _native

from . import epoch


class ById:
    """An object that is equal to itself alone. Keeps it alive, so that no other takes its place."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _keys(mapping: Any) -> List[Any]:
    return sorted(mapping, key=lambda k: (type(k).__name__, repr(k)))


def parts(value: Any) -> Optional[Tuple[Hashable, Tuple[Any, ...]]]:
    """What kind of container `value` is, and what it holds; None if it is none. Dicts in an order that does not depend on how they were filled."""
    if isinstance(value, torch.Tensor):
        return None
    if isinstance(value, (dict, collections.UserDict)):
        keys = _keys(value)
        return ("dict", type(value), tuple((type(k), k) for k in keys)), tuple(value[k] for k in keys)
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return ("sequence", type(value)), tuple(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if hasattr(value, f.name)]
        return ("dataclass", type(value), tuple(names)), tuple(getattr(value, name) for name in names)
    if isinstance(value, slice):
        return ("slice",), (value.start, value.stop, value.step)
    return None


def remade(value: Any, children: Tuple[Any, ...]) -> Any:
    """A container like `value` that holds `children`, in the order of `parts`."""
    if isinstance(value, (dict, collections.UserDict)):
        made = copy.copy(value)
        for key, child in zip(_keys(value), children):
            made[key] = child
        return made
    if isinstance(value, list):
        made = copy.copy(value)
        made[:] = children
        return made
    if isinstance(value, tuple):
        return type(value)(*children) if hasattr(value, "_fields") else type(value)(children)
    if isinstance(value, slice):
        return slice(*children)
    made = copy.copy(value)
    for name, child in zip((f.name for f in dataclasses.fields(value) if hasattr(value, f.name)), children):
        object.__setattr__(made, name, child)
    return made


def replaced(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """`value` with `change(tensor)` for each of its tensors; what holds no changed one stays the same object."""
    if isinstance(value, torch.Tensor):
        return change(value)
    found = parts(value)
    if found is None:
        return value
    children = tuple(replaced(child, change) for child in found[1])
    if all(a is b for a, b in zip(children, found[1])):
        return value
    return remade(value, children)


def describe(value: Any) -> Tuple[Hashable, Optional[Tuple[Any, ...]]]:
    """For `_native.call_key`: a token to compare, and what is inside."""
    found = parts(value)
    if found is not None:
        return found
    if isinstance(value, torch.nn.Module):
        watch = epoch.watch_of(value)
        if watch.seen_epoch != epoch.epoch[0]:
            watch.refresh(value)
        return (ById(value), watch.generation, watch.modes), None
    if isinstance(value, torch.Tensor):  # sparse, quantised, of another device
        return ById(value), None
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes"):
        if value.dtype.hasobject:
            return ById(value), None
        return (type(value), str(value.dtype), value.shape, value.tobytes()), None
    if isinstance(value, (set, frozenset)):
        return (type(value), frozenset((type(v), v) for v in value)), None
    if isinstance(value, bytearray):
        return (bytearray, bytes(value)), None
    try:
        hash(value)
    except TypeError:
        return ById(value), None
    return (type(value), value), None


class InputHash(int):
    """A hash that remembers what it is of: two are equal if that is equal, so a dict never confuses two structures."""

    key: Hashable

    def __new__(cls, key: Hashable) -> "InputHash":
        plain = key if isinstance(key, bytes) else key[0]  # type: ignore[index]
        digest = int.from_bytes(hashlib.blake2b(plain, digest_size=7).digest(), "little")
        made = super().__new__(cls, digest)
        made.key = key
        return made

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, InputHash) else int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return int.__hash__(self)


def input_hash(obj: Any) -> InputHash:
    """An int that is equal for arguments that one graph serves: see the README for what it covers. Unhashable objects count by identity."""
    return InputHash(_native.call_key(0, (obj,), {}, describe)[0])


def extract_tensors(obj: Any, tensors: Optional[List[torch.Tensor]] = None) -> List[torch.Tensor]:
    """The tensors in nested tuples, lists, dicts and dataclasses; appended to `tensors` if that is given."""
    tensors = [] if tensors is None else tensors
    if isinstance(obj, torch.Tensor):
        tensors.append(obj)
    else:
        for child in (parts(obj) or ((), ()))[1]:
            extract_tensors(child, tensors)
    return tensors


def get_user_input_tensor_list(inputs: Any) -> List[torch.Tensor]:
    """The tensors on hpu in `inputs`, each once: what `HPUGraph.mark_user_inputs` takes."""
    seen: Dict[int, torch.Tensor] = {}
    for tensor in extract_tensors(inputs):
        if tensor.device.type == "hpu":
            seen.setdefault(id(tensor), tensor)
    return list(seen.values())


def get_tensor_info(obj: Any) -> List[Dict[str, Any]]:
    """Shape, dtype, device, strides and requires_grad of each tensor in `obj`."""
    return [
        {"shape": tuple(t.shape), "dtype": t.dtype, "device": t.device, "strides": t.stride(), "requires_grad": t.requires_grad} for t in extract_tensors(obj)
    ]


def copy_to(dst: Any, src: Any) -> None:
    """Copies every tensor of `src` into its counterpart in `dst`; both have one structure."""
    if isinstance(dst, torch.Tensor) and isinstance(src, torch.Tensor):
        if dst is not src:
            with torch.no_grad():
                dst.copy_(src, non_blocking=True)
        return
    assert type(dst) is type(src), f"copy_to: {type(dst).__name__} and {type(src).__name__} are of different types"
    mine, given = parts(dst), parts(src)
    if mine is None or given is None:
        return
    assert mine[0] == given[0] and len(mine[1]) == len(given[1]), f"copy_to: two {type(dst).__name__}s that hold different things"
    for a, b in zip(mine[1], given[1]):
        copy_to(a, b)
