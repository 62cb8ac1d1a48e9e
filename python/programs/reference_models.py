"""The models that the demo, the benchmark and the tests run: random weights, statistics of batch norms taken from real activations."""

from __future__ import annotations

from typing import Iterable, List, Tuple

import torch

Case = Tuple[torch.nn.Module, List[torch.Tensor]]  # a model in evaluation, and inputs


def calibrate(model: torch.nn.Module, batches: Iterable[torch.Tensor]) -> torch.nn.Module:
    """Gives batch norms the statistics of these batches: with the initial ones, deep outputs hardly depend on the input."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.eval()
    with torch.no_grad():
        for batch in batches:
            model(batch)
    return model.eval()


def vision(name: str, batch: int, size: int, inputs: int) -> Case:
    """A model of torchvision's, on images of size x size."""
    import torchvision

    torch.manual_seed(1)
    model = getattr(torchvision.models, name)(weights=None)
    calibrate(model, [torch.randn(max(batch, 4), 3, size, size) for _ in range(2)])
    return model, [torch.randn(batch, 3, size, size) for _ in range(inputs)]


def encoder(batch: int, tokens: int, inputs: int, layers: int = 12) -> Case:
    """nn.TransformerEncoder, d = 768 with 12 heads. Tokens first: then PyTorch takes the plain path on every device, not one fused for CPU and CUDA only."""
    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(d_model=768, nhead=12, dim_feedforward=3072)
    model = torch.nn.TransformerEncoder(layer, num_layers=layers).eval()
    for weight in model.parameters():  # the layers are copies of one: make them differ
        if weight.dim() > 1:
            torch.nn.init.xavier_uniform_(weight)
    return model, [torch.randn(tokens, batch, 768) for _ in range(inputs)]
