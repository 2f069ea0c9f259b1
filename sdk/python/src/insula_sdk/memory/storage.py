"""``wit/storage.wit``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from .types import Clock, check_key, check_name, check_ttl, refuse

VALUE_LIMIT = 1 << 20
TTL_LIMIT_MS = 315_360_000_000
MANY = 256
ANSWER_LIMIT = 4 << 20
PAGE_LIMIT = 1 << 20
ENTRIES_LIMIT = 1_000


@dataclass
class Entry:
    key: str
    value: bytes
    version: int
    ttl_ms: Optional[int]


@dataclass
class Address:
    bucket: str
    key: str


@dataclass
class Expectation_Absent:
    pass


@dataclass
class Expectation_Present:
    pass


@dataclass
class Expectation_Version:
    value: int


Expectation = Union[Expectation_Absent, Expectation_Present, Expectation_Version]


@dataclass
class Precondition:
    at: Address
    expect: Expectation


@dataclass
class Content:
    value: bytes
    ttl_ms: Optional[int]


@dataclass
class Addition:
    delta: int
    ttl_ms: Optional[int]


@dataclass
class Change_Put:
    value: Content


@dataclass
class Change_Delete:
    pass


@dataclass
class Change_Increment:
    value: Addition


@dataclass
class Change_Expire:
    value: Optional[int]


Change = Union[Change_Put, Change_Delete, Change_Increment, Change_Expire]


@dataclass
class Write:
    at: Address
    change: Change


@dataclass
class Selection:
    prefix: str
    start: Optional[str]
    end: Optional[str]
    after: Optional[str]
    reverse: bool
    values: bool
    limit: int


@dataclass
class Page:
    entries: List[Entry]
    next: Optional[str]


@dataclass(frozen=True)
class Kept:
    """A value as it lies there; ``ends`` is when its life is over."""

    value: bytes
    version: int
    ends: Optional[int]


Name = Tuple[str, str]


class Memory:
    """Buckets, keys and values."""

    kept: Dict[Name, Kept] = {}
    version = 0
    before_commit: Optional[Callable[[], None]] = None


def get(bucket: str, key: str) -> Optional[Entry]:
    _check(Address(bucket, key))
    found = _find((bucket, key))
    return None if found is None else _entry(key, found, True)


def get_many(at: List[Address]) -> List[Optional[Entry]]:
    _too_many("keys", len(at))
    found = [get(one.bucket, one.key) for one in at]
    if sum(len(entry.value) for entry in found if entry) > ANSWER_LIMIT:
        raise refuse("answer-too-large", "the values are more than one answer carries")
    return found


def list(bucket: str, selection: Selection) -> Page:
    check_name("bucket", bucket)
    _check_limit(selection.limit)
    page = Page([], None)
    size = 0
    for key in sorted(_keys(bucket), key=str.encode, reverse=selection.reverse):
        if not _selects(selection, key):
            continue
        entry = _entry(key, Memory.kept[(bucket, key)], selection.values)
        size += len(key.encode()) + len(entry.value)
        if len(page.entries) >= selection.limit or (size > PAGE_LIMIT and page.entries):
            page.next = page.entries[-1].key
            break
        page.entries.append(entry)
    return page


def buckets(after: Optional[str], limit: int) -> List[str]:
    _check_limit(limit)
    names = sorted({bucket for bucket, key in Memory.kept if _find((bucket, key))})
    return [name for name in names if after is None or name > after][:limit]


def commit(preconditions: List[Precondition], writes: List[Write]) -> List[int]:
    _let_others_write()
    _too_many("preconditions", len(preconditions))
    _too_many("writes", len(writes))
    names = set()
    for write in writes:
        _check(write.at)
        name = (write.at.bucket, write.at.key)
        if name in names:
            raise refuse("duplicate-key", f"the commit writes {write.at.key!r} twice")
        names.add(name)
        _check_change(write.change)
    for one in preconditions:
        _check(one.at)
        if not _holds(one.expect, _find((one.at.bucket, one.at.key))):
            raise refuse("conflict", f"a precondition on {one.at.key!r} does not hold")
    # On a copy, so that a write that fails leaves nothing of the ones before it.
    kept, versions = dict(Memory.kept), []
    for write in writes:
        versions.append(Memory.version + len(versions) + 1)
        _apply(kept, write, versions[-1])
    Memory.kept, Memory.version = kept, Memory.version + len(versions)
    return versions


def put(bucket: str, key: str, value: bytes, ttl_ms: Optional[int]) -> int:
    return commit([], [Write(Address(bucket, key), Change_Put(Content(value, ttl_ms)))])[0]


def delete(bucket: str, key: str) -> None:
    commit([], [Write(Address(bucket, key), Change_Delete())])


def increment(bucket: str, key: str, delta: int, ttl_ms: Optional[int]) -> int:
    commit([], [Write(Address(bucket, key), Change_Increment(Addition(delta, ttl_ms)))])
    return int.from_bytes(Memory.kept[(bucket, key)].value, "little", signed=True)


def _let_others_write() -> None:
    act, Memory.before_commit = Memory.before_commit, None
    if act is None:
        return
    try:
        act()
    finally:
        Memory.before_commit = Memory.before_commit or act


def _find(name: Name) -> Optional[Kept]:
    found = Memory.kept.get(name)
    return None if found is None or (found.ends is not None and found.ends <= Clock.now) else found


def _keys(bucket: str) -> List[str]:
    return [key for kept, key in Memory.kept if kept == bucket and _find((kept, key))]


def _entry(key: str, kept: Kept, values: bool) -> Entry:
    ttl_ms = None if kept.ends is None else kept.ends - Clock.now
    return Entry(key, kept.value if values else b"", kept.version, ttl_ms)


def _selects(selection: Selection, key: str) -> bool:
    at = key.encode()
    start, end, after = (None if bound is None else bound.encode() for bound in (selection.start, selection.end, selection.after))
    behind = after is None or (at < after if selection.reverse else at > after)
    return key.startswith(selection.prefix) and (start is None or at >= start) and (end is None or at < end) and behind


def _holds(expect: Expectation, kept: Optional[Kept]) -> bool:
    if isinstance(expect, Expectation_Absent):
        return kept is None
    return kept is not None and (isinstance(expect, Expectation_Present) or kept.version == expect.value)


def _apply(kept: Dict[Name, Kept], write: Write, version: int) -> None:
    name, change = (write.at.bucket, write.at.key), write.change
    before = _find(name)
    if isinstance(change, Change_Put):
        kept[name] = Kept(bytes(change.value.value), version, _ends(change.value.ttl_ms))
    elif isinstance(change, Change_Delete):
        kept.pop(name, None)
    elif isinstance(change, Change_Increment):
        value = _added(before, change.value.delta, name[1])
        kept[name] = Kept(value, version, before.ends if before else _ends(change.value.ttl_ms))
    elif before is not None:
        kept[name] = replace(before, version=version, ends=_ends(change.value))


def _ends(ttl_ms: Optional[int]) -> Optional[int]:
    return None if ttl_ms is None else Clock.now + ttl_ms


def _added(before: Optional[Kept], delta: int, key: str) -> bytes:
    if before is not None and len(before.value) != 8:
        raise refuse("not-a-number", f"the value of {key!r} is no number")
    total = delta + (int.from_bytes(before.value, "little", signed=True) if before else 0)
    if not -(1 << 63) <= total < 1 << 63:
        raise refuse("overflow", f"the number at {key!r} would overflow")
    return total.to_bytes(8, "little", signed=True)


def _check(at: Address) -> None:
    check_name("bucket", at.bucket)
    check_key(at.key)


def _check_change(change: Any) -> None:
    ttl_ms = None
    if isinstance(change, Change_Put):
        if len(change.value.value) > VALUE_LIMIT:
            raise refuse("value-too-large", f"a value of {len(change.value.value)} bytes")
        ttl_ms = change.value.ttl_ms
    elif isinstance(change, Change_Increment):
        ttl_ms = change.value.ttl_ms
    elif isinstance(change, Change_Expire):
        ttl_ms = change.value
    if ttl_ms is not None:
        check_ttl(ttl_ms, 1, TTL_LIMIT_MS)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= ENTRIES_LIMIT:
        raise refuse("invalid-limit", f"invalid limit {limit}: use 1 to {ENTRIES_LIMIT}")


def _too_many(what: str, count: int) -> None:
    if count > MANY:
        raise refuse("too-many", f"{count} {what}; {MANY} are allowed")
