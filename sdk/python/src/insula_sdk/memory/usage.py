"""``wit/usage.wit``: nothing is charged here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

LIMITS = {"fuel": 2_000_000_000, "cpu-us": 2_000_000, "wall-us": 10_000_000, "memory-bytes": 134_217_728}


@dataclass
class Allowance:
    name: str
    used: int
    limit: int


def report() -> List[Allowance]:
    return [Allowance(name, 0, limit) for name, limit in LIMITS.items()]


def remaining(name: str) -> int:
    return LIMITS.get(name, 0)
