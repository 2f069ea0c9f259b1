"""What this call has used of its budget, and what is left."""

from __future__ import annotations

from typing import List

from . import host

Allowance = host.usage.Allowance


def report() -> List[Allowance]:
    """Every resource that this call is charged for."""
    host.ready()
    return host.usage.report()


def remaining(name: str) -> int:
    """What is left of one resource; 0 for a name that is not one."""
    host.ready()
    return host.usage.remaining(name)
