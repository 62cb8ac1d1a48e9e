"""torch.compile for hpu: importable, but PyTorch 1.13 has no torch.compile."""

from . import compile_backend, debug_utils

__all__ = ["compile_backend", "debug_utils"]
