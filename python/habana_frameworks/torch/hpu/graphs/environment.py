"""Switches of the environment, read at each call: programs set them between calls."""

from __future__ import annotations

import os


def flag(name: str, otherwise: bool) -> bool:
    """Whether the variable is "1"; `otherwise` if it is not set."""
    value = os.environ.get(name)
    return otherwise if value is None else value == "1"
