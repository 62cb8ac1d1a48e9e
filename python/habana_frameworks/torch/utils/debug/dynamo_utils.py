"""Not supported: looking into graphs of torch.compile, which PyTorch 1.13 does not have."""

from __future__ import annotations

from typing import Any


class FxGraphAnalyzer:
    """Raises NotImplementedError when it is made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("utils.debug.dynamo_utils.FxGraphAnalyzer is not supported: torch.compile is part of PyTorch 2")
