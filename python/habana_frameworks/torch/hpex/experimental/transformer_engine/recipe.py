"""How the vendor's 8-bit floats are scaled: settings only."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Callable, NamedTuple, Optional, Tuple, Union


class _FormatMaxVals(NamedTuple):
    fwd: float
    bwd: float


class Format(enum.Enum):
    """Which 8-bit format is used forward and backward, by its largest values."""

    E4M3 = _FormatMaxVals(fwd=240.0, bwd=240.0)
    E5M2 = _FormatMaxVals(fwd=57344.0, bwd=57344.0)
    HYBRID = _FormatMaxVals(fwd=240.0, bwd=57344.0)


@dataclasses.dataclass
class DelayedScaling:
    """Scales from the largest values of earlier steps."""

    margin: int = 0
    interval: int = 1
    fp8_format: Format = Format.HYBRID
    amax_history_len: int = 1
    amax_compute_algo: Union[str, Callable[..., Any]] = "most_recent"
    scaling_factor_compute_algo: Optional[Callable[..., Any]] = None
    override_linear_precision: Tuple[bool, bool, bool] = (False, False, False)
    reduce_amax: bool = True
