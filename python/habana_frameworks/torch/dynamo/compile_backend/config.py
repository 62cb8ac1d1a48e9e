"""Settings of the torch.compile backend: kept, and without effect under PyTorch 1.13."""

from __future__ import annotations

from typing import Any, Dict

configuration_flags: Dict[str, Any] = {
    "keep_input_mutations": False,
    "use_compiled_recipes": True,
    "use_eager_fallback": False,
    "use_graph_freezing": False,
    "use_inplace_allreduce": False,
    "verbose_recompiles": False,
}


def __getattr__(name: str) -> Any:
    if name in configuration_flags:
        return configuration_flags[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
