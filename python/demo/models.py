"""What the demo runs: a model, a test set in batches, and (for digits) the right answers."""

from __future__ import annotations

import dataclasses
from typing import List, Optional

import torch

from progress import Progress


@dataclasses.dataclass
class Workload:
    """A model on the CPU in eval mode, and what it is asked."""

    title: str
    model: torch.nn.Module
    batches: List[torch.Tensor]
    labels: Optional[torch.Tensor]  # of all samples, in order; None for random inputs


class DigitsNet(torch.nn.Module):
    """Three convolutions and a linear layer for 8 x 8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 3, padding=1),
            torch.nn.BatchNorm2d(32),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(32, 64, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(2),
        )
        self.classifier = torch.nn.Linear(256, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images).flatten(1))


def _split(inputs: torch.Tensor, batch: int) -> List[torch.Tensor]:
    return list(inputs.split(batch))


def digits(batch: int) -> Workload:
    """Trains DigitsNet on the CPU for a few seconds on real scanned digits (scikit-learn ships them); the last 500 are the test set."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16.0
    labels = torch.tensor(data.target)
    train_images, train_labels = images[:-500], labels[:-500]
    model = DigitsNet().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    epochs, step = 8, 64
    order = torch.Generator().manual_seed(1)
    with Progress("training on the CPU", epochs) as progress:
        for _ in range(epochs):
            for chosen in torch.randperm(len(train_images), generator=order).split(step):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(train_images[chosen]), train_labels[chosen]).backward()
                optimizer.step()
            progress.advance()
    return Workload("scanned digits, small convolutional net", model.eval(), _split(images[-500:], batch), labels[-500:])


def resnet18(batch: int) -> Workload:
    """torchvision's resnet18 with random weights; batch-norm statistics calibrated, so that outputs depend on inputs."""
    import torchvision

    model = torchvision.models.resnet18().train()
    with torch.no_grad():
        model(torch.randn(8, 3, 224, 224))
    return Workload("resnet18, random weights", model.eval(), _split(torch.randn(5 * batch, 3, 224, 224), batch), None)


def transformer(batch: int) -> Workload:
    """A 12-layer nn.TransformerEncoder (768 wide, 12 heads) with random weights, on sequences of 128."""
    layer = torch.nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 12).eval()
    return Workload("12-layer Transformer encoder, random weights", model, _split(torch.randn(5 * batch, 128, 768), batch), None)


MODELS = {"digits": digits, "resnet18": resnet18, "transformer": transformer}
DEFAULT_BATCH = {"digits": 50, "resnet18": 2, "transformer": 2}
