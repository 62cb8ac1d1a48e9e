"""Modules and functions behind a cache of graphs, one for each structure of their arguments."""

from __future__ import annotations

import functools
import weakref
from typing import Any, Callable, Dict, Hashable, Iterable, List, Optional, Tuple

import torch

from habana_frameworks.torch import _native

from ..streams import Stream
from . import budget
from .capture import HPUGraph, as_laid_out, on_default_stream, own_copies
from .environment import Options, flag
from .epoch import StateWatch, epoch, modules_of, watch_of
from .keys import ById, describe, extract_tensors, get_user_input_tensor_list, replaced

_call_key, _is_capturing, _copy_inputs = _native.call_key, _native.is_capturing, _native.copy_inputs


class CachedParams:
    """A captured graph with its static inputs and outputs. Whoever writes to `graph_inputs` and calls with them pays no copy."""

    def __init__(self, graph_inputs: Any, graph_outputs: Any, graph: Optional[HPUGraph] = None) -> None:
        self.graph_inputs = graph_inputs
        self.graph_outputs = graph_outputs
        self.graph = graph


class _Entry(budget.Budgeted, CachedParams):
    """`tensors` are the static inputs, `written` those of them that the function writes to: the caller's are written too."""

    def __init__(self, cache: Dict[Hashable, Any], key: Hashable, graph: HPUGraph, inputs: Any, tensors: List[torch.Tensor]) -> None:
        CachedParams.__init__(self, inputs, None, graph)
        budget.Budgeted.__init__(self, cache, key, graph)
        self.tensors = tensors
        self.versions = [t._version for t in tensors]
        self.written: List[int] = []
        self.generation = 0
        self.kept: Any = None
        self.released: Optional[_Released] = None

    def captured(self, outputs: Any) -> None:
        self.graph_outputs = outputs
        self.written = [i for i, t in enumerate(self.tensors) if t._version != self.versions[i]]

    def replay(self, given: List[torch.Tensor], asynchronous: bool) -> Any:
        if self.released is not None:
            return self.released.replay(self, given, asynchronous)
        _copy_inputs(self.tensors, given)
        self.graph._graph.replay(asynchronous)
        if self.written:
            self.write_back(given)
        return self.graph_outputs

    def write_back(self, given: List[torch.Tensor]) -> None:
        with torch.inference_mode():  # where inference tensors may be written too
            for i in self.written:
                if given[i] is not self.tensors[i]:
                    given[i].copy_(self.tensors[i])


class _Released:
    """disable_tensor_cache: a graph that keeps neither inputs nor outputs. Replays use the caller's memory; outputs become the caller's."""

    def __init__(self, entry: _Entry, state: Iterable[torch.Tensor], cached: List[torch.Tensor]) -> None:
        graph = entry.graph._graph
        outputs = get_user_input_tensor_list(entry.graph_outputs)
        state = [*state, *cached]
        not_its_own = {_native.storage_id(t) for t in (*entry.tensors, *state)}
        own = [t for t, bound, read in zip(outputs, graph.binds(outputs), graph.reads_first(outputs)) if bound and not read]
        self.taken = [t for t in own if _native.storage_id(t) not in not_its_own]
        self.bound = [i for i, bound in enumerate(graph.binds(entry.tensors)) if bound]
        graph.release_others(outputs + state)

    def forget_inputs(self, entry: _Entry) -> None:
        """From now on each replay brings its inputs; those of the capture give their memory back."""
        graph = entry.graph._graph
        inputs = [entry.tensors[i] for i in self.bound]
        graph.forget(inputs)
        not_inputs = {_native.storage_id(t) for t in get_user_input_tensor_list(entry.graph_outputs)}
        _native.drop_memory([t for t in inputs if _native.storage_id(t) not in not_inputs])

    def replay(self, entry: _Entry, given: List[torch.Tensor], asynchronous: bool) -> Any:
        captured, rebound, back = [], [], []
        for i in self.bound:
            static, new = entry.tensors[i], as_laid_out(given[i], entry.tensors[i])
            if i in entry.written:
                shared = sum(_native.storage_id(t) == _native.storage_id(new) for t in given)
                if shared > 1:  # the graph knows nothing of others that lie in the memory that it writes
                    new = new.clone()
                if new is not given[i]:
                    back.append((given[i], new))
            captured.append(static)
            rebound.append(new)
        entry.graph._graph.replay_rebound(captured, rebound, asynchronous)
        if back:
            with torch.inference_mode():
                for theirs, new in back:
                    theirs.copy_(new)
        return self.results(entry, given)

    def results(self, entry: _Entry, given: List[torch.Tensor]) -> Any:
        """What the last run left, as tensors of the caller's."""
        theirs: Dict[int, torch.Tensor] = dict(zip(map(id, self.taken), entry.graph._graph.take_outputs(self.taken)))
        inputs = {_native.storage_id(t): (t, new) for t, new in zip(entry.tensors, given)}
        theirs.update(zip(map(id, entry.tensors), given))

        def change(tensor: torch.Tensor) -> torch.Tensor:
            if id(tensor) in theirs:
                return theirs[id(tensor)]
            static, new = inputs.get(_native.storage_id(tensor), (None, None))
            if static is None:
                return tensor
            return as_laid_out(new, static).as_strided(tensor.size(), tensor.stride(), new.storage_offset() + tensor.storage_offset())

        return replaced(entry.graph_outputs, change)


