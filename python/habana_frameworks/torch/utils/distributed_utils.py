"""Deprecated: habana_frameworks.torch.distributed.hccl."""

from __future__ import annotations

import warnings
from typing import Any, Tuple


def initialize_distributed_hpu(*args: Any, **kwargs: Any) -> Tuple[int, int, int]:
    """Deprecated: distributed.hccl.initialize_distributed_hpu."""
    from habana_frameworks.torch.distributed.hccl import initialize_distributed_hpu as initialize

    warnings.warn("utils.distributed_utils is deprecated; use habana_frameworks.torch.distributed.hccl", DeprecationWarning, stacklevel=2)
    return initialize(*args, **kwargs)
