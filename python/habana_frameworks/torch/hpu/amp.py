"""`torch.hpu.amp.autocast()`: torch.autocast("hpu")."""

from __future__ import annotations

from typing import Optional

import torch

__all__ = ["autocast"]


class autocast(torch.autocast):  # noqa: N801  PyTorch's name
    """torch.autocast for hpu, as a context or a decorator."""

    def __init__(self, enabled: bool = True, dtype: Optional[torch.dtype] = None, cache_enabled: bool = True) -> None:
        super().__init__("hpu", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)
