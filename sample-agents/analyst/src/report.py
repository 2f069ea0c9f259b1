"""A table's report, and the same in words."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Dict, List

from columns import Column, correlation, tidy
from table import Table, plural

#: Two columns go together from here on.
STRONG = 0.7
#: Pairs of so many number columns are compared; of more, the first ones.
COMPARED = 20


def report(table: Table) -> Dict[str, Any]:
    """Each column's statistics, and which columns go together."""
    columns = [Column(name, values) for name, values in zip(table.names, table.columns)]
    described = [column.statistics() for column in columns]
    return {"rows": table.rows, "columns": described, "together": together(table, columns)}


def together(table: Table, columns: List[Column]) -> List[Dict[str, Any]]:
    whole = [column for column in columns if column.numbers is not None and column.missing == 0][:COMPARED]
    found = []
    for one, other in combinations(whole, 2):
        strength = correlation(one.numbers or [], other.numbers or []) if table.rows > 2 else None
        if strength is not None and abs(strength) >= STRONG:
            found.append({"columns": [one.name, other.name], "correlation": tidy(round(strength, 4))})
    return sorted(found, key=lambda pair: (-abs(pair["correlation"]), pair["columns"]))


def summary(made: Dict[str, Any]) -> List[str]:
    """What a reader should know first, a sentence each."""
    columns = made["columns"]
    said = [f"{plural(made['rows'], 'row')} of {plural(len(columns), 'column')}."]
    for column in columns:
        if column["kind"] == "number":
            said.append(f"{column['name']}: {column['mean']:,g} on average, from {column['min']:,g} to {column['max']:,g}.")
        elif column["kind"] == "text" and column["distinct"] < column["values"]:
            top = column["top"][0]
            share = round(100 * top["times"] / column["values"])
            said.append(f"{column['name']}: {plural(column['distinct'], 'value')}, most often {top['value']} ({share} %).")
        elif column["kind"] == "date":
            said.append(f"{column['name']}: {column['first']} to {column['last']}.")
    gaps = [column["name"] for column in columns if column["missing"]]
    if gaps:
        said.append(f"Values are missing in {', '.join(gaps)}.")
    for column in columns:
        if column.get("outlier-count"):
            shown = ", ".join(f"{number:,g}" for number in column["outliers"])
            said.append(f"{column['name']} has {plural(column['outlier-count'], 'value')} far from the rest: {shown}.")
    for pair in made["together"][:3]:
        way = "rise together" if pair["correlation"] > 0 else "go opposite ways"
        said.append(f"{' and '.join(pair['columns'])} {way} ({pair['correlation']:g}).")
    return said
