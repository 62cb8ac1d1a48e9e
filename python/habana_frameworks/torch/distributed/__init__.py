"""Several processes, each with a card."""

from . import hccl

__all__ = ["hccl"]
