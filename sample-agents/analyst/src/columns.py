"""What a column is, and its statistics."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from datetime import date
from typing import Any, Dict, List, Optional

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
MISSING = frozenset({"", "-", "n/a", "na", "nan", "nil", "none", "null"})
TRUTHS = {"true": True, "yes": True, "false": False, "no": False}
#: Beyond so many quartiles from the middle half a value stands out (Tukey).
FENCE = 1.5
TOP = 5
PLACES = 6


class Column:
    """A column, as numbers, dates, truths or texts: what all of its values are."""

    def __init__(self, name: str, values: List[str]) -> None:
        self.name = name
        self.present = [value for value in values if value.lower() not in MISSING]
        self.missing = len(values) - len(self.present)
        self.numbers: Optional[List[float]] = None

    def statistics(self) -> Dict[str, Any]:
        base = {"name": self.name, "kind": "empty", "values": len(self.present), "missing": self.missing}
        if not self.present:
            return base
        numbers = [as_number(value) for value in self.present]
        if all(number is not None for number in numbers):
            self.numbers = [number for number in numbers if number is not None]
            return {**base, "kind": "number", **of_numbers(self.numbers)}
        if all(value.lower() in TRUTHS for value in self.present):
            true = sum(TRUTHS[value.lower()] for value in self.present)
            return {**base, "kind": "truth", "true": true, "false": len(self.present) - true}
        dates = [as_date(value) for value in self.present]
        if all(dates):
            known = [one for one in dates if one is not None]
            span = (max(known) - min(known)).days
            return {**base, "kind": "date", "first": str(min(known)), "last": str(max(known)), "days": span}
        return {**base, "kind": "text", **of_texts(self.present)}

    @staticmethod
    def change(before: Dict[str, Any], after: Dict[str, Any]) -> Dict[str, Any]:
        """How a column of one report differs from that of another."""
        change: Dict[str, Any] = {"name": before["name"], "kind": after["kind"]}
        if before["kind"] != after["kind"]:
            return {**change, "kind-before": before["kind"]}
        if after["kind"] == "number":
            for figure in ("mean", "median", "sum"):
                change[figure] = tidy(after[figure] - before[figure])
            if before["mean"]:
                change["mean-percent"] = tidy(100 * (after["mean"] - before["mean"]) / abs(before["mean"]))
        if after["kind"] == "text":
            change["distinct"] = after["distinct"] - before["distinct"]
        return change


def of_numbers(numbers: List[float]) -> Dict[str, Any]:
    ordered = sorted(numbers)
    low, middle, high = quartiles(ordered)
    reach = FENCE * (high - low)
    outliers = [number for number in ordered if number < low - reach or number > high + reach]
    return {
        "min": tidy(ordered[0]),
        "max": tidy(ordered[-1]),
        "sum": tidy(math.fsum(ordered)),
        "mean": tidy(math.fsum(ordered) / len(ordered)),
        "median": tidy(middle),
        "quartiles": [tidy(low), tidy(high)],
        "deviation": tidy(statistics.stdev(ordered)) if len(ordered) > 1 else None,
        "outliers": [tidy(number) for number in outliers[:TOP]],
        "outlier-count": len(outliers),
    }


def of_texts(values: List[str]) -> Dict[str, Any]:
    counts = Counter(values)
    frequent = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]
    lengths = [len(value) for value in values]
    return {
        "distinct": len(counts),
        "top": [{"value": value, "times": times} for value, times in frequent],
        "length": [min(lengths), max(lengths)],
    }


def quartiles(ordered: List[float]) -> List[float]:
    """The values below which a quarter, a half and three quarters are, between neighbours where need be."""
    if len(ordered) == 1:
        return ordered * 3
    return statistics.quantiles(ordered, n=4, method="inclusive")


def correlation(one: List[float], other: List[float]) -> Optional[float]:
    """Pearson's; none where a column does not vary."""
    try:
        return statistics.correlation(one, other)
    except statistics.StatisticsError:
        return None


def as_number(value: str) -> Optional[float]:
    if not NUMBER.fullmatch(value):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def as_date(value: str) -> Optional[date]:
    try:
        return date.fromisoformat(value[:10]) if value[4:5] == "-" else None
    except ValueError:
        return None


def tidy(number: float) -> float:
    """Six places are enough, and whole numbers are whole."""
    rounded = round(number, PLACES)
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1 << 53 else rounded
