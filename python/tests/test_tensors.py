"""Tensors on hpu: host copies, dtypes, views, storages."""

import copy
import io

import pytest
import torch

import habana_frameworks.torch as ht


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.float64])
def test_values_survive_the_way_there_and_back(dtype):
    values = (torch.arange(-8, 8) if dtype not in (torch.uint8, torch.bool) else torch.arange(16) % 2).to(dtype).reshape(4, 4)
    there = values.to("hpu")
    assert there.dtype == dtype and there.shape == values.shape
    assert torch.equal(there.cpu(), values)
    assert torch.equal(there.t().cpu(), values.t())
    assert torch.equal(values.t().to("hpu").cpu(), values.t())


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 1, 3, 1, 2, 2)])
def test_shapes_of_any_rank(shape):
    values = torch.randn(shape)
    assert torch.equal(values.to("hpu").cpu(), values)
    assert torch.equal((values.to("hpu") + 1).cpu(), values + 1)


def test_float16_is_refused_by_name():
    with pytest.raises(RuntimeError, match="torch.Half is not supported on hpu"):
        torch.ones(2, dtype=torch.float16).to("hpu")


def test_int64_is_kept_as_int32_and_what_does_not_fit_is_refused():
    assert torch.tensor([2**31 - 1, -(2**31)]).to("hpu").cpu().tolist() == [2**31 - 1, -(2**31)]
    with pytest.raises(RuntimeError, match=r"Error when trying to cast Long to Int, Input values range \[0, 2147483648\] exceeds Int range"):
        torch.tensor([2**31]).to("hpu")
    with pytest.raises(RuntimeError, match="Error when trying to cast Double to Float"):
        torch.tensor([1e300], dtype=torch.float64).to("hpu")
    assert torch.tensor([float("inf")], dtype=torch.float64).to("hpu").item() == float("inf")


def test_writes_through_views_reach_the_base():
    for view in (
        lambda t: t[1],
        lambda t: t[:, 2],
        lambda t: t.t()[1:3],
        lambda t: t.view(2, 12)[1],
        lambda t: t.unfold(1, 2, 2)[0],
        lambda t: t.diagonal(),
        lambda t: t.as_strided((2, 2), (6, 1), 3),
        lambda t: t.reshape(24)[5:9],
        lambda t: t.unsqueeze(0).squeeze(0).transpose(0, 1)[3],
        lambda t: t.narrow(0, 1, 2),
        lambda t: t.split(2)[1],
        lambda t: t.chunk(2, 1)[0],
        lambda t: t.detach(),
    ):
        host = torch.zeros(4, 6)
        there = host.to("hpu")
        view(host).add_(1)
        view(there).add_(1)
        assert torch.equal(there.cpu(), host)
        view(host).copy_(torch.ones(()) * 3)
        view(there).copy_(torch.ones(()) * 3)
        assert torch.equal(there.cpu(), host)


def test_views_share_the_storage_and_its_address():
    t = torch.zeros(4, 6).to("hpu")
    assert t[1].data_ptr() == t.data_ptr() + 24
    wide = torch.zeros(4, 6, dtype=torch.int64).to("hpu")
    assert wide[1].data_ptr() == wide.data_ptr() + 24  # four bytes an element


def test_addresses_stay_when_a_tensor_is_written():
    t = torch.zeros(100).to("hpu")
    address = t.data_ptr()
    t.add_(1)
    ht.core.mark_step()
    t.copy_(torch.ones(100))
    assert t.data_ptr() == address


def test_tensors_hold_no_memory_before_they_are_written():
    from habana_frameworks.torch import _native

    before = _native.memory_counters()["allocations"]
    kept = [torch.empty(1000, device="hpu") for _ in range(3)]
    assert _native.memory_counters()["allocations"] == before
    assert kept[0].data_ptr() > 0
    assert _native.memory_counters()["allocations"] == before + 1


