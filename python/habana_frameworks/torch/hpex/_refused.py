"""What exists by name, and says so when it is used."""

from __future__ import annotations

from typing import Any, Callable


def refused(name: str, why: str) -> Callable[..., Any]:
    """A callable that raises NotImplementedError with its `name` and `why`."""

    def call(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{name} is not supported: {why}")

    call.__name__ = call.__qualname__ = name.rsplit(".", 1)[-1]
    return call


NO_FP8 = "PyTorch 1.13 and this chip have no 8-bit floats"
