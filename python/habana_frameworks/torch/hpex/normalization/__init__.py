"""Fused normalisations: of activations by their root mean square, of gradients by their common norm."""

from .clip_norm import FusedClipNorm
from .rms_norm import FusedRMSNorm, RmsNormBwdMode

__all__ = ["FusedClipNorm", "FusedRMSNorm", "RmsNormBwdMode"]
