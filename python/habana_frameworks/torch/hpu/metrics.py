"""Counters of the bridge, by the vendor's names: of the whole process, of a region, and written to a file.

PT_HPU_METRICS_FILE names a file that gets every metric when the process ends; PT_HPU_METRICS_FILE_FORMAT is "json" (default) or "text". Both are read
at import: a program may empty its environment before it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import enum
import json
import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from habana_frameworks.torch import _native

__all__ = ["Metric", "MetricDumpFormat", "MetricNotFound", "metric_global", "metric_localcontext", "metrics_dump"]

Counters = Dict[str, Any]
Statistics = List[Tuple[str, Any]]


class MetricNotFound(Exception):
    """There is no metric of this name."""


class MetricDumpFormat(enum.Enum):
    """How `metrics_dump` writes."""

    text = "text"
    json = "json"


def _graph_compilation() -> Counters:
    counters = _native.compile_counters()
    return {"number": counters["compilations"], "microseconds": round(1e6 * counters["compile_seconds"]), "hits": counters["cache_hits"]}


def _cpu_fallback() -> Counters:
    return dict(_native.fallback_counts())


def _memory_defragmentation() -> Counters:
    return {"number": 0}  # the allocator never moves what is in use


def _recipe_cache() -> Counters:
    counters = _native.compile_counters()
    return {"hits": counters["cache_hits"], "misses": counters["compilations"]}


def _graph_compilation_statistics(now: Counters, base: Counters) -> Statistics:
    number = now["number"] - base.get("number", 0)
    time = now["microseconds"] - base.get("microseconds", 0)
    return [("TotalNumber", number), ("TotalTime", time), ("AvgTime", time / number if number else 0)]


def _cpu_fallback_statistics(now: Counters, base: Counters) -> Statistics:
    counts = {op: count - base.get(op, 0) for op, count in sorted(now.items()) if count > base.get(op, 0)}
    return [("TotalNumber", sum(counts.values())), ("FallbackOps", list(counts.items()))]


def _memory_defragmentation_statistics(now: Counters, base: Counters) -> Statistics:
    number = now["number"] - base.get("number", 0)
    return [("TotalNumber", number), ("TotalSuccessful", number), ("AvgTime", 0), ("TotalTime", 0)]


def _recipe_cache_statistics(now: Counters, base: Counters) -> Statistics:
    return [("TotalHit", now["hits"] - base.get("hits", 0)), ("TotalMiss", now["misses"] - base.get("misses", 0))]


_METRICS: Dict[str, Tuple[Callable[[], Counters], Callable[[Counters, Counters], Statistics]]] = {
    "graph_compilation": (_graph_compilation, _graph_compilation_statistics),
    "cpu_fallback": (_cpu_fallback, _cpu_fallback_statistics),
    "memory_defragmentation": (_memory_defragmentation, _memory_defragmentation_statistics),
}


def _truthy(value: Optional[str]) -> bool:
    return (value or "").lower() in ("1", "true", "yes", "on")


if _truthy(os.environ.get("PT_HPU_ENABLE_CACHE_METRICS")):
    _METRICS["recipe_cache"] = (_recipe_cache, _recipe_cache_statistics)


class Metric:
    """One metric since the process began, or of a region: `stats()` gives its counters as (name, value) pairs. Times are microseconds of the host."""

    def __init__(self, name: str, base: Optional[Counters] = None) -> None:
        if name not in _METRICS:
            raise MetricNotFound(name)
        self._name = name
        self._base: Counters = base or {}
        self._end: Optional[Counters] = None

    def name(self) -> str:
        return self._name

    def stats(self) -> Statistics:
        read, describe = _METRICS[self._name]
        return describe(read() if self._end is None else self._end, self._base)

    def _stop(self) -> None:
        self._end = _METRICS[self._name][0]()


def metric_global(name: str) -> Metric:
    """The process-wide metric `name`.

    Raises:
        MetricNotFound: there is none of this name ("recipe_cache" exists with PT_HPU_ENABLE_CACHE_METRICS=1).
    """
    return Metric(name)


@contextlib.contextmanager
def metric_localcontext(name: str) -> Iterator[Metric]:
    """The metric `name` of the body alone; it can be read afterwards too."""
    if name not in _METRICS:
        raise MetricNotFound(name)
    metric = Metric(name, _METRICS[name][0]())
    try:
        yield metric
    finally:
        metric._stop()


def _report(trigger: str) -> List[Dict[str, Any]]:
    return [{"metric_name": name, "triggered_by": trigger, "statistics": dict(Metric(name).stats())} for name in _METRICS]


def metrics_dump(file: Any, format: MetricDumpFormat = MetricDumpFormat.json) -> None:  # noqa: A002  the vendor's name
    """Writes every metric to `file`: a path, or an open file."""
    _write(file, MetricDumpFormat(format), "user")


def _write(file: Any, format: MetricDumpFormat, trigger: str) -> None:  # noqa: A002
    report = _report(trigger)
    if format is MetricDumpFormat.json:
        text = json.dumps(report, indent=4) + "\n"
    else:
        text = "".join(f"{metric['metric_name']}:\n" + "".join(f"  {key}: {value}\n" for key, value in metric["statistics"].items()) for metric in report)
    if hasattr(file, "write"):
        file.write(text)
        return
    with open(file, "w", encoding="utf-8") as opened:
        opened.write(text)


def _dump_at_exit() -> None:
    path = os.environ.get("PT_HPU_METRICS_FILE")
    triggers = os.environ.get("PT_HPU_METRICS_DUMP_TRIGGERS", "process_exit").split(",")
    if not path or "process_exit" not in triggers:
        return
    path = os.path.abspath(path)
    chosen = MetricDumpFormat(os.environ.get("PT_HPU_METRICS_FILE_FORMAT", "json"))
    process = os.getpid()
    atexit.register(lambda: _write(path, chosen, "process_exit") if os.getpid() == process else None)


_dump_at_exit()
