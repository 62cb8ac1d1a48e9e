"""Fused kernels: attention, rotary embedding, softmax, and the loss and lookup helpers that come with them."""

from . import fbgemm
from .attention import FusedSDPA, PySDPA, PySDPAHinted, fp8_fused_sdpa
from .ctc import CTCLoss
from .embedding_bag import EmbeddingBag
from .rotary import (
    RotaryPosEmbeddingHelperV1,
    RotaryPosEmbeddingHelperV2,
    RotaryPosEmbeddingHelperV3,
    RotaryPosEmbeddingMode,
    apply_rotary_pos_emb,
)
from .softmax import CustomSoftmax

__all__ = [
    "CTCLoss",
    "CustomSoftmax",
    "EmbeddingBag",
    "FusedSDPA",
    "PySDPA",
    "PySDPAHinted",
    "RotaryPosEmbeddingHelperV1",
    "RotaryPosEmbeddingHelperV2",
    "RotaryPosEmbeddingHelperV3",
    "RotaryPosEmbeddingMode",
    "apply_rotary_pos_emb",
    "fbgemm",
    "fp8_fused_sdpa",
]
