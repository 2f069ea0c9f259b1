"""Reads CSV into columns, and says what is wrong with it at which line."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import List, Optional

from insula_sdk import AgentError

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
COLUMNS_LIMIT = 200
ROWS_LIMIT = 100_000
FIELD_LIMIT = 4_096

csv.field_size_limit(1 << 20)


@dataclass(frozen=True)
class Table:
    """Names, and for each the values of its column, in the order of rows."""

    names: List[str]
    columns: List[List[str]]

    @property
    def rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def read_table(text: str, separator: Optional[str] = None) -> Table:
    """Reads a table whose first line has the names. Raises ``bad-request`` with the line of what is wrong."""
    text = text[1:] if text.startswith("\ufeff") else text
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise AgentError.bad_request(f"line {line}: a null character, which no text has: is it a CSV file?")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text, separator), strict=True)
    names: Optional[List[str]] = None
    columns: List[List[str]] = []
    line = 1
    try:
        for row in reader:
            # A row begins behind the lines of those before it.
            begins, line = line, reader.line_num + 1
            if not row or row == [""]:
                continue
            if names is None:
                names = read_names(row, begins)
                columns = [[] for _ in names]
                continue
            if len(row) != len(names):
                raise AgentError.bad_request(f"line {begins}: {plural(len(row), 'field')}, where the first line has {len(names)}")
            if len(columns[0]) >= ROWS_LIMIT:
                raise AgentError.bad_request(f"line {begins}: there are more than {ROWS_LIMIT:,} rows")
            for column, value in zip(columns, row):
                if len(value) > FIELD_LIMIT:
                    raise AgentError.bad_request(f"line {begins}: a field of {len(value):,} characters; {FIELD_LIMIT:,} are allowed")
                column.append(value.strip())
    except csv.Error as error:
        raise AgentError.bad_request(f"line {line}: {explain(error)}") from None
    if names is None or not columns[0]:
        raise AgentError.bad_request("the table has no rows: send a line of names, and lines of values")
    return Table(names, columns)


def read_names(row: List[str], line: int) -> List[str]:
    names = [name.strip() for name in row]
    if len(names) > COLUMNS_LIMIT:
        raise AgentError.bad_request(f"line {line}: {len(names)} columns; {COLUMNS_LIMIT} are allowed")
    for at, name in enumerate(names):
        if not name:
            raise AgentError.bad_request(f"line {line}: column {at + 1} has no name")
        if names.index(name) != at:
            raise AgentError.bad_request(f"line {line}: two columns have the name {name!r}")
    return names


def delimiter(text: str, wanted: Optional[str]) -> str:
    """The separator that was asked for, else the one that the first line has most of."""
    if wanted is not None:
        if wanted in SEPARATORS or wanted in NAMED:
            return NAMED.get(wanted, wanted)
        raise AgentError.bad_request(f"the separator {wanted!r} is none of {', '.join(NAMED)}")
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=lambda one: (first.count(one), one == ","))


def explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quote is opened here and never closed"
    if "expected after" in text:
        return "text after a closing quote: write a quote within quotes twice"
    return text


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
