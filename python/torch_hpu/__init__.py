"""Deprecated: habana_frameworks.torch.hpu."""

from __future__ import annotations

import warnings
from typing import Any

import habana_frameworks.torch as _ht


def _deprecated(name: str) -> None:
    warnings.warn(f"torch_hpu.{name} is deprecated; use habana_frameworks.torch.hpu.{name}", DeprecationWarning, stacklevel=3)


def is_available() -> bool:
    """Deprecated: habana_frameworks.torch.hpu.is_available."""
    _deprecated("is_available")
    return _ht.hpu.is_available()


def device_count() -> int:
    """Deprecated: habana_frameworks.torch.hpu.device_count."""
    _deprecated("device_count")
    return _ht.hpu.device_count()


def get_device_name(device: Any = None) -> str:
    """Deprecated: habana_frameworks.torch.hpu.get_device_name."""
    _deprecated("get_device_name")
    return _ht.hpu.get_device_name(device)
