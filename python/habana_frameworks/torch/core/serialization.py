"""torch.save and torch.load with tensors on hpu.

Saving writes them as CPU tensors, by storage: what shared memory shares it again, and any PyTorch can read the file. Loading with map_location="hpu" reads each
storage on the CPU and moves it once. A plain pickle keeps the device, as PyTorch's own does.
"""

from __future__ import annotations

import collections
import functools
import threading
from typing import Any, Callable, Dict, Optional, Tuple

import torch
import torch.serialization


class _State(threading.local):
    saving: "Optional[Dict[Tuple[int, torch.dtype], Tuple[torch.Tensor, torch.TypedStorage]]]" = None
    loading: "Optional[_Loading]" = None


_state = _State()


class _Loading:
    """The storages of one torch.load that go to hpu. A file of the old format brings its values after its tensors: they are copied `late`."""

    def __init__(self, late: bool) -> None:
        self.late = late
        self.wanted: Dict[int, torch.UntypedStorage] = {}
        self.moved: Dict[Tuple[int, torch.dtype], Tuple[torch.Tensor, torch.Tensor]] = {}  # (on the CPU, on hpu), both flat

    def flat_on_hpu(self, storage: Any) -> torch.Tensor:
        key = (storage.untyped()._cdata, storage.dtype)
        if key not in self.moved:
            flat = torch.tensor([], dtype=storage.dtype).set_(storage.untyped())
            self.moved[key] = (flat, torch.empty_like(flat, device="hpu") if self.late else flat.to("hpu"))
        return self.moved[key][1]

    def finish(self) -> None:
        if self.late:
            for host, there in self.moved.values():
                there.copy_(host)


def flat(tensor: torch.Tensor) -> torch.Tensor:
    """The whole storage of a tensor, as one dimension of its dtype."""
    elements = tensor.storage().nbytes() // tensor.element_size()
    return tensor.detach().as_strided((elements,), (1,), 0)


def _host_storage(tensor: torch.Tensor, saved: "Dict[Tuple[int, torch.dtype], Tuple[torch.Tensor, torch.TypedStorage]]") -> torch.TypedStorage:
    key = (tensor.storage()._cdata, tensor.dtype)
    if key not in saved:
        saved[key] = (tensor.detach(), flat(tensor).cpu().storage())
    return saved[key][1]


def _location_function(map_location: Any) -> Optional[Callable[[Any, str], Any]]:
    """What torch.load shall be given instead of `map_location`; None if it can have it as it is."""
    if callable(map_location) and not isinstance(map_location, dict):
        return None

    def restore(storage: Any, location: str) -> Any:
        target = location
        if isinstance(map_location, dict):
            target = map_location.get(location, location)
        elif map_location is not None:
            target = map_location
        name = str(target)
        if name.split(":")[0] != "hpu":
            return torch.serialization.default_restore_location(storage, name)
        loading = _state.loading
        assert loading is not None
        loading.wanted[storage._cdata] = storage
        return storage

    return restore


def overwrite_torch_functions() -> None:
    """Replaces torch.save, torch.load and what rebuilds a tensor from its storage."""
    host_save, host_load = torch.save, torch.load
    host_reduce, host_rebuild = torch.Tensor._reduce_ex_internal, torch._utils._rebuild_tensor

    @functools.wraps(host_reduce)
    def reduce(self: torch.Tensor, proto: int) -> Any:
        if self.device.type != "hpu" or _state.saving is None:
            return host_reduce(self, proto)
        torch.utils.hooks.warn_if_has_hooks(self)
        storage = _host_storage(self, _state.saving)
        arguments = (storage, self.storage_offset(), tuple(self.size()), self.stride(), self.requires_grad, collections.OrderedDict())
        return (torch._utils._rebuild_tensor_v2, arguments)

    @functools.wraps(host_rebuild)
    def rebuild(storage: Any, storage_offset: int, size: Any, stride: Any) -> torch.Tensor:
        loading = _state.loading
        if loading is None or storage.untyped()._cdata not in loading.wanted:
            return host_rebuild(storage, storage_offset, size, stride)
        return loading.flat_on_hpu(storage).as_strided(tuple(size), tuple(stride), storage_offset).data

    @functools.wraps(host_save)
    def save(*args: Any, **kwargs: Any) -> None:
        outer, _state.saving = _state.saving, {}
        try:
            host_save(*args, **kwargs)
        finally:
            _state.saving = outer

    @functools.wraps(host_load)
    def load(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        restore = _location_function(map_location)
        if restore is None:
            return host_load(f, map_location, *args, **kwargs)
        outer, _state.loading = _state.loading, _Loading(late=not _is_new_format(f))
        try:
            result = host_load(f, restore, *args, **kwargs)
            _state.loading.finish()
            return result
        finally:
            _state.loading = outer

    torch.Tensor._reduce_ex_internal = reduce
    torch._utils._rebuild_tensor = rebuild
    torch.save = torch.serialization.save = save
    torch.load = torch.serialization.load = load


def _is_new_format(f: Any) -> bool:
    if hasattr(f, "read"):
        return torch.serialization._is_zipfile(f)
    with open(f, "rb") as file:
        return torch.serialization._is_zipfile(file)
