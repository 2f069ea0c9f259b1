"""Calls of an agent without WebAssembly: ``python -m unittest`` runs what an agent does with storage and cache.

It keeps the rules of ``wit/`` on names, versions, preconditions, lives, pages and leases. It has no limits and one caller;
what depends on those is for ``insula dev``.
"""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Optional, Tuple

from . import memory
from .agent import Agent
from .message import BYTES, JSON, Request, Response, dump
from .memory.types import Clock


def reset() -> None:
    """Empties storage, cache, configuration and log."""
    storage, cache = memory.storage.Memory, memory.cache.Memory
    storage.kept, storage.version, storage.before_commit = {}, 0, None
    cache.kept, cache.leases, cache.counts = {}, [], memory.cache.Statistics()
    memory.config.values.clear()
    memory.log.lines.clear()


def advance(ms: int) -> None:
    """Lets time pass for lives, in milliseconds."""
    Clock.now += ms


def configure(values: Mapping[str, str]) -> None:
    """Sets the agent's configuration."""
    memory.config.values.clear()
    memory.config.values.update(values)


def before_commit(act: Callable[[], Any]) -> None:
    """Calls ``act`` before each commit from now on: what it writes comes between what an agent read and what it commits."""
    memory.storage.Memory.before_commit = act


def keys() -> List[Tuple[str, str]]:
    """Every stored key, as ``(bucket, key)``."""
    return sorted(name for name in memory.storage.Memory.kept if memory.storage.get(*name))


def logged() -> List[Tuple[str, str]]:
    """The lines of the log since the last reset, as ``(level, message)``."""
    return [*memory.log.lines]


def call(
    agent: Agent,
    body: Any = b"",
    *,
    content_type: Optional[str] = None,
    metadata: Mapping[str, str] = {},
    idempotency_key: Optional[str] = None,
) -> Response:
    """Calls an agent with text, bytes, or any other value, which is sent as JSON.

    Returns its response, and raises the :class:`~insula_sdk.AgentError` that a caller would be answered with.
    """
    raw = body.encode() if isinstance(body, str) else body if isinstance(body, (bytes, bytearray)) else None
    sent = dump(body).encode() if raw is None else bytes(raw)
    request = Request(sent, content_type or (JSON if raw is None else BYTES), metadata, idempotency_key)
    try:
        return agent(request)
    finally:
        memory.cache.Memory.leases.clear()
