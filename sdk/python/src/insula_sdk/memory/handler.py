"""``wit/handler.wit``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Tuple


@dataclass
class Request:
    body: bytes
    content_type: str
    metadata: List[Tuple[str, str]]
    idempotency_key: Optional[str]


@dataclass
class Response:
    body: bytes
    content_type: str
    metadata: List[Tuple[str, str]]
