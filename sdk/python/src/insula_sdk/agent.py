"""The way into an agent: from the request of ``wit/handler.wit`` to the author's function, and back."""

from __future__ import annotations

from typing import Any, Callable

from . import host
from .error import AgentError
from .message import Request, Response


class Agent:
    """An agent: what :func:`agent` makes of a function. Calling it calls the function."""

    def __init__(self, handle: Callable[[Request], Any]) -> None:
        if not callable(handle):
            raise TypeError("agent takes a function: @agent above `def NAME(request):`")
        self._handle = handle
        self.__doc__ = handle.__doc__

    def __call__(self, request: Request) -> Response:
        """Answers a request, or raises what a caller would be answered with."""
        return Response.of(self._handle(request))

    def invoke(self, request: Any) -> Any:
        """The export of the component.

        An :class:`AgentError` reaches the caller with its code. Any other exception is a mistake of the agent: its
        traceback is logged, and the call ends as a trap does.
        """
        host.State.begun = True
        try:
            response = self(Request(request.body, request.content_type, request.metadata, request.idempotency_key))
        except AgentError as error:
            raise host.Refused(host.types.Error(error.code, error.message, error.retry_after_ms)) from None
        return host.handler.Response(response.body, response.content_type, response.metadata)


def agent(handle: Callable[[Request], Any]) -> Agent:
    """Makes a function an agent. Exactly one in a component's entry module.

    Its answer is a ``str``, ``bytes``, a :class:`Response`, or any other value, which is sent as JSON.
    """
    return Agent(handle)


def export(module: Any) -> type:
    """What a component exports: the agent of an entry module. ``insula build`` calls it."""
    agents = {id(value): value for value in vars(module).values() if isinstance(value, Agent)}
    if len(agents) != 1:
        raise TypeError(f"{module.__name__} has {len(agents)} agents: put @agent above one function of it")
    (found,) = agents.values()

    class Handler:
        """See ``wit/handler.wit``."""

        def invoke(self, request: Any) -> Any:
            return found.invoke(request)

    return Handler
