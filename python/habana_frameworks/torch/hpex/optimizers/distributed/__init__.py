"""Optimizers for sharded parameters. Each rank steps its own shard, so they are the same."""

from ..adam import FusedAdamW

__all__ = ["FusedAdamW"]
