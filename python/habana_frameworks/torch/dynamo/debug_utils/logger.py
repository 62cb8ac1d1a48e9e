"""Loggers of the torch.compile backend."""

from __future__ import annotations

import logging


def get_compile_backend_logger(name: str = "hpu.compile_backend") -> logging.Logger:
    """The backend's logger."""
    return logging.getLogger(name)
