"""Calls every function of the SDK and says what came back; tests/guests/typescript says the same."""

import os
import random
import socket
import time
import uuid

from insula_sdk import AgentError, Request, agent, cache, config, log, storage, usage
from insula_sdk.cache import Fill, Hit, Life, Stale

LIFE = Life(60_000)


def code(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except AgentError as error:
        return error.code
    return "none"


def text(value):
    return None if value is None else value.decode()


def act_storage(_):
    first = storage.put("s", "a", "tea ☕")
    second = storage.put_json("s", "b", {"n": 1}, ttl_ms=60_000)
    entry = storage.get("s", "b")
    refused = [
        code(storage.get, "No Bucket", "a"),
        code(storage.put, "s", "a", "", ttl_ms=0),
        code(storage.increment, "s", "a"),
        code(storage.Commit().absent("s", "a").put("s", "c", "no").run),
        code(storage.Commit().put("s", "c", "1").delete("s", "c").run),
    ]
    storage.increment("n", "up")
    commit = storage.Commit().unchanged("s", "b", entry).unchanged("s", "nothing", None).present("s", "a")
    commit.put("s", "c", b"c").increment("n", "up", -3).increment("n", "window", 1, ttl_ms=60_000).expire("s", "b", None)
    committed = commit.run()

    def one_more():
        read = storage.get("s", "u")
        following = (read.json() if read else 0) + 1
        return storage.Commit().unchanged("s", "u", read).put_json("s", "u", following), following

    updated = storage.update(one_more)
    page = storage.list("s", limit=2, values=False)
    seen = {
        "grows": second > first > 0,
        "text": storage.get("s", "a").text(),
        "json": storage.get_json("s", "b"),
        "life": 0 < entry.ttl_ms <= 60_000,
        "lifeless": storage.get("s", "b").ttl_ms,
        "many": [found and found.text() for found in storage.get_many([("s", "c"), ("s", "nothing")])],
        "refused": refused,
        "numbers": [storage.get("n", "up").number(), storage.increment("n", "up", 5), storage.increment("n", "window")],
        "committed": len(committed),
        "updated": updated,
        "page": [[found.key for found in page.entries], page.next],
        "reversed": [found.key for found in storage.scan("s", reverse=True, limit=1)],
        "range": [found.key for found in storage.scan("s", start="b", end="u")],
        "buckets": [name for name in storage.buckets(limit=10) if len(name) == 1],
    }
    storage.delete("s", "a")
    return {**seen, "deleted": storage.get("s", "a")}


def act_cache(_):
    fill = cache.get_or_fill("c", "k")
    if not isinstance(fill, Fill):
        return {"wrong": repr(fill)}
    held = code(cache.get_or_fill, "c", "k", wait_ms=10)
    kept = fill.lease.fill("value", LIFE)
    hit = cache.get_or_fill("c", "k")
    cache.put("c", "old", "old", Life(1, stale_ms=60_000))
    time.sleep(0.005)
    fresh = cache.get("c", "old")
    stale = cache.get_or_fill("c", "old")
    renewed = isinstance(stale, Stale) and stale.lease.fill("new", Life(60_000, this_version_only=True))
    late = cache.get_or_fill("c", "late")
    cache.delete("c", "late")
    cache.get_or_fill("c", "released").lease.release()
    seen = {
        "held": held,
        "kept": kept,
        "hit": isinstance(hit, Hit) and text(hit.value),
        "fresh": text(fresh),
        "stale": isinstance(stale, Stale) and text(stale.value),
        "renewed": [renewed, text(cache.get("c", "old"))],
        "late": late.lease.fill("late", LIFE),
        "released": type(cache.get_or_fill("c", "released")).__name__.lower(),
        "made": [
            text(cache.get_or_make("c", "m", LIFE, lambda: "made")),
            cache.get_or_make_json("c", "j", LIFE, lambda: [1]),
            cache.get_or_make_json("c", "j", LIFE, lambda: [2]),
        ],
        "refused": [code(cache.get, "No Namespace", "k"), code(cache.put, "c", "k", "v", Life(0))],
        "stats": cache.stats().hits > 0 and cache.stats().limit_bytes > 0,
    }
    cache.clear("c")
    return {**seen, "cleared": cache.get("c", "k")}


def act_rest(request):
    log.info('two\nlines {"a":1}')
    log.debug("debug"), log.trace("trace"), log.warn("warn"), log.error("error")
    print("from the console")
    return {
        "config": [config.all(), config.get("colour"), config.get("nothing")],
        "meta": [request.meta("who"), request.meta("nobody"), request.idempotency_key],
        "usage": any(one.name == "fuel" and 0 < one.used < one.limit for one in usage.report()),
        "remaining": usage.remaining("fuel") > 0 and usage.remaining("nothing") == 0,
    }


def act_refuse(_):
    raise AgentError.unprocessable("not today", retry_after_ms=5_000)


def act_world(_):
    def denied(call):
        try:
            return repr(call())
        except OSError:
            return "denied"

    def connect():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.connect(("127.0.0.1", 7400))
            return "connected"

    return {
        "file": denied(lambda: open("/etc/passwd").read()),
        "folder": denied(lambda: os.listdir("/work")),
        "write": denied(lambda: open("/tmp/x", "w")),
        "socket": denied(connect),
        "environment": sorted(name for name in os.environ if "INSULA" in name or name == "HOME"),
    }


def stumble(nothing):
    return nothing.deep


ACTS = {
    "storage": act_storage,
    "cache": act_cache,
    "rest": act_rest,
    "echo": lambda request: request.body,
    "luck": lambda _: [random.random(), uuid.uuid4().hex],
    "time": lambda _: int(time.time() * 1_000),
    "refuse": act_refuse,
    "mistake": lambda _: stumble(None),
    "world": act_world,
}


@agent
def surface(request: Request):
    act = ACTS.get(request.json().get("act"))
    if act is None:
        raise AgentError.bad_request(f"act must be one of {', '.join(ACTS)}")
    return act(request)
