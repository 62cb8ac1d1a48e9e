"""Training through graphs: a forward and a backward graph as one node of autograd."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import torch

from habana_frameworks.torch import _native

from .capture import HPUGraph, on_default_stream, own_copies
from .environment import Options
from .epoch import StateWatch, epoch

Tensors = Tuple[torch.Tensor, ...]


class Graphed:
    """A function of tensors with a forward and a backward graph, captured for the shapes of `sample_args`.

    Captures again when a parameter that it depends on is replaced, or takes part in training otherwise than before.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        sample_args: Tensors,
        options: Options,
        watched: Optional[torch.nn.Module],
        watch: Optional[StateWatch] = None,
    ) -> None:
        self.function = function
        self.options = options
        self.watched = watched
        self.inputs = own_copies(sample_args)
        self.watch = StateWatch() if watch is None else watch
        self.graphs: List[HPUGraph] = []
        self.runs = 0  # forward replays so far: a backward belongs to the last
        self.after_backward: Callable[[], None] = lambda: None
        self.allow_unused_input = False

    # --- capture

    def capture(self, warmups: int = 0, allow_unused_input: bool = False) -> "Graphed":
        """Once, before the first call."""
        self.allow_unused_input = allow_unused_input
        on_default_stream(self._capture, warmups)
        return self

    def _capture(self, warmups: int = 0) -> None:
        self.reset()
        if self.watched is not None and self.watch.seen_epoch != epoch[0]:
            self.watch.refresh(self.watched)
        for tensor in self.watch.tensors():
            if tensor.device.type == "hpu":
                _native.mark_weight(tensor)
        self.parameters: Tensors = tuple(self.watched.parameters()) if self.watched is not None else ()
        self.surface: Tensors = (*self.inputs, *self.parameters)
        self.differentiated = tuple(t for t in self.surface if t.requires_grad)
        cached_casts = torch.is_autocast_cache_enabled()
        torch.set_autocast_cache_enabled(False)  # a cast from before the capture would not be made again
        try:
            with torch.enable_grad():
                for _ in range(warmups):
                    self._gradients(self._flat(self.function(*self.inputs))[0])
                self._capture_both()
        except BaseException:
            for graph in self.graphs:
                graph._abandon()
            self.reset()
            raise
        finally:
            torch.set_autocast_cache_enabled(cached_casts)
        if self.watch.seen_epoch != epoch[0] and self.watched is not None:
            self.watch.refresh(self.watched)
        self.state = (self.watch.generation, self.watch.modes)

    def _capture_both(self) -> None:
        forward = HPUGraph()
        self.graphs = [forward]
        forward.capture_begin(self.options.dry_run)
        self.outputs, self.was_tensor = self._flat(self.function(*self.inputs))
        forward.capture_end()
        self.ends = [i for i, o in enumerate(self.outputs) if o.requires_grad]
        self.given_grads: Tensors = tuple(torch.zeros_like(self.outputs[i]) for i in self.ends)
        self.grads: List[Optional[torch.Tensor]] = [None] * len(self.surface)
        if self.ends and self.differentiated:
            backward = HPUGraph()
            self.graphs.append(backward)
            backward.capture_begin(self.options.dry_run)
            found = iter(self._gradients(self.outputs, self.given_grads))
            backward.capture_end()
            self.grads = [next(found) if t.requires_grad else None for t in self.surface]
        saved = self.graphs[-1]._graph.binds(list(self.outputs)) if len(self.graphs) > 1 else [False] * len(self.outputs)
        inputs = {_native.storage_id(t) for t in self.surface}
        self.takeable = [not s and o.device.type == "hpu" and _native.storage_id(o) not in inputs for s, o in zip(saved, self.outputs)]

    def _gradients(self, outputs: Tensors, grads: Optional[Tensors] = None) -> Sequence[Optional[torch.Tensor]]:
        ends = tuple(o for o in outputs if o.requires_grad)
        if not ends or not self.differentiated:
            return ()
        if grads is None:
            grads = tuple(torch.zeros_like(o) for o in ends)
        return torch.autograd.grad(ends, self.differentiated, grads, only_inputs=True, allow_unused=self.allow_unused_input)

    @staticmethod
    def _flat(outputs: Any) -> Tuple[Tensors, bool]:
        return ((outputs,), True) if isinstance(outputs, torch.Tensor) else (tuple(outputs), False)

    # --- calls

    def __call__(self, *args: torch.Tensor) -> Union[torch.Tensor, Tensors]:
        if self.watched is not None and self.watch.seen_epoch != epoch[0]:
            self.watch.refresh(self.watched)
            if (self.watch.generation, self.watch.modes) != self.state:
                on_default_stream(self._capture)
        if len(args) != len(self.inputs):
            raise TypeError(f"the graph was captured with {len(self.inputs)} tensors and is called with {len(args)}")
        for i, (mine, given) in enumerate(zip(self.inputs, args)):
            if mine.shape != given.shape or mine.dtype != given.dtype or mine.device != given.device:
                raise RuntimeError(
                    f"argument {i} of the graph was captured as {mine.dtype} {tuple(mine.shape)} on {mine.device}, "
                    f"and is given as {given.dtype} {tuple(given.shape)} on {given.device}"
                )
        results = _Replay.apply(self, *args, *self.parameters)
        return results[0] if self.was_tensor else results

    def run_forward(self, args: Tensors) -> Tensors:
        _native.copy_inputs(self.inputs, list(args))
        self.graphs[0].replay(self.options.asynchronous)
        self.runs += 1
        if not self.options.disable_tensor_cache:
            return tuple(o.detach() for o in self.outputs)
        taken = iter(self.graphs[0]._graph.take_outputs([o for o, own in zip(self.outputs, self.takeable) if own]))
        return tuple(next(taken) if own else o.detach().clone() for o, own in zip(self.outputs, self.takeable))

    def run_backward(self, run: int, grads: Sequence[torch.Tensor]) -> Sequence[Optional[torch.Tensor]]:
        if run != self.runs or len(self.graphs) < 2:
            raise RuntimeError(
                "backward through a call of a graphed callable that was not its last: the graph keeps the activations of one call. "
                "Call backward before the next forward, or make a graphed callable for each."
            )
        _native.copy_inputs(list(self.given_grads), [grads[i] for i in self.ends])
        self.graphs[1].replay(self.options.asynchronous)
        self.after_backward()
        if not self.options.disable_tensor_cache:
            # Not views of them: autograd keeps a gradient that nobody else holds as `.grad`, which the next replay would overwrite.
            return self.grads
        return [None if g is None else g.clone() for g in self.grads]

    # --- as one graph of two, for the memory budget

    def memory(self) -> Dict[str, int]:
        each = [graph.memory() for graph in self.graphs]
        return {name: sum(m[name] for m in each) for name in (each[0] if each else ())}

    def reset(self) -> None:
        for graph in self.graphs:
            graph.reset()
        self.graphs = []


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, graphed: Graphed, *surface: torch.Tensor) -> Tensors:  # type: ignore[override]
        outputs = on_default_stream(graphed.run_forward, surface[: len(graphed.inputs)])
        ctx.graphed, ctx.run = graphed, graphed.runs
        ctx.mark_non_differentiable(*(o for i, o in enumerate(outputs) if i not in graphed.ends))
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:  # type: ignore[override]
        return (None, *on_default_stream(ctx.graphed.run_backward, ctx.run, grads))


