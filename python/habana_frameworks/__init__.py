"""openhpu's implementation of the `habana_frameworks` package: PyTorch programs for `hpu` on stock PyTorch, without a card."""
