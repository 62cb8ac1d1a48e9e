"""Memory statistics, with the vendor's keys."""

import gc

import pytest
import torch

import habana_frameworks.torch as ht

KEYS = {
    "Limit",
    "InUse",
    "MaxInUse",
    "NumAllocs",
    "NumFrees",
    "ActiveAllocs",
    "MaxAllocSize",
    "TotalSystemAllocs",
    "TotalSystemFrees",
    "TotalActiveAllocs",
}
MIB = 2**20


def filled(bytes_):
    t = torch.zeros(bytes_ // 4, device="hpu")
    ht.hpu.synchronize()
    return t


@pytest.fixture(autouse=True)
def settled():
    gc.collect()
    filled(4)
    ht.hpu.synchronize()


def test_the_keys_are_the_vendors():
    stats = ht.hpu.memory_stats()
    assert set(stats) == KEYS and all(isinstance(value, int) for value in stats.values())
    assert ht.hpu.memory_stats("hpu:0").keys() == stats.keys()


def test_in_use_follows_tensors():
    before = ht.hpu.memory_stats()
    kept = filled(3 * MIB)
    during = ht.hpu.memory_stats()
    assert during["InUse"] - before["InUse"] >= 3 * MIB
    assert during["NumAllocs"] > before["NumAllocs"] and during["MaxAllocSize"] >= 3 * MIB
    assert ht.hpu.memory_allocated() == during["InUse"]
    del kept
    ht.hpu.synchronize()
    after = ht.hpu.memory_stats()
    assert during["InUse"] - after["InUse"] >= 3 * MIB and after["NumFrees"] > before["NumFrees"]
    assert after["ActiveAllocs"] == after["TotalSystemAllocs"] - after["TotalSystemFrees"]


def test_the_peak_is_kept_until_it_is_reset():
    kept = filled(8 * MIB)
    peak = ht.hpu.max_memory_allocated()
    del kept
    ht.hpu.synchronize()
    assert ht.hpu.max_memory_allocated() == peak > ht.hpu.memory_allocated()
    ht.hpu.reset_peak_memory_stats()
    assert ht.hpu.max_memory_allocated() == ht.hpu.memory_allocated() < peak
    again = filled(4 * MIB)
    assert ht.hpu.max_memory_allocated() >= ht.hpu.memory_allocated() >= 4 * MIB
    del again


def test_accumulated_counts_start_again():
    filled(MIB)
    ht.hpu.reset_accumulated_memory_stats()
    stats = ht.hpu.memory_stats()
    assert stats["NumAllocs"] == stats["NumFrees"] == 0
    kept = filled(MIB)
    assert ht.hpu.memory_stats()["NumAllocs"] >= 1
    del kept


def test_the_limit_is_the_devices_memory():
    limit = ht.hpu.memory_stats()["Limit"]
    assert limit > 90 * 2**30  # a Gaudi2 has 96 GB
    assert ht.hpu.memory_reserved() == ht.hpu.max_memory_reserved() == limit
    free, total = ht.hpu.mem_get_info()
    assert total == limit and free == limit - ht.hpu.memory_allocated()
    kept = filled(MIB)
    assert ht.hpu.memory_usage() == pytest.approx(100 * ht.hpu.memory_allocated() / limit) and ht.hpu.memory_usage() > 0
    del kept


def test_old_names_warn():
    with pytest.warns(FutureWarning):
        assert ht.hpu.memory_cached() == ht.hpu.memory_reserved()
    with pytest.warns(FutureWarning):
        assert ht.hpu.max_memory_cached() == ht.hpu.max_memory_reserved()


def test_the_summary_has_a_line_for_each():
    text = ht.hpu.memory_summary()
    for name in ("Limit", "InUse", "MaxInUse", "NumAllocs", "NumFrees", "MaxAllocSize", "ActiveAllocs"):
        assert any(line.startswith(name + ":") for line in text.splitlines()), text
    extended = ht.hpu.memory._extended_memory_summary_dict()
    assert extended["limit"] == ht.hpu.memory_reserved() and extended["persistent"] == ht.hpu.memory_allocated()
    assert extended["in_use"] == extended["persistent"] + extended["workspace"]
    assert "max_cntgs_chunk" in ht.hpu.memory._extended_memory_summary()


def test_what_the_vendor_does_not_have_is_not_here():
    assert not hasattr(ht.hpu, "empty_cache") and not hasattr(ht.hpu, "reset_max_memory_allocated")


def test_another_device_is_refused():
    with pytest.raises(AssertionError, match="Invalid device id"):
        ht.hpu.memory_allocated(1)