def make_graphed_callables(
    callables: Union[Callable[..., Any], Tuple[Callable[..., Any], ...]],
    sample_args: Union[Tensors, Tuple[Tensors, ...]],
    warmups: int = 0,
    allow_unused_input: bool = False,
    asynchronous: bool = False,
    disable_tensor_cache: bool = False,
    dry_run: bool = False,
) -> Any:
    """Functions or modules whose forward and backward replay graphs, as `torch.cuda.make_graphed_callables` makes them.

    A module keeps its original forward for when its training mode is another one than now. Calls take tensors of the shapes of `sample_args`, which are only read.

    Args:
        callables: one, or a tuple of them.
        sample_args: a tuple of tensors; for a tuple of callables a tuple of such tuples. Their requires_grad is that of later calls.
        warmups: how often to run forward and backward before the capture.
        allow_unused_input: inputs or parameters may take no part in the outputs; their gradients are None.
        asynchronous: errors that a replay finds come at the next synchronisation.
        disable_tensor_cache: outputs and gradients belong to the caller, and are not overwritten by the next call.
        dry_run: the captures execute nothing.
    """
    if torch.is_autocast_enabled() and torch.is_autocast_cache_enabled():
        raise RuntimeError("make_graphed_callables does not support the autocast caching. Please set `cache_enabled=False`.")
    just_one = not isinstance(callables, tuple)
    if just_one:
        callables, sample_args = (callables,), (sample_args,)  # type: ignore[assignment]
    for function, args in zip(callables, sample_args):
        if isinstance(function, torch.nn.Module):
            assert len(function._backward_hooks) == 0 and len(function._forward_hooks) == 0 and len(function._forward_pre_hooks) == 0, (
                "Modules must not have hooks registered at the time they are passed. However, registering hooks "
                "on modules after passing them through make_graphed_callables is allowed."
            )
            assert all(b.requires_grad is False for b in function.buffers()), (
                "In any :class:`~torch.nn.Module` passed to :func:`~make_graphed_callables`, only parameters may be trainable. All buffers must have "
                "``requires_grad=False``."
            )
        assert all(isinstance(arg, torch.Tensor) for arg in args), (
            "In the beta API, sample_args for each callable must be a tuple of Tensors. Other types and keyword args are not allowed."
        )

    made = []
    for function, args in zip(callables, sample_args):
        module = function if isinstance(function, torch.nn.Module) else None
        graphed = Graphed(
            function if module is None else module.forward,
            tuple(args),
            Options(asynchronous, disable_tensor_cache, dry_run),
            module,
        ).capture(warmups, allow_unused_input)
        assert all(o.requires_grad for o in graphed.outputs), "Outputs of graphed callables must require grad."
        if module is None:
            made.append(graphed)
        else:
            module.forward = _in_its_mode(module, graphed, module.forward)  # type: ignore[assignment]
            made.append(module)
    return made[0] if just_one else tuple(made)


def _in_its_mode(module: torch.nn.Module, graphed: Graphed, original: Callable[..., Any]) -> Callable[..., Any]:
    captured_in = module.training

    def forward(*args: torch.Tensor) -> Any:
        if module.training == captured_in and not _native.is_capturing():
            return graphed(*args)
        return original(*args)

    return forward
