"""Not supported: running programs written for CUDA unchanged."""

raise NotImplementedError("habana_frameworks.torch.gpu_migration is not supported: name the device 'hpu' instead of 'cuda'")
