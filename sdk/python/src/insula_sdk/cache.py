"""The tenant's cache: fast, in memory, and free to forget anything at any time. All agents of one tenant share it.

:func:`get_or_make` is what most agents need: of many calls that miss the same value at once, one makes it, and the others
wait for it. A cache is never the only place of anything, and never fails a call that could do without it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

from . import host, log
from .error import AgentError, asking
from .message import dump
from .storage import Value, _bytes

Statistics = host.cache.Statistics


@dataclass(frozen=True)
class Life:
    """How long a value is good, and for whom.

    Fresh for ``ttl_ms`` (1 to 2,592,000,000); then stale for ``stale_ms`` more, while someone makes a new one. With
    ``this_version_only`` calls of the agent version that wrote it find it, and no others.
    """

    ttl_ms: int
    stale_ms: int = 0
    this_version_only: bool = False


class Lease:
    """The right, and the duty, to make the value of one key while others wait for it. It ends with the call at the latest."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def fill(self, value: Value, life: Life) -> bool:
        """Keeps the value, and hands it to everyone who waits. False when it was not kept, since the key changed meanwhile."""
        with asking():
            return host.cache.fill(self._take(), _bytes(value), _life(life))

    def release(self) -> None:
        """Gives it up: one of those who wait inherits it."""
        self._take().__exit__(None, None, None)

    def _take(self) -> Any:
        handle, self._handle = self._handle, None
        if handle is None:
            raise TypeError("the lease has ended")
        return handle


@dataclass(frozen=True)
class Hit:
    """A fresh value."""

    value: bytes


@dataclass(frozen=True)
class Stale:
    """A value past its freshness; the first caller that is given it has a lease to make a new one."""

    value: bytes
    lease: Optional[Lease]


@dataclass(frozen=True)
class Fill:
    """No value: make it, and fill the lease."""

    lease: Lease


Lookup = Union[Hit, Stale, Fill]


def get(namespace: str, key: str) -> Optional[bytes]:
    """Reads one value; ``None`` where there is none that is fresh."""
    with asking():
        return host.cache.get(namespace, key)


def put(namespace: str, key: str, value: Value, life: Life) -> None:
    """Keeps a value for its life, or until it gives way."""
    with asking():
        host.cache.put(namespace, key, _bytes(value), _life(life))


def get_or_fill(namespace: str, key: str, *, wait_ms: int = 0) -> Lookup:
    """Reads one value, or gives the caller a lease to make it; others' leases are waited for, ``wait_ms`` at most."""
    with asking():
        found = host.cache.get_or_fill(namespace, key, wait_ms)
    if isinstance(found, host.cache.Lookup_Hit):
        return Hit(found.value)
    if isinstance(found, host.cache.Lookup_Stale):
        lease = found.value.lease
        return Stale(found.value.value, None if lease is None else Lease(lease))
    return Fill(Lease(found.value))


def get_or_make(namespace: str, key: str, life: Life, make: Callable[[], Value], *, wait_ms: int = 2_000) -> bytes:
    """Answers with the value of a key, and makes it where it is not there.

    A stale value is the answer too; the first call that is given it makes a new one first, and where that fails it logs why
    and answers with the stale one. A call that waited for nothing makes the value for itself and does not keep it.
    """
    try:
        found = get_or_fill(namespace, key, wait_ms=wait_ms)
    except AgentError as error:
        if error.code not in ("fill-in-progress", "lease-held", "too-many"):
            raise
        return _bytes(make())
    if isinstance(found, Hit) or (isinstance(found, Stale) and found.lease is None):
        return found.value
    assert found.lease is not None
    try:
        made = _bytes(make())
    except Exception as error:
        found.lease.release()
        if isinstance(found, Fill):
            raise
        log.warn(f"answered from the stale value of {namespace}/{key}: {type(error).__name__}: {error}")
        return found.value
    try:
        found.lease.fill(made, life)
    except AgentError as error:
        if error.code != "value-too-large":
            raise
    return made


def get_or_make_json(namespace: str, key: str, life: Life, make: Callable[[], Any], *, wait_ms: int = 2_000) -> Any:
    """The same for a value as JSON."""
    return json.loads(get_or_make(namespace, key, life, lambda: dump(make()), wait_ms=wait_ms))


def delete(namespace: str, key: str) -> None:
    """Forgets one entry. A lease on the key will not keep its value."""
    with asking():
        host.cache.delete(namespace, key)


def clear(namespace: str) -> None:
    """Forgets every entry of a namespace, at once."""
    with asking():
        host.cache.clear(namespace)


def stats() -> Statistics:
    """The statistics of the tenant's shard."""
    host.ready()
    return host.cache.stats()


def _life(life: Life) -> Any:
    return host.cache.Life(life.ttl_ms, life.stale_ms, life.this_version_only)
