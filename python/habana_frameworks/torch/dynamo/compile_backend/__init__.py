"""The vendor's backend of torch.compile: importable, but PyTorch 1.13 has no torch.compile."""

from . import config, shared_layer

__all__ = ["config", "shared_layer"]
