"""Statistics over CSV that the caller posts: a report per column, and a summary in words.

This file is the agent: what it takes and answers, and how reports are remembered. ``table`` reads CSV, ``columns`` and
``report`` compute; none of them touches a function of the host.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Dict, List

from columns import Column
from insula_sdk import AgentError, Request, Response, agent, config, log, storage
from report import report, summary
from table import read_table

#: Reports by the digest of the data, so that the same data is computed once.
REPORTS = "analyst-reports"
#: How often each data set was asked for.
ASKED = "analyst-asked"
DAY_MS = 24 * 60 * 60_000
KEEP_DAYS = 30
#: A report of another form is computed anew.
FORM = 1
ACTS = ("report", "compare", "forget", "list")


@agent
def analyse(request: Request) -> Response:
    """CSV is analysed; JSON asks about what was."""
    if request.content_type.partition(";")[0].strip().lower() != "application/json":
        return analyse_csv(request)
    body = request.json()
    if not isinstance(body, dict) or len(body) != 1 or next(iter(body)) not in ACTS:
        raise AgentError.bad_request(f"send CSV as text/csv, or JSON with one of {', '.join(ACTS)}")
    ((act, argument),) = body.items()
    if not isinstance(argument, dict):
        raise AgentError.bad_request(f"{act} must be an object")
    if act == "report":
        return Response.json(remembered(name_in("report", argument, "data-set")))
    if act == "compare":
        return Response.json(compare(name_in("compare", argument, "one"), name_in("compare", argument, "other")))
    if act == "forget":
        return Response.json(forget(name_in("forget", argument, "data-set")))
    return Response.json({"data-sets": known()})


def analyse_csv(request: Request) -> Response:
    text = request.text()
    if not text.strip():
        raise AgentError.bad_request("send a CSV table as the body: a line of names, and lines of values")
    # The form of a table is part of what it is: with another separator the same bytes are another table.
    separator = request.meta("separator")
    digest = hashlib.sha256(f"{separator or ''}\0".encode() + request.body).hexdigest()[:16]
    times = storage.increment(ASKED, digest, ttl_ms=keep_ms())
    found = storage.get_json(REPORTS, digest)
    if found is not None and found.get("form") == FORM:
        return answer(found, times, "remembered")
    table = read_table(text, separator)
    made = {"form": FORM, "data-set": digest, **report(table)}
    storage.put_json(REPORTS, digest, made, ttl_ms=keep_ms())
    log.info(f"analysed {digest}: {made['rows']} rows of {len(made['columns'])} columns")
    return answer(made, times, "computed")


def answer(made: Dict[str, Any], times: int, how: str) -> Response:
    shown = {name: part for name, part in made.items() if name != "form"}
    return Response.json({**shown, "summary": summary(made), "asked": times}).with_metadata("report", how)


def remembered(digest: str) -> Dict[str, Any]:
    found = storage.get_json(REPORTS, digest)
    if found is None:
        raise AgentError.not_found(f"there is no data set {json.dumps(digest)}: post its CSV again")
    found.pop("form", None)
    return {**found, "summary": summary(found)}


def compare(one: str, other: str) -> Dict[str, Any]:
    """The change of each column that both data sets have."""
    left, right = remembered(one), remembered(other)
    after = {column["name"]: column for column in right["columns"]}
    both = [(column, after[column["name"]]) for column in left["columns"] if column["name"] in after]
    if not both:
        raise AgentError.unprocessable("the data sets have no column of the same name")
    changes = [Column.change(before, now) for before, now in both]
    return {"one": one, "other": other, "rows": right["rows"] - left["rows"], "columns": changes}


def forget(digest: str) -> Dict[str, Any]:
    remembered(digest)
    storage.Commit().delete(REPORTS, digest).delete(ASKED, digest).run()
    return {"data-set": digest, "forgotten": True}


def known() -> List[Dict[str, Any]]:
    """What was analysed, in the order of digests."""
    counts = {entry.key: entry.number() for entry in storage.scan(ASKED)}
    sets = []
    for entry in storage.scan(REPORTS):
        found = entry.json()
        sets.append({
            "data-set": entry.key,
            "rows": found["rows"],
            "columns": [column["name"] for column in found["columns"]],
            "asked": counts.get(entry.key, 0),
        })
    return sets


def name_in(act: str, argument: Dict[str, Any], field: str) -> str:
    value = argument.get(field)
    if not isinstance(value, str) or not value:
        raise AgentError.bad_request(f"{act}.{field} must be the name of a data set, as a report has it")
    return value


def keep_ms() -> int:
    days = config.get("keep-days")
    if days is None:
        return KEEP_DAYS * DAY_MS
    if not days.isascii() or not days.isdigit() or not 1 <= int(days) <= 3_650:
        raise AgentError("bad-configuration", f"keep-days is {days!r}, and must be 1 to 3650")
    return int(days) * DAY_MS
