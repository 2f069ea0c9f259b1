"""The host's functions: those of the component's world, or, outside of a component, those in memory."""

from __future__ import annotations

try:
    # componentize-py makes these modules from wit/ when it builds the component.
    from componentize_py_types import Err as Refused
    from wit_world.exports import handler
    from wit_world.imports import cache, config, log, storage, types, usage

    IN_COMPONENT = True
except ImportError:
    from .memory import Refused, cache, config, handler, log, storage, types, usage

    IN_COMPONENT = False



class State:
    """Whether a call has begun: while the component is built, nobody is there to answer."""

    begun = not IN_COMPONENT


def ready() -> None:
    """Every function of the host is called after this."""
    if not State.begun:
        raise RuntimeError("the host's functions are there during a call only: use them within the agent's function")


__all__ = ["IN_COMPONENT", "Refused", "cache", "State", "config", "handler", "log", "ready", "storage", "types", "usage"]
