"""What the vendor's compiled core module offers to Python."""

from __future__ import annotations

import dataclasses

from habana_frameworks.torch.core import _get_default_generator, _hb_get_default_device, _iter_mark_step, _mark_step

__all__ = ["TensorExtraMeta", "_get_default_generator", "_hb_get_default_device", "_iter_mark_step", "_mark_step"]


@dataclasses.dataclass
class TensorExtraMeta:
    """What is known of a tensor beside its contents: whether a program declared it constant."""

    is_const_tensor: bool = False
    const_id: int = -1
