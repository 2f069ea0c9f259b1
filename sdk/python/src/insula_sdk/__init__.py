"""What an agent author imports: the capabilities of ``wit/``, a module each, and :func:`agent`.

It owns no behaviour: limits, isolation and errors are the host's. In a component the functions are the host's; elsewhere,
where an agent is tested, they are those of :mod:`insula_sdk.testing`: in memory.
"""

from . import cache, config, log, storage, usage
from .agent import Agent, agent
from .error import AgentError
from .message import Request, Response

__all__ = ["Agent", "AgentError", "Request", "Response", "agent", "cache", "config", "log", "storage", "usage"]
