"""Log levels of the bridge's components: those of LOG_LEVEL_<component> in the environment, or set here."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Dict, Optional, Type, Union

LEVELS = {"trace": 0, "debug": 1, "info": 2, "warning": 3, "warn": 3, "error": 4, "critical": 5, "off": 6}

_levels: Dict[str, int] = {}


def _number(level: Union[int, str]) -> int:
    return LEVELS[level.lower()] if isinstance(level, str) and not level.isdigit() else int(level)


class enable_logging:  # noqa: N801  the vendor's name
    """Sets the level of a component; as a context, for the body alone."""

    def __init__(self, name: str, level: Union[int, str] = 0) -> None:
        self._name = name
        self._before = _levels.get(name)
        _levels[name] = _number(level)

    def __enter__(self) -> "enable_logging":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if self._before is None:
            _levels.pop(self._name, None)
        else:
            _levels[self._name] = self._before


def get_log_level(name: str) -> int:
    """The level of a component: 0 (trace) to 6 (off); 5 (critical) unless something says otherwise."""
    if name in _levels:
        return _levels[name]
    text = os.environ.get(f"LOG_LEVEL_{name}", os.environ.get("LOG_LEVEL_ALL_PT", os.environ.get("LOG_LEVEL_ALL", "5")))
    return _number(text) if text.isdigit() or text.lower() in LEVELS else 5
