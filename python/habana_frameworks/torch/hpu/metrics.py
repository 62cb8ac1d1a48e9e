"""Counters of the bridge, by the vendor's names."""

from __future__ import annotations

from typing import Any, List, Tuple

from habana_frameworks.torch import _native


class MetricNotFound(Exception):
    """There is no metric of this name."""


class Metric:
    """One metric: `stats()` gives its counters as (name, value) pairs."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name

    def stats(self) -> List[Tuple[str, Any]]:
        if self._name == "cpu_fallback":
            counts = _native.fallback_counts()
            return [("TotalNumber", sum(counts.values())), ("FallbackOps", sorted(counts.items()))]
        counters = _native.compile_counters()
        return [("TotalNumber", counters["compilations"]), ("CacheHits", counters["cache_hits"])]


def metric_global(name: str) -> Metric:
    """The process-wide metric `name`: "cpu_fallback" or "graph_compilation". MetricNotFound for any other."""
    if name not in ("cpu_fallback", "graph_compilation"):
        raise MetricNotFound(name)
    return Metric(name)
