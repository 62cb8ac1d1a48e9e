"""What has no hpu kernel runs on the CPU: counted, ruled by PT_HPU_PLACE_ON_CPU, an error while a graph is captured, and never where it would lose a write."""

import pytest
import torch

import habana_frameworks.torch as ht


def counts():
    return dict(dict(ht.hpu.metric_global("cpu_fallback").stats())["FallbackOps"])


def total():
    return dict(ht.hpu.metric_global("cpu_fallback").stats())["TotalNumber"]


@pytest.fixture
def values():
    return torch.tensor([3.0, 1.0, 2.0]).to("hpu")


def test_it_works_and_is_counted(values):
    before, all_before = counts().get("aten::nanmedian", 0), total()
    assert torch.nanmedian(values).item() == 2
    assert counts()["aten::nanmedian"] == before + 1 and total() == all_before + 1
    result = torch.mode(values)
    assert result.values.device.type == "hpu" and result.values.cpu().item() == 1 and result.indices.cpu().item() == 1


def test_none_forbids_it_by_name(values, monkeypatch):
    monkeypatch.setenv("PT_HPU_PLACE_ON_CPU", "none")
    with pytest.raises(RuntimeError, match=r"aten::lgamma\S* is not yet supported on HPU.*test_fallback.py:\d+"):
        torch.lgamma(values)
    assert (values + 1).cpu().tolist() == [4, 2, 3]


def test_a_list_allows_what_it_names(values, monkeypatch):
    monkeypatch.setenv("PT_HPU_PLACE_ON_CPU", "aten::nonzero,lgamma")
    torch.lgamma(values)
    torch.nonzero(values)
    with pytest.raises(RuntimeError, match="aten::nanmedian"):
        torch.nanmedian(values)


def test_it_is_refused_while_a_graph_is_captured(values):
    graph = ht.hpu.HPUGraph()
    graph.capture_begin()
    doubled = values * 2
    with pytest.raises(RuntimeError) as refused:
        torch.lgamma(values)
    for text in ("aten::lgamma", "is not supported during HPU Graph capturing", "cpu fallback is not supported during hpu graph capturing", "test_fallback.py:"):
        assert text in str(refused.value)
    # The recording is gone, what was pending ran, and the device goes on.
    assert doubled.cpu().tolist() == [6, 2, 4]
    with pytest.raises(RuntimeError, match="The capture was discarded: aten::lgamma"):
        graph.capture_end()
    with pytest.raises(RuntimeError, match="The capture was discarded"):
        graph.replay()
    graph.reset()
    graph.capture_begin()
    doubled = values * 2
    graph.capture_end()
    graph.replay()
    assert doubled.cpu().tolist() == [6, 2, 4]


def test_writes_to_lists_of_tensors_are_never_lost(values):
    row = torch.zeros(2, 3).to("hpu")[1]
    torch._foreach_add_([values, row], 1.0)
    assert values.cpu().tolist() == [4, 2, 3] and row.cpu().tolist() == [1, 1, 1]
    torch._foreach_addcmul_([values, row], [row, row], [row, row], [2.0, 3.0])
    assert values.cpu().tolist() == [6, 4, 5] and row.cpu().tolist() == [4, 4, 4]
    assert [t.cpu().tolist() for t in torch._foreach_maximum([values], [row])] == [[6, 4, 5]]


def test_in_place_and_out_forms_write_the_given_tensor(values):
    address = values.data_ptr()
    values.lgamma_()
    assert values.data_ptr() == address
    assert torch.allclose(values.cpu(), torch.tensor([3.0, 1.0, 2.0]).lgamma())
    matrix = torch.zeros(2, 3).to("hpu")
    matrix[1].lgamma_()
    assert torch.isinf(matrix.cpu()[1]).all() and (matrix.cpu()[0] == 0).all()


def test_reading_by_masks(values):
    assert values[values > 1.5].cpu().tolist() == [3, 2]


def test_gradients_pass_through_it():
    x = torch.tensor([3.0, 1.0, 2.0]).to("hpu").requires_grad_()
    torch.lgamma(x).sum().backward()
    assert x.grad.device.type == "hpu" and torch.allclose(x.grad.cpu(), torch.digamma(torch.tensor([3.0, 1.0, 2.0])))


def test_unknown_metrics_are_named():
    with pytest.raises(ht.hpu.MetricNotFound):
        ht.hpu.metric_global("nonsense")
    before = dict(ht.hpu.metric_global("graph_compilation").stats())
    (torch.ones(5).to("hpu") + torch.ones(5).to("hpu")).cpu()
    assert dict(ht.hpu.metric_global("graph_compilation").stats()) != before
