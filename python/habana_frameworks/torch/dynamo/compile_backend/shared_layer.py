"""Which operators the torch.compile backend leaves to the CPU: none, as there is no such backend under PyTorch 1.13."""

from __future__ import annotations

from typing import List

hpu_fallback_op_list: List[str] = []