def _capture(
    cache: Dict[Hashable, Any],
    key: Hashable,
    watch: StateWatch,
    function: Callable[..., Any],
    tensors: List[torch.Tensor],
    args: Tuple[Any, ...],
    kwargs: Dict[str, Any],
    extra: List[torch.Tensor],
    options: Options,
) -> Any:
    state = [t for t in watch.tensors() if t.device.type == "hpu"]
    for tensor in state:
        _native.mark_weight(tensor)
    # The static inputs are the graph's own: the caller's first tensors are never written by later calls.
    own = own_copies(tensors)
    mine = {id(t): copy for t, copy in zip(tensors, own)}
    inputs = mine_args, mine_kwargs = replaced((args, kwargs), lambda t: mine.get(id(t), t))
    graph = HPUGraph()
    entry = _Entry(cache, key, graph, inputs, own)
    try:
        graph.capture_begin(options.dry_run)
        entry.captured(function(*mine_args, **mine_kwargs))
        graph.capture_end()
        entry.kept = extra
        if options.disable_tensor_cache:
            entry.released = _Released(entry, state, extra)
            if not options.dry_run:
                entry.write_back(tensors)
                outputs = entry.released.results(entry, tensors)
            entry.released.forget_inputs(entry)
            if options.dry_run:
                outputs = entry.released.replay(entry, tensors, options.asynchronous)
        else:
            if options.dry_run:
                graph.replay(options.asynchronous)
            entry.write_back(tensors)
            outputs = entry.graph_outputs
        if watch.seen_epoch != epoch[0]:  # the function replaced something itself
            watch.refresh(function)
        entry.generation = watch.generation
        budget.measure(entry)
        cache[key] = entry
    except BaseException:
        graph._abandon()
        entry.drop()
        raise
    try:
        budget.enforce()
    finally:
        entry.leave()
    return outputs


def _warmed_up(entry: _Entry) -> Any:
    """What a hit gives without a replay: the outputs as they are; where they were given away, zeros."""
    _native.mark_step(False)
    if entry.released is None:
        return entry.graph_outputs
    return replaced(entry.graph_outputs, lambda t: torch.zeros_like(t) if t.device.type == "hpu" else t)


def _call(
    cache: Dict[Hashable, Any],
    watch: StateWatch,
    function: Callable[..., Any],
    args: Tuple[Any, ...],
    kwargs: Dict[str, Any],
    options: Options,
    max_graphs: Optional[int],
) -> Any:
    bypass = warmup = False
    extra: List[torch.Tensor] = []
    if kwargs:
        bypass = kwargs.pop("bypass_hpu_graphs", False)
        warmup = kwargs.pop("warmup_mode", False)
        extra = extract_tensors(kwargs.pop("cache_tensors_list", None) or ())
    if bypass or _is_capturing():
        return function(*args, **kwargs)
    release = flag("PT_HPUGRAPH_DISABLE_TENSOR_CACHE", options.disable_tensor_cache)
    with watch.lock:
        if watch.seen_epoch != epoch[0]:
            watch.refresh(function)
            for entry in list(cache.values()):
                if isinstance(entry, _Entry) and entry.generation != watch.generation:
                    entry.drop()
        key, tensors = _call_key(watch.modes * 2 + release, args, kwargs, describe)
        if extra:
            key = (key, tuple(map(ById, extra)))
        entry = cache.get(key)
        if entry is not None and not entry.enter():
            entry = None
        if entry is not None:
            try:
                return _warmed_up(entry) if warmup else on_default_stream(entry.replay, tensors, options.asynchronous)
            finally:
                entry.leave()
        on_hpu = tensors or any(t.device.type == "hpu" for t in watch.tensors())
        if on_hpu and (max_graphs is None or len(cache) < max_graphs):
            return on_default_stream(_capture, cache, key, watch, function, tensors, args, kwargs, extra, options.now())
    return function(*args, **kwargs)


