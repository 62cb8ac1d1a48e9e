"""`TensorPacker`: nested structures as a flat tuple of tensors and a description, and back."""

from __future__ import annotations

import collections
from typing import Any, List, Sequence, Tuple

import torch

from .keys import parts, remade


class Index:
    """Where a tensor was: its place in the packed tuple."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __repr__(self) -> str:
        return f"#{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and other.index == self.index

    def __hash__(self) -> int:
        return hash(("Index", self.index))


class TensorPacker:
    """Takes the tensors out of tuples, lists, dicts and dataclasses.

        tensors, metadata = packer.pack(({"x": a, "y": b}, c))  # (a, b, c), ({'x': #0, 'y': #1}, #2)
        packer.unpack(tensors, metadata)

    Args:
        is_out_pack: what is packed are outputs: a structure without a tensor is an error then, as nothing could be replayed.
        verbose: prints what was packed.
    """

    def __init__(self, is_out_pack: bool = False, verbose: bool = False) -> None:
        self.is_out_pack = is_out_pack
        self.verbose = verbose

    def pack(self, x: Any) -> Tuple[Tuple[torch.Tensor, ...], Any]:
        """The tensors of `x`, and `x` with an Index in the place of each."""
        tensors: List[torch.Tensor] = []
        metadata = self._pack(x, tensors)
        if self.is_out_pack and not tensors:
            raise RuntimeError(f"TensorPacker: there is no tensor in this output: {x!r}")
        if self.verbose:
            print(f"TensorPacker: {len(tensors)} tensors, {metadata}")
        return tuple(tensors), metadata

    def unpack(self, tensors: Sequence[torch.Tensor], metadata: Any) -> Any:
        """The structure that `metadata` describes, with these tensors."""
        if isinstance(metadata, Index):
            return tensors[metadata.index]
        return self._mapped(metadata, lambda child: self.unpack(tensors, child))

    def _pack(self, x: Any, tensors: List[torch.Tensor]) -> Any:
        if isinstance(x, torch.Tensor):
            tensors.append(x)
            return Index(len(tensors) - 1)
        return self._mapped(x, lambda child: self._pack(child, tensors))

    @staticmethod
    def _mapped(x: Any, change: Any) -> Any:
        if type(x) in (dict, collections.OrderedDict):
            return type(x)((key, change(value)) for key, value in x.items())  # in the order in which it was filled
        found = parts(x)
        if found is None or isinstance(x, slice):
            return x
        return remade(x, tuple(change(child) for child in found[1]))
