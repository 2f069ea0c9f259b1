"""Requests and responses."""

from __future__ import annotations

import json
from typing import Any, Iterable, List, Mapping, Optional, Tuple, Union

from .error import AgentError

Metadata = Union[Mapping[str, str], Iterable[Tuple[str, str]]]

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"


class Request:
    """One call of the agent."""

    def __init__(
        self, body: bytes, content_type: str = BYTES, metadata: Metadata = (), idempotency_key: Optional[str] = None
    ) -> None:
        self.body = body
        self.content_type = content_type
        self.metadata = pairs(metadata)
        self.idempotency_key = idempotency_key

    def text(self) -> str:
        """The body as text. Raises ``bad-request`` where it is not UTF-8."""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise AgentError.bad_request(f"the body is not UTF-8 at byte {error.start}") from None

    def json(self) -> Any:
        """The body as JSON, whatever the content type says. Raises ``bad-request`` where it is not."""
        try:
            return json.loads(self.text())
        except RecursionError:
            raise AgentError.bad_request("the body is not JSON that can be read: it nests too deep") from None
        except ValueError as error:
            raise AgentError.bad_request(f"the body is not JSON: {error}") from None

    def meta(self, name: str) -> Optional[str]:
        """The first metadata value of this name, or ``None``. Names are lower case."""
        return next((value for known, value in self.metadata if known == name), None)


class Response:
    """What the caller gets back."""

    def __init__(self, body: Union[bytes, str], content_type: Optional[str] = None, metadata: Metadata = ()) -> None:
        self.body = body.encode("utf-8", "replace") if isinstance(body, str) else bytes(body)
        self.content_type = content_type if content_type is not None else TEXT if isinstance(body, str) else BYTES
        self.metadata = pairs(metadata)

    @classmethod
    def json(cls, value: Any, metadata: Metadata = ()) -> Response:
        """A value as JSON."""
        return cls(dump(value).encode(), JSON, metadata)

    def with_metadata(self, name: str, value: object) -> Response:
        """The same, with one more metadata value: an ``Insula-Meta-NAME`` response header."""
        return Response(self.body, self.content_type, [*self.metadata, (name, str(value))])

    def text(self) -> str:
        """The body as text; for tests."""
        return self.body.decode("utf-8")

    def parsed(self) -> Any:
        """The body as JSON; for tests."""
        return json.loads(self.body)

    @classmethod
    def of(cls, answer: Any) -> Response:
        """The response that an author's answer stands for."""
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, (str, bytes, bytearray)):
            return cls(answer if isinstance(answer, str) else bytes(answer))
        if answer is None:
            raise TypeError("the agent answered with None: return a str, bytes, a value for JSON, or a Response")
        if hasattr(answer, "__await__"):
            getattr(answer, "close", lambda: None)()
            raise TypeError("the agent answered with a coroutine: the host's functions answer at once, so write `def`")
        return cls.json(answer)


def dump(value: Any) -> str:
    """A value as JSON. NaN and infinities have no JSON form, and are an author's mistake."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def pairs(metadata: Metadata) -> List[Tuple[str, str]]:
    items = metadata.items() if isinstance(metadata, Mapping) else metadata
    return [(name, value) for name, value in items]
