"""OPENHPU_GRAPH_MEMORY_LIMIT: how many bytes the graphs of all wrapped callables may keep; the least recently used go first."""

from __future__ import annotations

import itertools
import os
import re
import threading
import weakref
from typing import Any, Dict, Hashable, Optional

VARIABLE = "OPENHPU_GRAPH_MEMORY_LIMIT"
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}

lock = threading.Lock()  # guards `Budgeted.busy` and `alive`, and `_all`; never held while the device works
_all: "weakref.WeakSet[Budgeted]" = weakref.WeakSet()
_clock = itertools.count(1)


def limit() -> Optional[int]:
    """The limit in bytes; None if there is none."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if match is None:
        raise ValueError(f"{VARIABLE}={text!r} is not a number of bytes; examples: 1073741824, 512M, 2G")
    return int(match[1]) << _UNITS[match[2].upper()]


class Budgeted:
    """A captured graph in a cache, which may be evicted whenever nobody uses it."""

    def __init__(self, cache: Dict[Hashable, Any], key: Hashable, graph: Any) -> None:
        self.cache, self.key, self.graph = cache, key, graph
        self.busy = True
        self.alive = True
        self.used = next(_clock)
        self.bytes = 0
        with lock:
            _all.add(self)

    def enter(self) -> bool:
        """From now on nobody evicts it; False if somebody has."""
        with lock:
            self.busy = self.alive
        self.used = next(_clock)
        return self.busy

    def leave(self) -> None:
        self.busy = False

    def drop(self) -> None:
        """Takes it out of its cache; its memory goes back."""
        with lock:
            self.alive = False
            _all.discard(self)
            if self.cache.get(self.key) is self:
                del self.cache[self.key]
        self.graph.reset()


def measure(entry: Budgeted) -> None:
    """What the graph keeps for itself: weights and the shared workspace are not its own."""
    memory = entry.graph.memory()
    entry.bytes = sum(memory[name] for name in ("inputs", "outputs", "commands", "prepared"))


def enforce() -> None:
    """Evicts until what is left fits the limit, or is in use."""
    allowed = limit()
    if allowed is None:
        return
    with lock:
        entries = sorted((e for e in _all if e.alive), key=lambda e: e.used)
        total = sum(e.bytes for e in entries)
        victims = []
        for entry in entries:
            if total <= allowed:
                break
            if not entry.busy:
                entry.alive = False
                victims.append(entry)
                total -= entry.bytes
    for entry in victims:
        entry.drop()
