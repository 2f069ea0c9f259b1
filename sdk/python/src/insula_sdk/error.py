"""Errors: what an agent answers with, and what the host's functions raise."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Optional

from . import host


class AgentError(Exception):
    """An error with a stable word for programs, in kebab-case, and a sentence for people."""

    def __init__(self, code: str, message: str, *, retry_after_ms: Optional[int] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms

    @classmethod
    def bad_request(cls, message: str, *, retry_after_ms: Optional[int] = None) -> AgentError:
        """The request is wrong in itself: status 400."""
        return cls("bad-request", message, retry_after_ms=retry_after_ms)

    @classmethod
    def not_found(cls, message: str, *, retry_after_ms: Optional[int] = None) -> AgentError:
        """What the request names is not there: status 404."""
        return cls("not-found", message, retry_after_ms=retry_after_ms)

    @classmethod
    def conflict(cls, message: str, *, retry_after_ms: Optional[int] = None) -> AgentError:
        """The request does not fit what is there: status 409."""
        return cls("conflict", message, retry_after_ms=retry_after_ms)

    @classmethod
    def unprocessable(cls, message: str, *, retry_after_ms: Optional[int] = None) -> AgentError:
        """The request is well formed, and cannot be done: status 422."""
        return cls("unprocessable", message, retry_after_ms=retry_after_ms)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@contextmanager
def asking() -> Iterator[None]:
    """A function of the host is called in this: its errors are raised as :class:`AgentError`."""
    host.ready()
    try:
        yield
    except host.Refused as refused:
        error = refused.value
        raise AgentError(error.code, error.message, retry_after_ms=error.retry_after_ms) from None
