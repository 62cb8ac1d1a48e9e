"""What the vendor's compiled debug module offers to Python: the names of utils.debug."""

from typing import Any

from . import debug as _debug


def __getattr__(name: str) -> Any:
    return getattr(_debug, name)
