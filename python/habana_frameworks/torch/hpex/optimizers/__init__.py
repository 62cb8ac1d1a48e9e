"""Optimizers as fused device work: one kernel for each parameter, none compiled anew when a step count or a learning rate changes, and right when
a step is captured in a graph and replayed."""

from . import distributed
from .adagrad import FusedAdagrad
from .adam import Adam, AdamW, FusedAdamW
from .lamb import FusedLamb
from .lars import FusedLars, FusedResourceApplyMomentum
from .sgd import FusedSGD

__all__ = ["Adam", "AdamW", "FusedAdagrad", "FusedAdamW", "FusedLamb", "FusedLars", "FusedResourceApplyMomentum", "FusedSGD", "distributed"]
