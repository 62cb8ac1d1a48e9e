"""A progress bar on standard error; one line a step when that is no terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Optional, Type

WIDTH = 30


class Progress:
    """`with Progress("what", total) as p:` and `p.advance()` after each step."""

    def __init__(self, what: str, total: int) -> None:
        self.what = what
        self.total = total
        self.done = 0

    def _show(self) -> None:
        filled = WIDTH * self.done // max(self.total, 1)
        bar = "#" * filled + "." * (WIDTH - filled)
        end = "" if sys.stderr.isatty() else "\n"
        start = "\r" if sys.stderr.isatty() else ""
        print(f"{start}{self.what:<26} [{bar}] {self.done}/{self.total}", end=end, file=sys.stderr, flush=True)

    def advance(self) -> None:
        self.done += 1
        self._show()

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            self._show()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if sys.stderr.isatty():
            print(file=sys.stderr)
