"""``wit/log.wit``: lines are kept for the test to read."""

from __future__ import annotations

from enum import Enum
from typing import List, Tuple


class Level(Enum):
    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4


lines: List[Tuple[str, str]] = []


def write(level: Level, message: str) -> None:
    lines.append((level.name.lower(), message))
