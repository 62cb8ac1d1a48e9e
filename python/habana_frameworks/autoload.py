"""The entry point through which PyTorch (2.5 and later) loads the device by itself."""

from __future__ import annotations

import os


def __autoload() -> None:
    """Imports the package if PT_HPU_AUTOLOAD=1. Lazy mode, the default, leaves it to the program."""
    wanted = os.environ.get("PT_HPU_AUTOLOAD", "0" if os.environ.get("PT_HPU_LAZY_MODE", "1") != "0" else "1")
    if wanted == "1":
        import habana_frameworks.torch  # noqa: F401
