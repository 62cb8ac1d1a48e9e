"""HPU Graphs: capture a region's work once, replay it without dispatching an operator again."""

from __future__ import annotations

import collections
import dataclasses
from types import TracebackType
from typing import Any, Callable, Dict, Hashable, List, Optional, Tuple, Type

import torch

from habana_frameworks.torch import _native

from .streams import Stream, StreamContext, current_stream, default_stream


class HPUGraph:
    """Captured device work. Between `capture_begin` and `capture_end` operators run as always and are recorded; `replay` launches them again.

    Input and output tensors keep their addresses: refresh inputs with `copy_`, read outputs where they were.
    """

    def __init__(self) -> None:
        self._graph = _native.Graph()

    def capture_begin(self, dry_run: bool = False) -> None:
        """Starts recording on the current stream. What was pending before is launched first."""
        if dry_run:
            raise NotImplementedError("HPUGraph.capture_begin(dry_run=True) is not supported yet")
        self._graph.capture_begin()

    def capture_end(self) -> None:
        """Ends the recording; the last segment is launched. Without a capture it does nothing."""
        self._graph.capture_end()

    def replay(self, asynchronous: bool = False) -> None:
        """Launches the recorded segments in order. Returns when they are submitted."""
        del asynchronous  # a launch never waits for the device
        self._graph.replay()

    def reset(self) -> None:
        """Drops what was recorded and the memory that it held."""
        self._graph.reset()

    def save(self, path: str) -> None:
        """Writes the recorded recipes to `path`: one file a segment if there are several (`path`, `path.1`, ...)."""
        self._graph.save(path)

    @property
    def segments(self) -> int:
        """How many segments were recorded."""
        return self._graph.segments

    def _abandon(self) -> None:
        self._graph.abandon()


class graph:  # noqa: N801  the vendor's name
    """`with ht.hpu.graph(g):` captures the body on `stream` (default: a side stream of its own). An exception abandons the capture."""

    default_capture_stream: Optional[Stream] = None

    def __init__(self, hpu_graph: HPUGraph, stream: Optional[Stream] = None, dry_run: bool = False) -> None:
        if stream is None:
            if graph.default_capture_stream is None:
                graph.default_capture_stream = Stream()
            stream = graph.default_capture_stream
        self.hpu_graph = hpu_graph
        self.capture_stream = stream
        self.dry_run = dry_run
        self._context = StreamContext(stream)

    def __enter__(self) -> None:
        _native.synchronize()
        self._context.__enter__()
        try:
            self.hpu_graph.capture_begin(self.dry_run)
        except BaseException:
            self._context.__exit__(None, None, None)
            raise

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        try:
            if kind is None:
                self.hpu_graph.capture_end()
            else:
                self.hpu_graph._abandon()
        finally:
            self._context.__exit__(kind, value, trace)


def is_current_stream_capturing() -> bool:
    """Whether this thread's current stream is recording a graph."""
    return _native.is_capturing()


def _flatten(value: Any, tensors: List[torch.Tensor]) -> Hashable:
    """The structure of `value` as something comparable; its tensors, in order, are appended to `tensors`."""
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return ("tensor", tuple(value.shape), value.stride(), value.dtype, value.device, value.requires_grad)
    if isinstance(value, (dict, collections.UserDict)):
        items = sorted(value.items(), key=lambda item: repr(item[0]))
        return ("dict", tuple((type(k), k, _flatten(v, tensors)) for k, v in items))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, tuple(_flatten(v, tensors) for v in value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return ("dataclass", type(value), tuple((f.name, _flatten(getattr(value, f.name), tensors)) for f in fields))
    try:
        hash(value)
    except TypeError:
        return ("object", id(value))
    return (type(value), value)


def _rebuild(value: Any, tensors: "collections.deque[torch.Tensor]") -> Any:
    """`value` with its tensors replaced, in the order in which `_flatten` found them."""
    if isinstance(value, torch.Tensor):
        return tensors.popleft()
    if isinstance(value, (dict, collections.UserDict)):
        made = {k: _rebuild(v, tensors) for k, v in sorted(value.items(), key=lambda item: repr(item[0]))}
        ordered = {k: made[k] for k in value}
        return ordered if type(value) is dict else type(value)(ordered)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_rebuild(v, tensors) for v in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_rebuild(v, tensors) for v in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{f.name: _rebuild(getattr(value, f.name), tensors) for f in dataclasses.fields(value)})
    return value


def _host_equal(mine: List[torch.Tensor], given: List[torch.Tensor]) -> bool:
    """Whether the tensors that are not on hpu have the values of the capture: a replay does not read them again."""
    return all(a.device.type == "hpu" or torch.equal(a, b) for a, b in zip(mine, given))


@dataclasses.dataclass
class _Captured:
    graph: HPUGraph
    inputs: List[torch.Tensor]  # the graph's own
    outputs: Any
    arguments: Any  # as given: what the key knows by identity stays alive
    state: bytes


