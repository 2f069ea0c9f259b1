"""``wit/config.wit``."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

values: Dict[str, str] = {}


def get(name: str) -> Optional[str]:
    return values.get(name)


def all() -> List[Tuple[str, str]]:
    return sorted(values.items())
