"""Looks for shapes that change from batch to batch: each makes graphs be compiled and captured anew."""

from __future__ import annotations

import collections
from typing import Any, Counter, Iterable

import torch


def get_shape(value: Any) -> Any:
    """`value` with its tensors replaced by their shapes: tuples and lists become tuples, dicts tuples of (key, shape)."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    if isinstance(value, dict):
        return tuple((key, get_shape(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(get_shape(item) for item in value)
    return None


def data_dynamicity(dataloader: Iterable[Any], verbose: bool = True) -> Counter[Any]:
    """How often each combination of shapes comes out of a data loader, printed unless `verbose` is False."""
    shapes: Counter[Any] = collections.Counter(get_shape(batch) for batch in dataloader)
    if verbose:
        print(f"{sum(shapes.values())} batches, {len(shapes)} different shapes")
        for shape, count in shapes.most_common():
            print(f"{count}\t{shape}")
    return shapes


def const_shape_dataloader(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("utils.experimental.detect_recompilation.const_shape_dataloader is not supported: pad or drop the last batch (drop_last=True)")


def detect_recompilation_auto_model(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(
        "utils.experimental.detect_recompilation.detect_recompilation_auto_model is not supported: hpu.metric_localcontext('graph_compilation') counts what a region compiles"
    )
