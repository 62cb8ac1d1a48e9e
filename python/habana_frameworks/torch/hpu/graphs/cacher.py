"""`ModuleCacher`: training a model through graphs, one pair for each structure of its arguments."""

from __future__ import annotations

import copy
import functools
import inspect
from typing import Any, Callable, Dict, Hashable, List, Tuple

import torch

from habana_frameworks.torch import _native

from . import budget
from .callables import Graphed
from .environment import Options
from .epoch import StateWatch, epoch
from .keys import describe, replaced
from .packer import Index, TensorPacker


class GraphModel(torch.nn.Module):
    """A model called with one structure of arguments, as a function of their tensors on hpu alone."""

    def __init__(self, model: torch.nn.Module, forward: Callable[..., Any], metadata: Any) -> None:
        super().__init__()
        self.model = model
        self._original = forward
        self._inputs = TensorPacker()
        self._outputs = TensorPacker(is_out_pack=True)
        self._metadata = metadata
        self._out_metadata: Any = None

    def forward(self, *tensors: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        args, kwargs = self._inputs.unpack(tensors, self._metadata)
        outputs, self._out_metadata = self._outputs.pack(self._original(*args, **kwargs))
        return outputs

    def outputs(self, tensors: Tuple[torch.Tensor, ...]) -> Any:
        """The model's outputs, made of what `forward` returned."""
        return self._outputs.unpack(tensors, self._out_metadata)


class _Entry(budget.Budgeted):
    def __init__(self, cache: Dict[Hashable, Any], key: Hashable, graphed: Graphed, model: GraphModel) -> None:
        super().__init__(cache, key, graphed)
        self.model = model


class _Cached:
    """The forward of a model that ModuleCacher was given."""

    def __init__(self, model: torch.nn.Module, original: Callable[..., Any], options: Dict[str, Any]) -> None:
        functools.update_wrapper(self, original)
        self.model, self.original, self.options = model, original, options
        self.signature = inspect.signature(original)
        self.watch = StateWatch()
        self.cache: Dict[Hashable, _Entry] = {}
        self.counts: Dict[Hashable, int] = {}  # calls of each structure
        self.calls = self.hits = 0
        self.iteration = 0
        self.may_capture = True
        self.tracing = False

    def __reduce__(self) -> Tuple[Any, ...]:
        return (_Cached, (self.model, self.original, self.options))

    # --- what the model gets beside its forward

    def set_iteration_count(self, iteration: int) -> None:
        """With gradient accumulation: which backward since the optimizer's last step comes next. The first has graphs of its own."""
        self.iteration = iteration

    def is_hpugraph_tracing(self) -> bool:
        """Whether the model's forward is being captured now."""
        return self.tracing

    def capture_start(self) -> None:
        """New structures get graphs from now on."""
        self.may_capture = True

    def capture_end(self) -> None:
        """New structures run uncaptured from now on."""
        self.may_capture = False

    # --- calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (self.model.training and torch.is_grad_enabled()) or _native.is_capturing() or self.tracing:
            return self.original(*args, **kwargs)
        if self.watch.seen_epoch != epoch[0]:
            self.watch.refresh(self.model)
            for entry in list(self.cache.values()):
                if entry.graph.state[0] != self.watch.generation:
                    entry.drop()
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        first = self.options["have_grad_accumulation"] and self.iteration == 0
        key, tensors = _native.call_key(self.watch.modes * 2 + first, bound.args, bound.kwargs, describe)
        self._count(key)
        entry = self.cache.get(key)
        if entry is not None and not entry.enter():
            entry = None
        if entry is None:
            if not tensors or not self._make_room(key):
                return self.original(*args, **kwargs)
            entry = self._capture(key, tensors, bound.args, bound.kwargs)
        else:
            self.hits += 1
        # In use until its backward has run: the graph keeps the activations.
        return entry.model.outputs(entry.graph(*tensors))

    def _count(self, key: Hashable) -> None:
        self.calls += 1
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.options["verbose"] and self.calls % self.options["log_frequency"] == 0:
            print(f"ModuleCacher: {self.calls} calls, {self.hits} of them replayed, {len(self.cache)} graphs, {len(self.counts)} structures")

    def _make_room(self, key: Hashable) -> bool:
        """Whether `key` may have a graph. With use_lfu, one that is called less often makes room."""
        if not self.may_capture:
            return False
        if len(self.cache) < self.options["max_graphs"]:
            return True
        if not self.options["use_lfu"]:
            return False
        idle = [k for k, entry in self.cache.items() if not entry.busy]
        rarest = min(idle, key=lambda k: self.counts[k], default=key)
        if self.counts[rarest] >= self.counts[key]:
            return False
        self.cache[rarest].drop()
        return True

    def _capture(self, key: Hashable, tensors: List[torch.Tensor], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> _Entry:
        places = {id(t): Index(i) for i, t in enumerate(tensors)}
        metadata = replaced((args, kwargs), lambda t: places.get(id(t), t))
        model = GraphModel(self.model, self.original, metadata)
        self.tracing = True
        try:
            graphed = Graphed(
                model.forward,
                tuple(tensors),
                Options(self.options["asynchronous"], self.options["disable_tensor_cache"], self.options["dry_run"]).now(),
                self.model,
                self.watch,
            ).capture(allow_unused_input=self.options["allow_unused_input"])
        finally:
            self.tracing = False
        entry = self.cache[key] = _Entry(self.cache, key, graphed, model)
        graphed.after_backward = entry.leave
        budget.measure(entry)
        budget.enforce()
        return entry


class ModuleCacher:
    """Makes models train through HPU Graphs.

        model = ht.hpu.ModuleCacher(max_graphs=10)(model)

    Args:
        max_graphs: how many structures of arguments get graphs; calls of others run uncaptured.
    """

    def __init__(self, max_graphs: int = 10) -> None:
        self.max_graphs = max_graphs

    def __call__(
        self,
        model: torch.nn.Module,
        use_lfu: bool = False,
        inplace: bool = True,
        allow_unused_input: bool = False,
        asynchronous: bool = False,
        have_grad_accumulation: bool = False,
        log_frequency: int = 100,
        verbose: bool = False,
        disable_tensor_cache: bool = False,
        dry_run: bool = False,
    ) -> torch.nn.Module:
        """Calls of `model` in training, with gradients enabled, replay graphs from the second of a structure on; others run as before.

        Args:
            use_lfu: when there is no room, the graphs of the least frequently called structure go, if the new one is called more often.
            inplace: change `model`; else a shallow copy, which shares its parameters.
            allow_unused_input: inputs and parameters may take no part in the outputs.
            asynchronous: errors that a replay finds come at the next synchronisation.
            have_grad_accumulation: the first backward of an optimizer's step (`model.set_iteration_count(0)`) has graphs of its own.
            log_frequency: with `verbose`, how many calls lie between two printed lines.
            disable_tensor_cache: outputs belong to the caller, and are not overwritten by the next call.
            dry_run: the captures execute nothing.
        """
        if isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
            raise RuntimeError("Use DataParallel/DistributedDataParallel only after wrapping with ModuleCacher")
        for parameter in inspect.signature(model.forward).parameters.values():
            if parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
                raise RuntimeError(f"Unsupported argument type : {parameter.kind}")
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                print("[WARNING] Variable keyword arguments will not be supported.")
        if not inplace:
            copied = copy.copy(model)
            copied.__dict__ = dict(model.__dict__)
            if inspect.ismethod(model.forward):
                copied.forward = type(model).forward.__get__(copied)  # type: ignore[assignment]
            model = copied
        options = {
            "max_graphs": self.max_graphs,
            "use_lfu": use_lfu,
            "allow_unused_input": allow_unused_input,
            "asynchronous": asynchronous,
            "have_grad_accumulation": have_grad_accumulation,
            "log_frequency": log_frequency,
            "verbose": verbose,
            "disable_tensor_cache": disable_tensor_cache,
            "dry_run": dry_run,
        }
        cached = _Cached(model, model.forward, options)
        model.forward = cached  # type: ignore[assignment]
        for name in ("set_iteration_count", "is_hpugraph_tracing", "capture_start", "capture_end"):
            setattr(model, name, getattr(cached, name))
        return model
