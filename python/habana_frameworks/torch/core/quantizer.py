"""Not supported: PT2E quantizers of torch.ao is part of PyTorch 2."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"core.quantizer.{name} is not supported: PT2E quantizers of torch.ao is part of PyTorch 2")

    return refuse
