"""EmbeddingBag: PyTorch's module under the vendor's name."""

from __future__ import annotations

import torch


class EmbeddingBag(torch.nn.EmbeddingBag):
    """`torch.nn.EmbeddingBag`. Bags of equal size (a 2-D input) in modes "sum" and "mean" are gathered and reduced on the device; others run where PyTorch can."""

    def forward(
        self, input: torch.Tensor, offsets: "torch.Tensor | None" = None, per_sample_weights: "torch.Tensor | None" = None  # noqa: A002  PyTorch's name
    ) -> torch.Tensor:
        equal = input.dim() == 2 and offsets is None and self.mode in ("sum", "mean") and self.max_norm is None and self.padding_idx is None
        if not (equal and self.weight.device.type == "hpu" and not self.sparse and not self.scale_grad_by_freq):
            return super().forward(input, offsets, per_sample_weights)
        rows = torch.nn.functional.embedding(input, self.weight)
        if per_sample_weights is not None:
            if self.mode != "sum":
                raise NotImplementedError("EmbeddingBag: per_sample_weights are supported for mode='sum' only")
            rows = rows * per_sample_weights.unsqueeze(-1)
        return rows.sum(1) if self.mode == "sum" else rows.mean(1)
