"""Moving averages of a model's weights."""

from .ema import FusedEMA

__all__ = ["FusedEMA"]