class _Wrapped:
    """A function behind a cache of graphs."""

    def __init__(self, function: Callable[..., Any], options: Options, max_graphs: Optional[int]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self.max_graphs = max_graphs
        self.watch = StateWatch()
        self.cache: Dict[Hashable, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _call(self.cache, self.watch, self.function, args, kwargs, self.options, self.max_graphs)

    @property
    def graphs(self) -> List[HPUGraph]:
        """The captured graphs, in order of capture."""
        return [entry.graph for entry in self.cache.values()]

    def clear_cache(self) -> None:
        """Drops every captured graph."""
        with self.watch.lock:
            for entry in list(self.cache.values()):
                entry.drop()

    def clear_inputs(self) -> None:
        """Gives back the memory of the static inputs; the next call of each graph brings it anew. Synchronize first."""
        with self.watch.lock:
            for entry in self.cache.values():
                if entry.released is None:
                    outputs = {_native.storage_id(t) for t in get_user_input_tensor_list(entry.graph_outputs)}
                    _native.drop_memory([t for t in entry.tensors if _native.storage_id(t) not in outputs])

    # A copy has graphs of its own; a file has none.

    def __reduce__(self) -> Tuple[Any, ...]:
        return (_Wrapped, (self.function, self.options, self.max_graphs))


def wrapped_hpugraph_forward(
    cache: Dict[Hashable, Any],
    stream: Optional[Stream],
    orig_fwd: Callable[..., Any],
    args: Tuple[Any, ...],
    kwargs: Dict[str, Any],
    disable_tensor_cache: bool = False,
    asynchronous: bool = False,
    dry_run: bool = False,
    max_graphs: Optional[int] = None,
) -> Any:
    """A call of `orig_fwd` through the graphs in `cache`: a dict of the caller's, which fills with CachedParams. `stream` is the default one."""
    del stream
    modules = modules_of(orig_fwd)
    watch = watch_of(modules[0]) if len(modules) == 1 else _function_watches.setdefault(orig_fwd, StateWatch())
    return _call(cache, watch, orig_fwd, tuple(args), dict(kwargs), Options(asynchronous, disable_tensor_cache, dry_run), max_graphs)


_function_watches: "weakref.WeakKeyDictionary[Callable[..., Any], StateWatch]" = weakref.WeakKeyDictionary()


def wrap_in_hpu_graph(
    module: torch.nn.Module,
    asynchronous: bool = False,
    disable_tensor_cache: bool = False,
    dry_run: bool = False,
    max_graphs: Optional[int] = None,
) -> torch.nn.Module:
    """Makes `module.forward` capture a graph for each structure of its arguments, and replay it from the second call on. Returns the same module.

    The outputs of a graph are its own tensors: the next call with the same structure overwrites them. Calls take three more keywords: `bypass_hpu_graphs=True` runs the
    original forward, `warmup_mode=True` returns what a captured graph holds without a replay, `cache_tensors_list` names tensors to keep alive with the graph.

    Args:
        asynchronous: errors that a replay finds come at the next synchronisation.
        disable_tensor_cache: outputs belong to the caller, and the graph keeps no memory between calls; inputs are used where they are, without a copy.
        dry_run: a capture executes nothing; its first replay does.
        max_graphs: what needs one more runs the original forward.

    Adds `module.clear_cache()` and `module.clear_inputs()`.
    """
    wrapped = _Wrapped(module.forward, Options(asynchronous, disable_tensor_cache, dry_run), max_graphs)
    module.forward = wrapped  # type: ignore[assignment]
    module.clear_cache = wrapped.clear_cache  # type: ignore[assignment]
    module.clear_inputs = wrapped.clear_inputs  # type: ignore[assignment]
    return module


def wrap_in_hpu_graph_func(
    func: Callable[..., Any],
    asynchronous: bool = False,
    disable_tensor_cache: bool = False,
    dry_run: bool = False,
    max_graphs: Optional[int] = None,
) -> Callable[..., Any]:
    """`wrap_in_hpu_graph` for a function. Modules that it names (closure, globals, partial arguments) are watched as a wrapped module's own are."""
    wrapped = _Wrapped(func, Options(asynchronous, disable_tensor_cache, dry_run), max_graphs)

    @functools.wraps(func)
    def function(*args: Any, **kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    return function
