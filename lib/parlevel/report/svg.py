"""A small SVG drawing board: scales, axes, lines, bands, bars. Colours come from CSS classes, so dark mode is free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from html import escape

LETTER = 7.5  # width of a letter on an axis with the gap to the next number, picture units

Points = Sequence[tuple[float, float]]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers that cover [low, high], about `count` of them.

    >>> ticks(0, 87)
    [0.0, 25.0, 50.0, 75.0, 100.0]
    """
    span = high - low if high > low else 1.0
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def short(value: float) -> str:
    """A number for an axis: 1.2k, 3M, 0.25.

    >>> [short(v) for v in (0, 0.25, 12, 1200, 3e6)]
    ['0', '0.25', '12', '1.2k', '3M']
    """
    for limit, mark in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{mark}"
    return f"{value:.3g}"


def _number(value: float, form: str) -> str:
    if form != "percent":
        return short(value)
    return f"{100 * value:,.0f} %" if abs(value) >= 10 else f"{100 * value:.3g} %"


@dataclass
class Board:
    """A plot area with scales.

    Attributes:
        x: (from, to) of the horizontal scale.
        y: (from, to) of the vertical scale.
        width: of the whole picture, in its own units; CSS stretches it.
        height: of the whole picture.
        margins: left, top, right, bottom.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 560
    height: int = 230
    margins: tuple[int, int, int, int] = (44, 14, 12, 26)
    parts: list[str] = field(default_factory=list)

    def px(self, value: float) -> float:
        """Horizontal place of a value."""
        left, _, right, _ = self.margins
        return left + (value - self.x[0]) / ((self.x[1] - self.x[0]) or 1) * (self.width - left - right)

    def py(self, value: float) -> float:
        """Vertical place of a value."""
        _, top, _, bottom = self.margins
        return (
            self.height - bottom - (value - self.y[0]) / ((self.y[1] - self.y[0]) or 1) * (self.height - top - bottom)
        )

    def add(self, element: str) -> None:
        """Append raw SVG."""
        self.parts.append(element)

    def rect(self, box: tuple[float, float, float, float], css: str, hover: str = "") -> None:
        """A rectangle between two corners (x1, y1, x2, y2) in data units."""
        x1, x2 = sorted((self.px(box[0]), self.px(box[2])))
        y1, y2 = sorted((self.py(box[1]), self.py(box[3])))
        size = f'x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"'
        self.add(f'<rect {size} class="{css}">{_title(hover)}</rect>')

    def line(self, points: Points, css: str, hover: str = "") -> None:
        """A line that breaks where a value is not a number."""
        path, pen_up = [], True
        for x, y in points:
            if not math.isfinite(y):
                pen_up = True
                continue
            path.append(f"{'M' if pen_up else 'L'}{self.px(x):.1f} {self.py(y):.1f}")
            pen_up = False
        if path:
            self.add(f'<path d="{"".join(path)}" class="{css}">{_title(hover)}</path>')

    def band(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], css: str) -> None:
        """The area between two lines."""
        there = [f"{self.px(x):.1f} {self.py(y):.1f}" for x, y in zip(xs, highs, strict=True)]
        back = [f"{self.px(x):.1f} {self.py(y):.1f}" for x, y in zip(xs, lows, strict=True)]
        if there:
            self.add(f'<path d="M{"L".join([*there, *reversed(back)])}Z" class="{css}"/>')

    def dot(self, x: float, y: float, css: str, hover: str = "", radius: float = 3.5) -> None:
        """A filled circle."""
        if math.isfinite(y):
            place = f'cx="{self.px(x):.1f}" cy="{self.py(y):.1f}" r="{radius}"'
            self.add(f'<circle {place} class="{css}">{_title(hover)}</circle>')

    def text(self, x: float, y: float, words: str, css: str = "tick", anchor: str = "start") -> None:
        """Words at a place given in picture units (not data units)."""
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>')

    def y_axis(self, unit: str, form: str = "number") -> None:
        """Horizontal grid lines with numbers; `form` is number or percent."""
        left, top, right, _ = self.margins
        for value in ticks(*self.y):
            if value > self.y[1] * 1.0001 or value < self.y[0]:
                continue
            at = self.py(value)
            self.add(f'<line x1="{left}" x2="{self.width - right}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>')
            self.text(left - 5, at + 3.5, _number(value, form), anchor="end")
        self.text(left, top - 4, unit, "unit")

    def date_axis(self, dates: Sequence[tuple[float, date]]) -> None:
        """About six dates below the plot; the year where it changes."""
        if not dates:
            return
        every = max(1, math.ceil(len(dates) / 6))
        year = None
        base = self.height - self.margins[3]
        for x, day in dates[::every]:
            words = f"{day.day} {day:%b}" + (f" {day:%Y}" if day.year != year else "")
            year = day.year
            self.add(f'<line x1="{self.px(x):.1f}" x2="{self.px(x):.1f}" y1="{base}" y2="{base + 4}" class="axis"/>')
            self.text(self.px(x), base + 16, words, anchor="middle")

    def x_axis(self, label: str, form: str = "number") -> None:
        """Numbers below the plot with what they count."""
        base = self.height - self.margins[3]
        places = [value for value in ticks(*self.x, 6) if self.x[0] <= value <= self.x[1]]
        room = (self.width - self.margins[0] - self.margins[2]) / max(len(places), 1)
        every = 1 if all(len(_number(value, form)) * LETTER < room for value in places) else 2
        for value in places[::every]:
            self.text(self.px(value), base + 14, _number(value, form), anchor="middle")
        self.text(self.width - self.margins[2], self.height - 2, label, "unit", "end")

    def render(self, label: str) -> str:
        """The finished picture; `label` says in words what it shows."""
        inside = "".join(self.parts)
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(label)}" '
            f'preserveAspectRatio="xMidYMid meet">{inside}</svg>'
        )


def _title(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
