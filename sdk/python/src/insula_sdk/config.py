"""The agent's configuration, as it stood when the call began."""

from __future__ import annotations

from typing import Dict, Optional

from . import host


def get(name: str) -> Optional[str]:
    """One value; ``None`` where it is not set."""
    host.ready()
    return host.config.get(name)


def all() -> Dict[str, str]:
    """All of it, by name."""
    host.ready()
    return dict(host.config.all())
