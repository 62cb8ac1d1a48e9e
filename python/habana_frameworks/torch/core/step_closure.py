"""`mark_step` and what runs after it."""

from __future__ import annotations

import warnings
from typing import Any, Callable, List, Sequence, Tuple

from habana_frameworks.torch import _native
from habana_frameworks.torch.utils import event_dispatcher
from habana_frameworks.torch.utils.internal import is_lazy

_EAGER = "Calling mark_step function does not have any effect. It's lazy mode only functionality. (warning logged once)"

_closures: List[Tuple[Callable[..., Any], Sequence[Any]]] = []
_warned = False


def mark_step(device_str: str = "", sync: bool = False) -> None:
    """Ends the current stream's segment: what has gathered is compiled (once a structure) and launched. Then the step closures run.

    Args:
        device_str: for compatibility; one process has one device.
        sync: also waits until the device has finished it.
    """
    global _warned
    del device_str
    if not is_lazy():
        if not _warned:
            warnings.warn(_EAGER, stacklevel=2)
            _warned = True
        return
    _native.mark_step(sync)
    _run_closures()
    event_dispatcher.deliver()


def iter_mark_step(device_str: str = "") -> None:
    """`mark_step` at the end of an iteration."""
    mark_step(device_str)


def add_step_closure(closure: Callable[..., Any], args: Sequence[Any] = ()) -> None:
    """Runs `closure(*args)` after the next `mark_step`, once."""
    _closures.append((closure, tuple(args)))


def _run_closures() -> None:
    if not _closures:
        return
    due, _closures[:] = list(_closures), []
    for closure, args in due:
        closure(*args)
