"""``wit/types.wit``, and what every function checks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
KEY_LIMIT = 512


@dataclass
class Error:
    code: str
    message: str
    retry_after_ms: Optional[int]


class Refused(Exception):
    """An error of the host."""

    def __init__(self, value: Error) -> None:
        super().__init__(value)
        self.value = value


class Clock:
    """Stands still until it is told."""

    now = 0


def refuse(code: str, message: str) -> Refused:
    return Refused(Error(code, message, None))


def check_name(kind: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise refuse(f"invalid-{kind}", f"invalid {kind} name: {name!r}")


def check_key(key: str) -> None:
    size = len(key.encode())
    if not 1 <= size <= KEY_LIMIT:
        raise refuse("invalid-key", f"a key of {size} bytes: use 1 to {KEY_LIMIT}")


def check_ttl(ms: int, least: int, most: int) -> None:
    if not least <= ms <= most:
        raise refuse("invalid-ttl", f"invalid time to live of {ms} ms: use {least} to {most}")
