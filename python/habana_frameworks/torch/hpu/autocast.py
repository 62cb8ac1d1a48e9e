"""torch.autocast("hpu"): which operators run in bfloat16, which in float32, and which in the widest type of their operands.

The lists are the vendor's. PT_HPU_AUTOCAST_LOWER_PRECISION_OPS_LIST and PT_HPU_AUTOCAST_FP32_OPS_LIST name files (an operator a line) that replace the first
two; they are read at import. The casts are done by kernels of the native module at dispatch key AutocastXPU, which PyTorch 1.13 has and hpu borrows.
"""

from __future__ import annotations

import functools
import os
import warnings
from typing import Any, List, Optional

import torch

from habana_frameworks.torch import _native

LOWER_PRECISION_OPS = (
    "addmm addbmm batch_norm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d dot dropout feature_dropout group_norm "
    "instance_norm layer_norm leaky_relu linear matmul mean mm mul mv softmax log_softmax scaled_dot_product_attention"
).split()
FP32_OPS = (
    "acos addcdiv asin atan2 bilinear binary_cross_entropy binary_cross_entropy_with_logits cdist cosh cosine_embedding_loss cosine_similarity "
    "cross_entropy_loss dist div divide embedding embedding_bag erfinv exp expm1 hinge_embedding_loss huber_loss kl_div l1_loss log log10 log1p log2 logsumexp "
    "margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss nll_loss nll_loss2d pdist poisson_nll_loss pow reciprocal renorm rsqrt sinh "
    "smooth_l1_loss soft_margin_loss softplus tan topk triplet_margin_loss true_divide truediv"
).split()
PROMOTE_OPS = "add addcmul addcdiv cat div exp mul pow sub iadd truediv stack".split()


def _list_of(variable: str, default: List[str]) -> List[str]:
    path = os.environ.get(variable)
    if not path:
        return default
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


def _register_lists() -> None:
    lower = _list_of("PT_HPU_AUTOCAST_LOWER_PRECISION_OPS_LIST", LOWER_PRECISION_OPS)
    fp32 = [op for op in _list_of("PT_HPU_AUTOCAST_FP32_OPS_LIST", FP32_OPS) if op not in lower]
    promote = [op for op in PROMOTE_OPS if op not in lower and op not in fp32]
    _native.register_autocast(lower, fp32, promote)


def set_autocast_hpu_enabled(enabled: bool) -> None:
    """Turns autocast for hpu on or off, for this thread."""
    _native.set_autocast_enabled(bool(enabled))


def is_autocast_hpu_enabled() -> bool:
    """Whether autocast for hpu is on in this thread."""
    return _native.is_autocast_enabled()


def set_autocast_hpu_dtype(dtype: torch.dtype) -> None:
    """The type that the lower-precision operators run in: torch.bfloat16."""
    _native.set_autocast_dtype(dtype)


def get_autocast_hpu_dtype() -> torch.dtype:
    """What `set_autocast_hpu_dtype` set; torch.bfloat16 at first."""
    return _native.get_autocast_dtype()


def overwrite_torch_functions() -> None:
    """torch.autocast takes "hpu", as a context and as a decorator."""
    _register_lists()
    set_autocast_hpu_dtype(torch.bfloat16)
    autocast = torch.amp.autocast_mode.autocast
    host_init, host_enter, host_exit = autocast.__init__, autocast.__enter__, autocast.__exit__

    @functools.wraps(host_init)
    def init(self: Any, device_type: str, dtype: Optional[torch.dtype] = None, enabled: bool = True, cache_enabled: Optional[bool] = None) -> None:
        if device_type != "hpu":
            host_init(self, device_type, dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)
            return
        self.device = device_type
        self.fast_dtype = get_autocast_hpu_dtype() if dtype is None else dtype
        self._cache_enabled = torch.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if self.fast_dtype not in (torch.bfloat16, torch.float32):
            warnings.warn(
                "In HPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"HPU Autocast only supports dtype of torch.bfloat16 on this device, not {self.fast_dtype}."
            )
            enabled = False
            self.fast_dtype = torch.bfloat16
        self._enabled = enabled

    @functools.wraps(host_enter)
    def enter(self: Any) -> Any:
        if self.device != "hpu":
            return host_enter(self)
        # A stack: one object may be entered again inside itself, as a decorator of a recursive function is.
        if not hasattr(self, "_before"):
            self._before = []
        self._before.append((is_autocast_hpu_enabled(), get_autocast_hpu_dtype()))
        set_autocast_hpu_enabled(self._enabled)
        set_autocast_hpu_dtype(self.fast_dtype)
        return self

    @functools.wraps(host_exit)
    def leave(self: Any, *exception: Any) -> Any:
        if self.device != "hpu":
            return host_exit(self, *exception)
        enabled, dtype = self._before.pop()
        set_autocast_hpu_enabled(enabled)
        set_autocast_hpu_dtype(dtype)
        return False

    autocast.__init__, autocast.__enter__, autocast.__exit__ = init, enter, leave
