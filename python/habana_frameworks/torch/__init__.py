"""Registers the device `hpu` with PyTorch: `import habana_frameworks.torch as ht`, then `torch.device("hpu")`, `ht.hpu`, `ht.core`.

The device is opened on first use; the environment variable OPENHPU_DEVICE chooses it (default `sim`: a simulated Gaudi2).
"""

import os
import warnings

os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
os.environ.setdefault("HABANA_PROFILE", "profile_api_light")

from . import _native  # noqa: E402,F401  registers the device's operators
from . import activity_profiler, core, distributed, hpex, hpu, internal, utils  # noqa: E402
from .distributed import hccl  # noqa: E402,F401
from .internal import bridge_config  # noqa: E402
from .utils import at_exit  # noqa: E402,F401  reads its settings now

if bridge_config.get_flag("PT_HPU_GPU_MIGRATION"):
    try:
        from . import gpu_migration  # noqa: F401
    except NotImplementedError as error:
        warnings.warn(f"PT_HPU_GPU_MIGRATION is set, but GPU migration is not available: {error}")

if bridge_config.get_flag("PT_HPU_REPLACE_ADAM_ADAMW"):
    import torch

    torch.optim.Adam, torch.optim.AdamW = hpex.optimizers.Adam, hpex.optimizers.AdamW

__all__ = ["activity_profiler", "core", "distributed", "hpex", "hpu", "internal", "utils"]