class _Wrapped:
    """A function behind a cache of graphs, one for each structure of its arguments."""

    def __init__(self, function: Callable[..., Any], module: Optional[torch.nn.Module], max_graphs: Optional[int]) -> None:
        self.function = function
        self.module = module
        self.max_graphs = max_graphs
        self.cache: Dict[Hashable, _Captured] = {}
        self._dicts: List[Dict[str, Any]] = []  # the module's parameters, buffers and submodules

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bypass = kwargs.pop("bypass_hpu_graphs", False)
        if bypass or _native.is_capturing():
            return self.function(*args, **kwargs)
        tensors: List[torch.Tensor] = []
        structure = _flatten((args, kwargs), tensors)
        training = self.module.training if self.module is not None else None
        key = (structure, training, torch.is_grad_enabled(), torch.is_inference_mode_enabled())
        found = self.cache.get(key)
        if found is not None and not (found.state == _native.identity(self._dicts) and _host_equal(found.inputs, tensors)):
            del self.cache[key]
            found = None
        if found is None and self.max_graphs is not None and len(self.cache) >= self.max_graphs:
            return self.function(*args, **kwargs)
        if _native.current_stream() == 0:
            return self._run(found, key, tensors, args, kwargs)
        # Graphs live on the default stream: it starts after what is here, and what comes here later starts after it.
        here, default = current_stream(), default_stream()
        default.wait_stream(here)
        with StreamContext(default):
            outputs = self._run(found, key, tensors, args, kwargs)
        here.wait_stream(default)
        return outputs

    def _run(self, found: Optional[_Captured], key: Hashable, tensors: List[torch.Tensor], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
        if found is None:
            return self._capture(key, tensors, args, kwargs)
        with torch.no_grad():
            for mine, given in zip(found.inputs, tensors):
                if mine is not given and given.device.type == "hpu":
                    mine.copy_(given)
        found.graph.replay()
        return found.outputs

    def _capture(self, key: Hashable, tensors: List[torch.Tensor], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Any:
        modules = list(self.module.modules()) if self.module is not None else []
        self._dicts = [held for m in modules for held in (m._parameters, m._buffers, m._modules)]
        state = [t for held in self._dicts for t in held.values() if isinstance(t, torch.Tensor) and t.device.type == "hpu"]
        if not state and not any(t.device.type == "hpu" for t in tensors):
            return self.function(*args, **kwargs)  # not moved to hpu yet
        for tensor in state:
            _native.mark_weight(tensor)
        # The static inputs are the graph's own: the caller's first tensors are never written.
        own = [t.detach().clone().requires_grad_(t.requires_grad) for t in tensors]
        mine_args, mine_kwargs = _rebuild((args, kwargs), collections.deque(own))
        captured = HPUGraph()
        captured.capture_begin()
        try:
            outputs = self.function(*mine_args, **mine_kwargs)
        except BaseException:
            captured._abandon()
            raise
        captured.capture_end()
        self.cache[key] = _Captured(captured, own, outputs, (mine_args, mine_kwargs), _native.identity(self._dicts))
        return outputs

    @property
    def graphs(self) -> List[HPUGraph]:
        """The captured graphs, in order of capture."""
        return [entry.graph for entry in self.cache.values()]

    def clear_cache(self) -> None:
        """Drops every captured graph."""
        for entry in self.cache.values():
            entry.graph.reset()
        self.cache.clear()


def wrap_in_hpu_graph(
    module: torch.nn.Module,
    asynchronous: bool = False,
    disable_tensor_cache: bool = False,
    dry_run: bool = False,
    max_graphs: Optional[int] = None,
) -> torch.nn.Module:
    """Makes `module.forward` capture a graph for each structure of its arguments, and replay it from the second call on. Returns the same module.

    The outputs of a graph are its own tensors: the next call with the same structure overwrites them. Adds `module.clear_cache()`.
    """
    if disable_tensor_cache or dry_run:
        raise NotImplementedError("wrap_in_hpu_graph: disable_tensor_cache and dry_run are not supported yet")
    del asynchronous
    wrapped = _Wrapped(module.forward, module, max_graphs)
    module.forward = wrapped  # type: ignore[assignment]
    module.clear_cache = wrapped.clear_cache  # type: ignore[assignment]
    return module


def wrap_in_hpu_graph_func(
    func: Callable[..., Any],
    asynchronous: bool = False,
    disable_tensor_cache: bool = False,
    dry_run: bool = False,
    max_graphs: Optional[int] = None,
) -> Callable[..., Any]:
    """`wrap_in_hpu_graph` for a function."""
    if disable_tensor_cache or dry_run:
        raise NotImplementedError("wrap_in_hpu_graph_func: disable_tensor_cache and dry_run are not supported yet")
    del asynchronous
    return _Wrapped(func, None, max_graphs)
