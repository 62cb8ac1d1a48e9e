"""Saving, loading, copying and pickling tensors and modules on hpu."""

import copy
import io
import pickle

import pytest
import torch

import habana_frameworks.torch  # noqa: F401


def saved(value, **keywords):
    file = io.BytesIO()
    torch.save(value, file, **keywords)
    file.seek(0)
    return file


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.float64, torch.bool])
def test_a_tensor_is_saved_as_one_of_the_cpu(dtype):
    values = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype)
    loaded = torch.load(saved(values.to("hpu").t()))
    assert loaded.device.type == "cpu" and loaded.dtype == dtype
    assert torch.equal(loaded, values.t()) and loaded.stride() == values.t().stride()


@pytest.mark.parametrize("location", ["hpu", "hpu:0", torch.device("hpu"), {"cpu": "hpu"}, {"cpu": "hpu:0"}])
@pytest.mark.parametrize("weights_only", [False, True])
def test_loading_to_hpu(location, weights_only):
    model = torch.nn.Linear(3, 2)
    loaded = torch.load(saved(model.state_dict()), map_location=location, weights_only=weights_only)
    assert all(t.device == torch.device("hpu", 0) for t in loaded.values())
    assert torch.equal(loaded["weight"].cpu(), model.weight)


@pytest.mark.parametrize("location", ["cpu", torch.device("cpu"), {"hpu:0": "cpu"}, lambda storage, place: storage])
def test_loading_to_the_cpu(location):
    value = torch.arange(4.0).to("hpu")
    loaded = torch.load(saved({"a": [value]}), map_location=location)
    assert loaded["a"][0].device.type == "cpu" and loaded["a"][0].tolist() == [0, 1, 2, 3]


def test_what_shared_memory_shares_it_again():
    base = torch.arange(6.0).to("hpu")
    for location in ("cpu", "hpu"):
        whole, part = torch.load(saved((base, base[2:4])), map_location=location)
        part.add_(10)
        assert whole.cpu().tolist() == [0, 1, 12, 13, 4, 5]


def test_whole_modules():
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3)).to("hpu").eval()
    x = torch.randn(2, 4)
    want = model(x.to("hpu")).cpu()
    again = torch.load(saved(model), map_location="hpu")
    assert isinstance(again[0].weight, torch.nn.Parameter) and again[0].weight.is_leaf and again[0].weight.requires_grad
    assert torch.equal(again(x.to("hpu")).cpu(), want)
    on_host = torch.load(saved(model))
    assert torch.allclose(on_host(x), want, atol=1e-5)


def test_optimizers_go_on_where_they_were():
    model = torch.nn.Linear(3, 1).to("hpu")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(2, 3).to("hpu")).sum().backward()
    optimizer.step()
    file = saved({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    state = torch.load(file, map_location="hpu")
    other = torch.nn.Linear(3, 1).to("hpu")
    other.load_state_dict(state["model"])
    again = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    again.load_state_dict(state["optimizer"])
    momentum = again.state[other.weight]["momentum_buffer"]
    assert momentum.device.type == "hpu" and torch.equal(momentum.cpu(), optimizer.state[model.weight]["momentum_buffer"].cpu())


def test_the_old_file_format(tmp_path):
    path = tmp_path / "old.pt"
    torch.save({"a": torch.arange(5).to("hpu")}, path, _use_new_zipfile_serialization=False)
    assert torch.load(path, map_location="hpu")["a"].cpu().tolist() == [0, 1, 2, 3, 4]
    assert torch.load(path)["a"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_a_plain_pickle_keeps_the_device(dtype):
    value = torch.arange(4).to(dtype).to("hpu")
    again = pickle.loads(pickle.dumps(value))
    assert again.is_hpu and again.dtype == dtype and torch.equal(again.cpu(), value.cpu())


def test_copies_are_deep():
    model = torch.nn.Linear(3, 2).to("hpu")
    model.tied = model.weight
    clone = copy.deepcopy(model)
    assert clone.tied is clone.weight and clone.weight.is_hpu
    with torch.no_grad():
        clone.weight.add_(1)
    assert torch.equal(clone.weight.cpu(), model.weight.cpu() + 1)


def test_parameters_that_modules_share_stay_shared_on_hpu():
    first, second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    second.weight = first.weight
    model = torch.nn.Sequential(first, second).to("hpu")
    assert model[0].weight is model[1].weight and model[0].weight.is_hpu


def test_loading_a_state_writes_in_place():
    model = torch.nn.Linear(2, 2).to("hpu")
    address = model.weight.data_ptr()
    model.load_state_dict({"weight": torch.ones(2, 2), "bias": torch.zeros(2)})
    assert model.weight.data_ptr() == address and model.weight.cpu().tolist() == [[1, 1], [1, 1]]
