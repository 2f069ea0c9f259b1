"""Durable storage: the tenant's buckets of keys and values. All agents of one tenant share them.

A :class:`Commit` is the one way to write; the others are commits of one write. :func:`update` reads, changes and commits,
and does it again where someone else wrote in between. What a write acknowledged is on disk. ``wit/storage.wit`` has every
error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple, TypeVar, Union

from . import host
from .error import AgentError, asking
from .message import dump

T = TypeVar("T")
Value = Union[bytes, str]

#: When to send a request again that met too many others, in milliseconds.
RETRY_MS = 100
#: The most entries of one page.
PAGE = 1_000


@dataclass(frozen=True)
class Entry:
    """A value as it stands. ``ttl_ms`` is what is left of its life, where that has an end."""

    key: str
    value: bytes
    version: int
    ttl_ms: Optional[int]

    def text(self) -> str:
        """The value as text. Raises ``unreadable-value`` where it is not UTF-8."""
        try:
            return self.value.decode("utf-8")
        except UnicodeDecodeError:
            raise self.unreadable("UTF-8") from None

    def json(self) -> Any:
        """The value as JSON. Raises ``unreadable-value`` where it is not."""
        try:
            return json.loads(self.text())
        except ValueError as error:
            raise self.unreadable(f"JSON: {error}") from None

    def number(self) -> int:
        """The value as the number that :func:`increment` adds to. Raises ``unreadable-value`` where it is not 8 bytes."""
        if len(self.value) != 8:
            raise self.unreadable("a number of 8 bytes")
        return int.from_bytes(self.value, "little", signed=True)

    def unreadable(self, expected: str) -> AgentError:
        """The error for a value that is not what this agent writes."""
        return AgentError("unreadable-value", f"the stored value of key {self.key!r} is not {expected}")


@dataclass(frozen=True)
class Page:
    """One page of a listing; ``next`` is the ``after`` of the next one."""

    entries: List[Entry]
    next: Optional[str]


def get(bucket: str, key: str) -> Optional[Entry]:
    """Reads one value; ``None`` where there is none."""
    with asking():
        return _entry(host.storage.get(bucket, key))


def get_json(bucket: str, key: str) -> Any:
    """Reads a value as JSON; ``None`` where there is none."""
    found = get(bucket, key)
    return None if found is None else found.json()


def get_many(at: Iterable[Tuple[str, str]]) -> List[Optional[Entry]]:
    """Reads up to 256 values as of one instant, in the order in which they were asked for."""
    with asking():
        return [_entry(found) for found in host.storage.get_many([_address(bucket, key) for bucket, key in at])]


def list(  # noqa: A001: named as in wit/storage.wit
    bucket: str,
    *,
    prefix: str = "",
    start: Optional[str] = None,
    end: Optional[str] = None,
    after: Optional[str] = None,
    reverse: bool = False,
    values: bool = True,
    limit: int = PAGE,
) -> Page:
    """One page of a bucket, in the order of keys."""
    selection = host.storage.Selection(prefix, start, end, after, reverse, values, limit)
    with asking():
        page = host.storage.list(bucket, selection)
    return Page([Entry(one.key, one.value, one.version, one.ttl_ms) for one in page.entries], page.next)


def scan(bucket: str, *, after: Optional[str] = None, **selection: Any) -> Iterator[Entry]:
    """Every entry of a selection (that of :func:`list`), page after page. Each page is as of one instant, the whole is not."""
    while True:
        page = list(bucket, after=after, **selection)
        yield from page.entries
        if page.next is None:
            return
        after = page.next


def buckets(*, after: Optional[str] = None, limit: int = PAGE) -> List[str]:
    """Names of buckets that have keys, in byte order."""
    with asking():
        return host.storage.buckets(after, limit)


def put(bucket: str, key: str, value: Value, *, ttl_ms: Optional[int] = None) -> int:
    """Writes a value: bytes, or a text as UTF-8. Returns its version."""
    with asking():
        return host.storage.put(bucket, key, _bytes(value), ttl_ms)


def put_json(bucket: str, key: str, value: Any, *, ttl_ms: Optional[int] = None) -> int:
    """Writes a value as JSON."""
    return put(bucket, key, dump(value), ttl_ms=ttl_ms)


def delete(bucket: str, key: str) -> None:
    """Deletes a key. Deleting an absent one is no error."""
    with asking():
        host.storage.delete(bucket, key)


def increment(bucket: str, key: str, delta: int = 1, *, ttl_ms: Optional[int] = None) -> int:
    """Adds to a number and returns the sum. With ``ttl_ms`` it counts within a window that begins with the first addition."""
    with asking():
        return host.storage.increment(bucket, key, delta, ttl_ms)


@dataclass
class Commit:
    """A commit, put together: all of its writes, if all of its preconditions hold; else none of them."""

    preconditions: List[Any] = field(default_factory=lambda: [])
    writes: List[Any] = field(default_factory=lambda: [])

    def unchanged(self, bucket: str, key: str, read: Optional[Entry]) -> Commit:
        """Only when the key is as it was read: at that entry's version, or absent where ``None`` was found."""
        storage = host.storage
        return self._when(bucket, key, storage.Expectation_Version(read.version) if read else storage.Expectation_Absent())

    def absent(self, bucket: str, key: str) -> Commit:
        """Only when the key does not exist."""
        return self._when(bucket, key, host.storage.Expectation_Absent())

    def present(self, bucket: str, key: str) -> Commit:
        """Only when the key exists, at any version."""
        return self._when(bucket, key, host.storage.Expectation_Present())

    def put(self, bucket: str, key: str, value: Value, *, ttl_ms: Optional[int] = None) -> Commit:
        return self._write(bucket, key, host.storage.Change_Put(host.storage.Content(_bytes(value), ttl_ms)))

    def put_json(self, bucket: str, key: str, value: Any, *, ttl_ms: Optional[int] = None) -> Commit:
        return self.put(bucket, key, dump(value), ttl_ms=ttl_ms)

    def delete(self, bucket: str, key: str) -> Commit:
        return self._write(bucket, key, host.storage.Change_Delete())

    def increment(self, bucket: str, key: str, delta: int = 1, *, ttl_ms: Optional[int] = None) -> Commit:
        return self._write(bucket, key, host.storage.Change_Increment(host.storage.Addition(delta, ttl_ms)))

    def expire(self, bucket: str, key: str, ttl_ms: Optional[int]) -> Commit:
        """A new life from now on; ``None``: one without an end. The value stays."""
        return self._write(bucket, key, host.storage.Change_Expire(ttl_ms))

    def run(self) -> List[int]:
        """Commits it, once. Returns the new version of each write's key, in order."""
        with asking():
            return host.storage.commit(self.preconditions, self.writes)

    def _when(self, bucket: str, key: str, expect: Any) -> Commit:
        self.preconditions.append(host.storage.Precondition(_address(bucket, key), expect))
        return self

    def _write(self, bucket: str, key: str, change: Any) -> Commit:
        self.writes.append(host.storage.Write(_address(bucket, key), change))
        return self


def update(attempt: Callable[[], Tuple[Optional[Commit], T]], *, attempts: int = 8) -> T:
    """Reads, changes and commits.

    ``attempt`` returns a commit and the answer for when it goes through, or ``None`` and the answer where nothing needs to
    be written. It is made again whenever a precondition did not hold, and must read again then. After the last one
    ``conflict`` is raised.
    """
    for _ in range(attempts):
        commit, answer = attempt()
        if commit is None:
            return answer
        try:
            commit.run()
            return answer
        except AgentError as error:
            if error.code != "conflict":
                raise
    message = f"others changed the same at the same time, {attempts} times in a row: send it again"
    raise AgentError.conflict(message, retry_after_ms=RETRY_MS)


def _entry(found: Any) -> Optional[Entry]:
    return None if found is None else Entry(found.key, found.value, found.version, found.ttl_ms)


def _address(bucket: str, key: str) -> Any:
    return host.storage.Address(bucket, key)


def _bytes(value: Value) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else bytes(value)
