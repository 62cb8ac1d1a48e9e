"""How graphs are captured and replayed: the keywords that all makers of graphs take, and the environment in their place."""

from __future__ import annotations

import os
from typing import NamedTuple


def flag(name: str, otherwise: bool) -> bool:
    """Whether the variable is "1"; `otherwise` if it is not set."""
    value = os.environ.get(name)
    return otherwise if value is None else value == "1"


class Options(NamedTuple):
    asynchronous: bool = False
    disable_tensor_cache: bool = False
    dry_run: bool = False

    def now(self) -> "Options":
        """With the environment's switches, which programs set between calls."""
        release = flag("PT_HPUGRAPH_DISABLE_TENSOR_CACHE", self.disable_tensor_cache)
        return Options(self.asynchronous, release, flag("PT_HPUGRAPH_ENABLE_DRY_RUN", self.dry_run))
