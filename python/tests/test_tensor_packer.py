"""TensorPacker: structures as tensors and a description."""

import collections

import pytest
import torch

import habana_frameworks.torch as ht

Pair = collections.namedtuple("Pair", "first second")


def test_packing_puts_an_index_in_the_place_of_each_tensor():
    x, y, z = torch.ones(1), torch.ones(2), torch.ones(3)
    tensors, metadata = ht.hpu.TensorPacker().pack(({"x": x, "y": y}, z))
    assert str(metadata) == "({'x': #0, 'y': #1}, #2)"
    assert isinstance(tensors, tuple) and all(a is b for a, b in zip(tensors, (x, y, z)))


def test_unpacking_gives_the_structure_with_other_tensors():
    packer = ht.hpu.TensorPacker()
    x = torch.ones(1)
    for structure in (x, (x,), [x, [x, None]], {"b": x, "a": (1, x, "text")}, Pair(x, {"k": x}), collections.OrderedDict(z=x, a=2.5)):
        tensors, metadata = packer.pack(structure)
        again, described = packer.pack(packer.unpack([t + 1 for t in tensors], metadata))
        assert described == metadata and str(described) == str(metadata)
        assert all(torch.equal(t, x + 1) for t in again) and len(again) == len(tensors)
        assert type(packer.unpack(tensors, metadata)) is type(structure)


def test_dicts_keep_their_order():
    x = torch.ones(1)
    tensors, metadata = ht.hpu.TensorPacker().pack({"b": x, "a": x + 1})
    assert str(metadata) == "{'b': #0, 'a': #1}" and list(ht.hpu.TensorPacker().unpack(tensors, metadata)) == ["b", "a"]


def test_outputs_without_a_tensor_are_refused(capsys):
    with pytest.raises(RuntimeError, match="no tensor in this output"):
        ht.hpu.TensorPacker(is_out_pack=True).pack({"x": 1})
    assert ht.hpu.TensorPacker().pack({"x": 1}) == ((), {"x": 1})
    ht.hpu.TensorPacker(verbose=True).pack(torch.ones(1))
    assert "1 tensors, #0" in capsys.readouterr().out