def test_int64_storages_refuse_another_width():
    t = torch.zeros(4, dtype=torch.int64).to("hpu")
    with pytest.raises(RuntimeError, match="int64 is stored as int32 on the device"):
        t.view(torch.int32)
    assert torch.equal(torch.ones(2).to("hpu").view(torch.int32).cpu(), torch.ones(2).view(torch.int32))


def test_resize_keeps_what_was_there():
    t = torch.arange(6.0).to("hpu")
    t.resize_(2, 2)
    assert t.cpu().tolist() == [[0, 1], [2, 3]]
    t.resize_(8)
    assert t.cpu()[:6].tolist() == [0, 1, 2, 3, 4, 5]


def test_set_shares_another_tensors_storage():
    a, b = torch.zeros(4).to("hpu"), torch.ones(2, 2).to("hpu")
    a.set_(b)
    a.add_(1)
    assert b.cpu().tolist() == [[2, 2], [2, 2]]


def test_scalars_come_to_the_host():
    t = torch.tensor([3, 4]).to("hpu")
    assert t[1].item() == 4 and int(t[0]) == 3 and bool(t[0] == 3)
    assert float(torch.tensor(2.5).to("hpu")) == 2.5


def test_printing_goes_through_the_host():
    assert repr(torch.tensor([1.0, 2.0]).to("hpu")) == "tensor([1., 2.], device='hpu:0')"
    assert "requires_grad=True" in repr(torch.ones(1, device="hpu", requires_grad=True))


def test_modules_are_saved_and_loaded():
    model = torch.nn.Linear(3, 2).to("hpu")
    file = io.BytesIO()
    torch.save(model.cpu().state_dict(), file)
    file.seek(0)
    other = torch.nn.Linear(3, 2).to("hpu")
    other.load_state_dict(torch.load(file))
    assert torch.equal(other.weight.cpu(), model.weight)
    clone = copy.deepcopy(other)
    clone.weight.data.add_(1)
    assert torch.equal(other.weight.cpu(), model.weight)


def test_factories():
    assert torch.equal(torch.zeros(2, 3, device="hpu").cpu(), torch.zeros(2, 3))
    assert torch.equal(torch.ones(2, dtype=torch.bfloat16, device="hpu").cpu(), torch.ones(2, dtype=torch.bfloat16))
    assert torch.equal(torch.arange(2, 11, 3, device="hpu").cpu(), torch.arange(2, 11, 3))
    assert torch.equal(torch.arange(0, 1, 0.25, device="hpu").cpu(), torch.arange(0, 1, 0.25))
    assert torch.equal(torch.eye(3, device="hpu").cpu(), torch.eye(3))
    assert torch.equal(torch.full_like(torch.zeros(2, device="hpu"), 4).cpu(), torch.full((2,), 4.0))
    assert torch.allclose(torch.linspace(0, 1, 7, device="hpu").cpu(), torch.linspace(0, 1, 7))
    assert torch.tensor([[1, 2]], device="hpu").cpu().tolist() == [[1, 2]]


def test_formats_follow_pytorch():
    image = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    there = image.to("hpu")
    assert there.stride() == image.stride()
    assert (there + 1).stride() == (image + 1).stride()
    assert torch.equal((there + 1).cpu(), image + 1)


def test_different_devices_in_one_op_are_refused():
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        torch.ones(2).to("hpu") + torch.ones(2)


def test_masks_labels_and_what_is_compared_may_be_on_the_host():
    host = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    there, mask = host.to("hpu"), host > 2
    assert torch.equal(torch.where(mask, there, there * 0).cpu(), torch.where(mask, host, host * 0))
    assert torch.equal((there > torch.full((2, 2), 2.5)).cpu(), mask)
    assert torch.equal((host == there).cpu(), host == host)
    assert torch.equal(there.masked_fill(mask, 0).cpu(), host.masked_fill(mask, 0))
    labels = torch.tensor([1, 0])
    loss = torch.nn.functional.cross_entropy(there, labels)
    assert loss.is_hpu and torch.allclose(loss.cpu(), torch.nn.functional.cross_entropy(host, labels), atol=1e-4)
