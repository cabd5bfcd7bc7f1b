"""Numbers and sentences of the report: units everywhere, one way to write each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

DASH = "–"


@dataclass(frozen=True)
class Words:
    """How numbers are written; `currency` goes before money."""

    currency: str
    period: str = "day"

    def money(self, value: float | None) -> str:
        """$1,280 or $12.30."""
        if value is None or not math.isfinite(value):
            return DASH
        sign = "−" if value < 0 else ""
        return (
            f"{sign}{self.currency}{abs(value):,.2f}" if abs(value) < 100 else f"{sign}{self.currency}{abs(value):,.0f}"
        )

    def periods(self, count: float) -> str:
        """28 days, 1 week."""
        return f"{count:,.0f} {self.period}{'' if count == 1 else 's'}"


def share(value: float | None, digits: int = 1) -> str:
    """12.3 %, 2,763 %, <0.1 %, >99.9 %: neither nothing nor all is what only comes close to it."""
    if value is None or not math.isfinite(value):
        return DASH
    least = 10.0 ** -(digits + 2)
    if 0 < value < least / 2:
        return f"<{100 * least:.{digits}f}\u00a0%"
    if 1 - least / 2 <= value < 1:
        return f">{100 * (1 - least):.{digits}f}\u00a0%"
    return f"{100 * value:,.{0 if abs(value) >= 10 else digits}f}\u00a0%"


def number(value: float | None, digits: int = 2) -> str:
    """1,234 or 0.82."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.{digits}f}"


def units(value: float | None) -> str:
    """A quantity: 12, 0.43, 1,204."""
    return number(value, 1 if value is not None and abs(value) >= 10 else 2)


def day(value: date | None) -> str:
    """1 Jan 2018."""
    return DASH if value is None else f"{value.day} {value:%b %Y}"


def plural(count: int, one: str, many: str = "") -> str:
    """1 order, 2 orders."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def less_or_more(mine: float, theirs: float) -> str:
    """22.8 % less, 3.1 % more, the same; a dash where there is nothing to compare with."""
    if mine == theirs:
        return "the same"
    if not theirs:
        return DASH
    change = mine / theirs - 1
    return f"{abs(100 * change):.1f}\u00a0% {'less' if change < 0 else 'more'}"


def text(value: Any) -> str:
    """Any cell as text."""
    return DASH if value is None or value == "" else str(value)
