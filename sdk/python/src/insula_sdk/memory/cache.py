"""``wit/cache.wit``. One caller is there: what would wait for another's fill cannot, and says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple, Union

from .types import Clock, check_key, check_name, check_ttl, refuse

TTL_LIMIT_MS = 2_592_000_000
LIMIT_BYTES = 16_777_216

Name = Tuple[str, str]


@dataclass
class Statistics:
    hits: int = 0
    stale_hits: int = 0
    misses: int = 0
    leases: int = 0
    waits: int = 0
    evicted: int = 0
    expired: int = 0
    removed: int = 0
    entries: int = 0
    bytes: int = 0
    limit_bytes: int = LIMIT_BYTES


@dataclass
class Life:
    ttl_ms: int
    stale_ms: int
    this_version_only: bool


class Lease:
    def __init__(self, name: Name) -> None:
        self.name = name
        self.good = True

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        if self in Memory.leases:
            Memory.leases.remove(self)


@dataclass
class StaleValue:
    value: bytes
    lease: Optional[Lease]


@dataclass
class Lookup_Hit:
    value: bytes


@dataclass
class Lookup_Stale:
    value: StaleValue


@dataclass
class Lookup_Fill:
    value: Lease


Lookup = Union[Lookup_Hit, Lookup_Stale, Lookup_Fill]


@dataclass
class Kept:
    value: bytes
    fresh: int
    ends: int


class Memory:
    kept: Dict[Name, Kept] = {}
    leases: List[Lease] = []
    counts = Statistics()


def get(namespace: str, key: str) -> Optional[bytes]:
    found = _find(_name(namespace, key))
    if found is None or found.fresh <= Clock.now:
        Memory.counts.misses += 1
        return None
    Memory.counts.hits += 1
    return found.value


def put(namespace: str, key: str, value: bytes, life: Life) -> None:
    name = _name(namespace, key)
    _check_life(life)
    _end(name)
    _keep(name, value, life)


def get_or_fill(namespace: str, key: str, wait_ms: int) -> Lookup:
    name = _name(namespace, key)
    found = _find(name)
    taken = any(lease.name == name and lease.good for lease in Memory.leases)
    if found is not None and found.fresh > Clock.now:
        Memory.counts.hits += 1
        return Lookup_Hit(found.value)
    if found is not None:
        Memory.counts.stale_hits += 1
        return Lookup_Stale(StaleValue(found.value, None if taken else _lease(name)))
    if taken:
        raise refuse("lease-held", "this call holds the lease that it would wait for")
    Memory.counts.misses += 1
    return Lookup_Fill(_lease(name))


def fill(lease: Lease, value: bytes, life: Life) -> bool:
    good = lease in Memory.leases and lease.good
    lease.__exit__()
    _check_life(life)
    if good:
        _keep(lease.name, value, life)
    return good


def delete(namespace: str, key: str) -> None:
    name = _name(namespace, key)
    _end(name)
    if Memory.kept.pop(name, None) is not None:
        Memory.counts.removed += 1


def clear(namespace: str) -> None:
    check_name("namespace", namespace)
    for name in [*Memory.kept, *(lease.name for lease in Memory.leases)]:
        if name[0] == namespace:
            _end(name)
            if Memory.kept.pop(name, None) is not None:
                Memory.counts.removed += 1


def stats() -> Statistics:
    size = sum(len(key.encode()) + len(kept.value) for (_, key), kept in Memory.kept.items())
    return Statistics(**{**vars(Memory.counts), "entries": len(Memory.kept), "bytes": size})


def _keep(name: Name, value: bytes, life: Life) -> None:
    fresh = Clock.now + life.ttl_ms
    Memory.kept[name] = Kept(bytes(value), fresh, fresh + life.stale_ms)


def _end(name: Name) -> None:
    """A lease on a key that was written or deleted will not keep its value."""
    for lease in Memory.leases:
        if lease.name == name:
            lease.good = False


def _find(name: Name) -> Optional[Kept]:
    found = Memory.kept.get(name)
    if found is None or found.ends > Clock.now:
        return found
    del Memory.kept[name]
    Memory.counts.expired += 1
    return None


def _lease(name: Name) -> Lease:
    lease = Lease(name)
    Memory.leases.append(lease)
    Memory.counts.leases += 1
    return lease


def _name(namespace: str, key: str) -> Name:
    check_name("namespace", namespace)
    check_key(key)
    return (namespace, key)


def _check_life(life: Life) -> None:
    check_ttl(life.ttl_ms, 1, TTL_LIMIT_MS)
    check_ttl(life.stale_ms, 0, TTL_LIMIT_MS)
