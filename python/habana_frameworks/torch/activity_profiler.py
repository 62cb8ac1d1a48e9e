"""What PyTorch's profiler can be asked to record of the bridge. A simulated card's own timeline is utils.simulator.trace."""

from __future__ import annotations

import enum
from typing import Any


class DebugActivity(enum.Enum):
    """Sources of the vendor's that the profiler can be given. None exists here: torch.profiler refuses them by type."""

    SYNAPSE_FUNCTION_CALLS = 0
    BRIDGE_FUNCTION_CALLS = 1
    BRIDGE_FLOW = 2
    MANDATORY_EVENTS = 3


def _setup_activity_profiler_sources(*args: Any, **kwargs: Any) -> None:
    raise NotImplementedError("activity_profiler: sources of the vendor's profiler are not supported; use habana_frameworks.torch.utils.simulator.trace")
