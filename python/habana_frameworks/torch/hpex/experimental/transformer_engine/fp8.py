"""The state of 8-bit float computation: always off."""

from __future__ import annotations

from typing import Any, Optional

from ..._refused import NO_FP8, refused
from .recipe import DelayedScaling

__all__ = ["FP8GlobalStateManager", "get_default_fp8_recipe", "is_fp8_available"]


def is_fp8_available() -> "tuple[bool, str]":
    """Whether the device computes with 8-bit floats, and why not."""
    return False, NO_FP8


def get_default_fp8_recipe() -> DelayedScaling:
    """The recipe of `fp8_autocast` without one."""
    return DelayedScaling()


class FP8GlobalStateManager:
    """What the vendor's layers ask about the region that they are in. There is none."""

    @classmethod
    def is_fp8_enabled(cls) -> bool:
        return False

    @classmethod
    def is_fp8_calibration(cls) -> bool:
        return False

    @classmethod
    def is_fp8_available(cls) -> "tuple[bool, str]":
        return is_fp8_available()

    @classmethod
    def get_fp8_recipe(cls) -> DelayedScaling:
        return get_default_fp8_recipe()

    @classmethod
    def get_fp8_group(cls) -> Optional[Any]:
        return None

    @classmethod
    def reset(cls) -> None:
        """Forgets the state: there is nothing to forget."""

    set_measurement_mode = staticmethod(refused("FP8GlobalStateManager.set_measurement_mode", NO_FP8))
    fp8_autocast_enter = staticmethod(refused("FP8GlobalStateManager.fp8_autocast_enter", NO_FP8))
