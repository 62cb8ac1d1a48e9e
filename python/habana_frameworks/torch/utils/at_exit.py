"""What the bridge says when the process ends: how often operators fell back to the CPU.

With ENABLE_CONSOLE=true and LOG_LEVEL_PT_FALLBACK at 0 (trace), 1 (debug) or 2 (info), on standard output. Read at import: a program may empty its environment.
"""

from __future__ import annotations

import atexit
import os

from habana_frameworks.torch import _native


def _wanted() -> bool:
    level = os.environ.get("LOG_LEVEL_PT_FALLBACK", os.environ.get("LOG_LEVEL_ALL_PT", os.environ.get("LOG_LEVEL_ALL", "")))
    console = os.environ.get("ENABLE_CONSOLE", "").lower() in ("1", "true", "yes")
    return console and level.isdigit() and int(level) <= 2


def _print_fallbacks(process: int) -> None:
    if os.getpid() != process:
        return  # a forked child: the parent says it
    counts = _native.fallback_counts()
    if counts:
        print("CPU Fallback stats:", *(f"{count}\t{op}" for op, count in sorted(counts.items())), sep="\n", flush=True)


if _wanted():
    atexit.register(_print_fallbacks, os.getpid())
