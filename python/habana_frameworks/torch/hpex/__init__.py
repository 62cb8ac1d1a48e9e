"""The vendor's extensions: fused kernels, normalisations, optimizers and moving averages for `hpu`.

Each is written in PyTorch's operators, shaped so that the graph compiler makes one or a few kernels of it; each also works on CPU tensors.
Importing this defines the operators `torch.ops.hpu.*` too.
"""

from . import custom_ops  # noqa: F401  defines torch.ops.hpu.*
from . import experimental, kernels, movingavrg, normalization, optimizers

__all__ = ["experimental", "kernels", "movingavrg", "normalization", "optimizers"]
