"""Greets visitors, counts their visits, and knows the regulars.

Every call runs in a fresh instance: what should outlive it goes to storage (durable, on disk) or to the cache (fast, and
may forget anything at any time).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from insula_sdk import AgentError, Request, agent, cache, config, log, storage, usage

#: Durable: every visitor by name.
VISITORS = "visitors"
#: So many visits make a regular.
OFTEN = 3
#: In memory: fresh for ten seconds, and for a minute more good enough to answer with while one call makes a new one.
LIFE = cache.Life(ttl_ms=10_000, stale_ms=60_000, this_version_only=True)


@dataclass
class Visitor:
    """What is known of a visitor."""

    visits: int = 0


@agent
def greet(request: Request) -> dict[str, object]:
    body = request.json()
    name = str(body.get("name") or "").strip() if isinstance(body, dict) else ""
    if not name:
        raise AgentError.bad_request('`name` is empty: send {"name": "Ada"}')
    visitor = count_visit(name)
    regulars = cache.get_or_make_json("regulars", "all", LIFE, find_regulars)
    greeting = config.get("greeting") or "Hello"
    log.info(f"visit {visitor.visits} of {name}, {usage.remaining('fuel')} fuel left")
    return {"greeting": f"{greeting}, {name}!", "visits": visitor.visits, "regulars": regulars}


def count_visit(name: str) -> Visitor:
    """Reads, changes and writes as one, whoever else visits at the same time."""

    def attempt() -> tuple[storage.Commit, Visitor]:
        known = storage.get(VISITORS, name)
        visitor = Visitor(**known.json()) if known else Visitor()
        visitor.visits += 1
        commit = storage.Commit().unchanged(VISITORS, name, known).put_json(VISITORS, name, asdict(visitor))
        return commit, visitor

    return storage.update(attempt)


def find_regulars() -> list[str]:
    """Looks at every visitor, which is why the answer is cached."""
    return [visitor.key for visitor in storage.scan(VISITORS) if visitor.json()["visits"] >= OFTEN]
