"""The functions of habana_frameworks.torch.profiler."""

from habana_frameworks.torch.profiler import setup_profiler, start_profiler, stop_profiler

__all__ = ["setup_profiler", "start_profiler", "stop_profiler"]
