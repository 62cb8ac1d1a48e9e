"""A saved graph is a workload of the scenario runner."""

import json
import os
import subprocess

import pytest
import torch

import habana_frameworks.torch as ht

RUNNER = os.environ["OPENHPU_SCENARIO_RUNNER"]


def scenario(folder, recipe):
    path = folder / "saved.textproto"
    path.write_text(f'name: "saved" chip: "gaudi2" recipe: "{recipe.name}" expect {{ metric: COMMANDS engine: "DCORE0_MME" at_least: 1 }}')
    report = folder / "report.json"
    done = subprocess.run([RUNNER, str(path), "--json", str(report)], capture_output=True, text=True)
    return done, json.loads(report.read_text()) if report.exists() else None


def test_every_segment_of_a_saved_graph_runs_as_a_scenario(tmp_path):
    x, w = torch.rand(256, 512).to("hpu"), torch.rand(512, 256).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = torch.relu(x @ w)
    ht.core.mark_step()
    z = torch.softmax(y @ y, 1)
    graph.capture_end()
    graph.save(str(tmp_path / "recipe"))
    assert z.shape == (256, 256)
    for name in ("recipe", "recipe.1"):
        done, report = scenario(tmp_path, tmp_path / name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert report


def test_a_damaged_file_is_refused_by_the_runner(tmp_path):
    x = torch.rand(256, 256).to("hpu")
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    y = x @ x
    graph.capture_end()
    path = tmp_path / "recipe"
    graph.save(str(path))
    assert y.shape == x.shape
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    done, _ = scenario(tmp_path, path)
    assert done.returncode == 2 and "its checksum does not match" in done.stderr


def test_an_empty_graph_has_nothing_to_save(tmp_path):
    with pytest.raises(RuntimeError, match="the graph is empty"):
        ht.hpu.HPUGraph().save(str(tmp_path / "recipe"))
