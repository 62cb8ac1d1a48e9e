"""Metrics: of the process, of a region, and in a file."""

import io
import json
import os
import subprocess
import sys

import pytest
import torch

import habana_frameworks.torch as ht
from habana_frameworks.torch.hpu.metrics import MetricDumpFormat, MetricNotFound, metric_global, metric_localcontext, metrics_dump
from habana_frameworks.torch.utils.event_dispatcher import EventDispatcher, EventId


def run(program, **environment):
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def step(size):
    (torch.ones(size, device="hpu") * 3 - 1).relu()
    y = torch.ones(size, device="hpu") * 3 - 1
    ht.core.mark_step()
    return y


def fall_back():
    """An operator that has no kernel here, and never will: a function of LAPACK."""
    return torch.linalg.eigvalsh(torch.eye(3, device="hpu"))


def test_compilations_are_counted_once_a_structure():
    step(101)
    before = dict(metric_global("graph_compilation").stats())
    assert set(before) == {"TotalNumber", "TotalTime", "AvgTime"}
    step(101)
    assert dict(metric_global("graph_compilation").stats())["TotalNumber"] == before["TotalNumber"]
    step(102)
    after = dict(metric_global("graph_compilation").stats())
    assert after["TotalNumber"] == before["TotalNumber"] + 1
    assert after["AvgTime"] == pytest.approx(after["TotalTime"] / after["TotalNumber"])


def test_a_region_counts_its_own():
    step(103)
    with metric_localcontext("graph_compilation") as region:
        step(103)
        assert dict(region.stats())["TotalNumber"] == 0
        step(104)
    step(105)
    assert dict(region.stats())["TotalNumber"] == 1 and region.name() == "graph_compilation"


def test_fallbacks_are_counted_by_name():
    with metric_localcontext("cpu_fallback") as region:
        fall_back()
    stats = dict(region.stats())
    assert stats["TotalNumber"] >= 1 and sum(count for _, count in stats["FallbackOps"]) == stats["TotalNumber"]
    assert all(name.startswith("aten::") for name, _ in stats["FallbackOps"])


def test_unknown_metrics_are_refused():
    with pytest.raises(MetricNotFound):
        metric_global("nonsense")
    with pytest.raises(MetricNotFound):
        metric_global("recipe_cache")  # without PT_HPU_ENABLE_CACHE_METRICS
    assert dict(metric_global("memory_defragmentation").stats())["TotalNumber"] == 0


def test_the_recipe_cache_has_a_metric_on_request():
    program = (
        "import torch, habana_frameworks.torch as ht\n"
        "for _ in range(3):\n"
        "    y = torch.ones(4, device='hpu') + 1\n"
        "    ht.core.mark_step()\n"
        "stats = dict(ht.hpu.metric_global('recipe_cache').stats())\n"
        "print(stats['TotalMiss'], stats['TotalHit'])\n"
    )
    assert run(program, PT_HPU_ENABLE_CACHE_METRICS="1") == "1 2\n"


def test_metrics_are_dumped(tmp_path):
    path = tmp_path / "metrics.json"
    metrics_dump(str(path))
    report = json.loads(path.read_text())
    assert [metric["metric_name"] for metric in report] == ["graph_compilation", "cpu_fallback", "memory_defragmentation"]
    assert set(report[0]["statistics"]) == {"TotalNumber", "TotalTime", "AvgTime"}
    text = io.StringIO()
    metrics_dump(text, MetricDumpFormat.text)
    assert "graph_compilation" in text.getvalue() and "TotalNumber" in text.getvalue()


def test_a_file_gets_them_when_the_process_ends(tmp_path):
    path = tmp_path / "at_exit.json"
    program = (
        "import os, torch, habana_frameworks.torch as ht\n"
        "y = torch.ones(4, device='hpu') + 1\n"
        "ht.core.mark_step()\n"
        "os.environ.clear()\n"
    )
    run(program, PT_HPU_METRICS_FILE=str(path))
    report = {metric["metric_name"]: metric["statistics"] for metric in json.loads(path.read_text())}
    assert report["graph_compilation"]["TotalNumber"] == 1


def test_programs_subscribe_to_events():
    seen = []
    handle = EventDispatcher.instance().subscribe(EventId.GRAPH_COMPILATION, lambda timestamp, params: seen.append(dict(params)["TotalNumber"]))
    step(201)
    assert seen == [1]
    EventDispatcher.instance().unsubscribe(handle)
    step(202)
    assert seen == [1]
