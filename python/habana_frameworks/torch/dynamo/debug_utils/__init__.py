"""Debugging of the torch.compile backend."""

from . import logger

__all__ = ["logger"]
