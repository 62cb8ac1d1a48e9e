"""What the vendor calls experimental."""

from . import transformer_engine

__all__ = ["transformer_engine"]
