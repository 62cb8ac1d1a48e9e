"""`HPUGraph`: a region's device work, captured once and replayed without dispatching an operator again."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Type

import torch

from habana_frameworks.torch import _native

from ..streams import Stream, StreamContext, current_stream, default_stream

_SEGMENT_HEADER = f"{'segment':>7} {'nodes':>6} {'mme':>5} {'tpc':>5} {'dma':>5} {'bytes':>14} {'device ms':>10}"


class GraphSummary(List[Dict[str, Any]]):
    """What a graph consists of: one dict a segment (nodes, steps by engine, bytes, device_time_ms); as text, a table."""

    def __str__(self) -> str:
        lines = [_SEGMENT_HEADER]
        for i, s in enumerate(self):
            lines.append(f"{i:>7} {s['nodes']:>6} {s['mme']:>5} {s['tpc']:>5} {s['dma']:>5} {s['bytes']:>14,} {s['device_time_ms']:>10.4f}")
        return "\n".join(lines)


def _message(text: str) -> str:
    return f"[Rank:0] FATAL ERROR :: MODULE:PT_LAZY {text}"


class HPUGraph:
    """Captured device work. Between `capture_begin` and `capture_end` operators run as always and are recorded; `replay` launches them again.

    Input and output tensors keep their addresses: refresh inputs with `copy_`, read outputs where they were.
    """

    def __init__(self) -> None:
        self._graph = _native.Graph()
        self._user_inputs: Optional[List[torch.Tensor]] = None
        self._user_outputs: Optional[List[torch.Tensor]] = None
        self._versions: List[int] = []
        self._matched: Optional[List[int]] = None

    # --- capture

    def capture_begin(self, dry_run: bool = False) -> None:
        """Starts recording on the current stream. What was pending before is launched first.

        Args:
            dry_run: record and compile, but execute nothing: the first replay does.
        """
        self._graph.capture_begin(dry_run)
        self._user_inputs = self._user_outputs = self._matched = None

    def capture_end(self) -> None:
        """Ends the recording; the last segment is launched. Without a capture it does nothing."""
        self._graph.capture_end()

    def mark_user_inputs(self, inputs: Sequence[torch.Tensor]) -> None:
        """While capturing: the tensors in whose place each `replayV3` puts others."""
        if not self._graph.capturing:
            raise RuntimeError(_message("GRAPH:: mark_user_inputs must be while capturing in progress"))
        self._user_inputs = list(inputs)
        self._versions = [version_of(t) for t in inputs]

    def mark_user_outputs(self, outputs: Sequence[torch.Tensor]) -> None:
        """After the capture, once: what else it made gives its memory back after each replay."""
        self._refuse_while_capturing()
        if self._user_outputs is not None:
            raise RuntimeError("Error:mark_user_outputs is called more than once for the same graph?")
        self._user_outputs = list(outputs)
        self._graph.release_others(self._user_outputs)

    def get_user_input_match_indices(self) -> Set[int]:
        """Which of the marked inputs the graph reads: `replayV3` takes those. The others are to be refreshed by `copy_`, or nobody reads them."""
        return set(self._match())

    # --- replay

    def replay(self, asynchronous: bool = False) -> None:
        """Launches the recorded work in order; returns when it is submitted.

        Args:
            asynchronous: errors that a replay finds (a guard's) come at the next synchronisation instead.
        """
        self._graph.replay(asynchronous)

    def replayV2(self, static_tlist: Sequence[torch.Tensor], tlist: Sequence[torch.Tensor], asynchronous: bool = False) -> None:  # noqa: N802
        """Copies `tlist` to `static_tlist`, the tensors that were captured, and replays."""
        self._refuse_while_capturing()
        if len(static_tlist) != len(tlist):
            raise RuntimeError(f"replayV2 got {len(static_tlist)} captured tensors and {len(tlist)} to put in their place")
        with torch.no_grad():
            for static, given in zip(static_tlist, tlist):
                if static is not given:
                    static.copy_(given)
        self._graph.replay(asynchronous)

    def replayV3(self, tlistI: Sequence[torch.Tensor], asynchronous: bool = False) -> None:  # noqa: N802, N803
        """Replays with the memory of `tlistI` in the place of the marked user inputs'; what has another layout, or is a part of a tensor, is copied."""
        self._refuse_while_capturing()
        marked = self._user_inputs or []
        given = list(tlistI)
        if len(given) != len(marked) or any(a.shape != b.shape for a, b in zip(marked, given)):
            raise RuntimeError(_message("HPU GRAPH:: Mark User Input Sizes is not same Replay Input Sizes"))
        captured, rebound = [], []
        storages = set()
        for i in self._match():
            static, new = marked[i], given[i]
            if new.dtype != static.dtype or new.device != static.device:
                raise RuntimeError(
                    f"replayV3: input {i} was captured as {static.dtype} on {static.device}, and is given as {new.dtype} on {new.device}"
                )
            if new is static:
                continue
            storage = _native.storage_id(static)
            if is_whole(static) and storage not in storages:
                storages.add(storage)
                captured.append(static)
                rebound.append(as_laid_out(new, static))
            else:
                with torch.no_grad():
                    static.copy_(new)
        self._graph.replay_rebound(captured, rebound, asynchronous)

    def clear_inputs(self) -> None:
        """Gives back the memory of marked user inputs that the graph writes to, unless they are user outputs. Synchronize first; a replay needs them anew."""
        self._refuse_while_capturing()
        outputs = {_native.storage_id(t) for t in self._user_outputs or ()}
        written = [t for t, version in zip(self._user_inputs or (), self._versions) if version_of(t) != version]
        _native.drop_memory([t for t in written if _native.storage_id(t) not in outputs])

    def reset(self) -> None:
        """Drops what was recorded and the memory that it held."""
        self._graph.reset()
        self._user_inputs = self._user_outputs = self._matched = None

    destroy = reset

    # --- reports

    def memory(self) -> Dict[str, int]:
        """Bytes on the device: weights, inputs, outputs, prepared (derived from weights), commands; and the workspace, which all graphs of a stream share."""
        return self._graph.memory()

    def summary(self) -> GraphSummary:
        """What was recorded, a segment an entry; `print` it for a table."""
        return GraphSummary(self._graph.summary())

    def save(self, path: str) -> None:
        """Writes the recorded recipes to `path`: one file a segment if there are several (`path`, `path.1`, ...)."""
        self._graph.save(path)

    @property
    def segments(self) -> int:
        """How many segments were recorded."""
        return self._graph.segments

    # --- for the package

    def _refuse_while_capturing(self) -> None:
        if self._graph.capturing:
            raise RuntimeError(_message("GRAPH:: Capture in progress"))

    def _match(self) -> List[int]:
        self._refuse_while_capturing()
        if self._matched is None:
            marked = self._user_inputs or []
            self._matched = [i for i, bound in enumerate(self._graph.binds(marked)) if bound]
        return self._matched

    def _abandon(self) -> None:
        self._graph.abandon()


def version_of(tensor: torch.Tensor) -> int:
    """Counts the writes to the tensor's memory; those to inference tensors are not counted."""
    return 0 if tensor.is_inference() else tensor._version


def is_whole(tensor: torch.Tensor) -> bool:
    """Whether the tensor fills its memory: others can stand for it."""
    return tensor.storage_offset() == 0 and tensor.storage().nbytes() == tensor.numel() * tensor.element_size() and _is_dense(tensor)


def _is_dense(tensor: torch.Tensor) -> bool:
    return torch.empty_like(tensor, device="meta").stride() == tensor.stride()


def as_laid_out(given: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """`given`, or a copy of it with the strides of `like`."""
    if given.stride() == like.stride():
        return given
    with torch.no_grad():
        return torch.empty_strided(like.size(), like.stride(), dtype=like.dtype, device=like.device).copy_(given)


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


def own_copies(tensors: Iterable[torch.Tensor]) -> List[torch.Tensor]:
    """New tensors of the same values, layouts and requires_grad, which nobody else knows. Not inference tensors: their versions count writes."""
    with torch.inference_mode(False), torch.no_grad():
        return [t.detach().clone().requires_grad_(t.requires_grad) for t in tensors]


def on_default_stream(work: Callable[..., Any], *arguments: Any) -> Any:
    """Graphs live on the default stream: it starts after what is here, and what comes here later starts after it."""
    if _native.current_stream() == 0:
        return work(*arguments)
    here, default = current_stream(), default_stream()
    default.wait_stream(here)
    with StreamContext(default):
        result = work(*arguments)
    here.wait_stream(default)
    return result
