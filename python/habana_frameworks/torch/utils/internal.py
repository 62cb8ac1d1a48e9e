"""Which mode the bridge runs in, and small helpers."""

from __future__ import annotations

import functools
import time
from types import TracebackType
from typing import Any, Callable, Optional, Type

from habana_frameworks.torch.internal.bridge_config import get_flag

_LAZY = get_flag("PT_HPU_LAZY_MODE") != 0


def is_lazy() -> bool:
    """Whether PT_HPU_LAZY_MODE, when the package was imported, was not 0. HPU Graphs exist in lazy mode only."""
    return _LAZY


def lazy_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: outside of lazy mode the function does nothing."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if is_lazy() else None

    return called


class Timer:
    """`with Timer() as t:` measures the body on the host; `t.elapsed` in seconds."""

    def __init__(self) -> None:
        self.start = 0.0
        self.end = 0.0

    def __enter__(self) -> "Timer":
        self.start = self.end = time.perf_counter()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.end = time.perf_counter()

    @property
    def elapsed(self) -> float:
        return self.end - self.start
