"""The legacy tensor types of hpu: `ht.hpu.FloatTensor(2, 3)`, `ht.hpu.LongTensor([1, 2])`, `isinstance(t, ht.hpu.FloatTensor)`."""

from __future__ import annotations

from typing import Any, Tuple

import torch


class _LegacyType(type):
    """Makes a class of one dtype on hpu: instances of it are the plain tensors of that dtype there."""

    dtype: torch.dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> torch.Tensor:  # type: ignore[override]
        kwargs.pop("device", None)
        if len(args) == 1 and isinstance(args[0], torch.Tensor):
            return args[0].to("hpu", cls.dtype)
        if len(args) == 1 and isinstance(args[0], torch.Size):
            return torch.empty(args[0], dtype=cls.dtype, device="hpu")
        if all(isinstance(size, int) for size in args):
            return torch.empty(args or (0,), dtype=cls.dtype, device="hpu")
        return torch.tensor(*args, dtype=cls.dtype, device="hpu", **kwargs)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.device.type == "hpu" and value.dtype == cls.dtype


def _legacy(name: str, dtype: torch.dtype) -> Any:
    bases: Tuple[type, ...] = ()
    return _LegacyType(name, bases, {"dtype": dtype, "__doc__": f"Tensors of {dtype} on hpu.", "__module__": "torch.hpu"})


BFloat16Tensor = _legacy("BFloat16Tensor", torch.bfloat16)
BoolTensor = _legacy("BoolTensor", torch.bool)
ByteTensor = _legacy("ByteTensor", torch.uint8)
CharTensor = _legacy("CharTensor", torch.int8)
DoubleTensor = _legacy("DoubleTensor", torch.float64)
FloatTensor = _legacy("FloatTensor", torch.float32)
HalfTensor = _legacy("HalfTensor", torch.float16)
IntTensor = _legacy("IntTensor", torch.int32)
LongTensor = _legacy("LongTensor", torch.int64)
ShortTensor = _legacy("ShortTensor", torch.int16)
