"""Registers the device `hpu` with PyTorch: `import habana_frameworks.torch as ht`, then `torch.device("hpu")`, `ht.hpu`, `ht.core`.

The device is opened on first use; the environment variable OPENHPU_DEVICE chooses it (default `sim`: a simulated Gaudi).
"""

from . import _native  # noqa: F401  registers the device's operators
from . import hpu
from . import core
from . import utils

__all__ = ["core", "hpu", "utils"]
