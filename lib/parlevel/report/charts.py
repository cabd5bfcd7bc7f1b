"""The report's charts, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from parlevel.report.svg import Board, short, ticks


@dataclass(frozen=True)
class Fan:
    """One series: what was, what a past forecast said, what is expected.

    Attributes:
        dates: of all positions, history then horizon.
        history: (n_past,) demand, NaN where unknown.
        masked: positions in the history that are not used for training (stockouts, closed days).
        back_start: position at which the held-back forecast begins, negative if there is none.
        back_mean: what the model expected there when it did not know.
        bands: (low, high) pairs over the horizon, widest first.
        band_names: one per pair, such as "90 %".
        mean: expected demand over the horizon.
    """

    dates: Sequence[date]
    history: Sequence[float]
    masked: Sequence[int]
    back_start: int
    back_mean: Sequence[float]
    bands: Sequence[tuple[Sequence[float], Sequence[float]]]
    band_names: Sequence[str]
    mean: Sequence[float]


def fan(data: Fan, unit: str, label: str) -> str:
    """History, the held-back forecast over it, and the forecast with its quantile bands."""
    n, h = len(data.history), len(data.mean)
    seen = [v for v in (*data.history, *data.mean, *data.back_mean) if math.isfinite(v)]
    tops = [v for _, high in data.bands for v in high if math.isfinite(v)]
    top = ticks(0, max([*seen, *tops, 1e-9]))[-1]
    board = Board((0, n + h - 1), (0, top))
    board.rect((n - 0.5, 0, n + h - 1, top), "future")
    board.y_axis(unit)
    board.date_axis(list(enumerate(data.dates)))
    ahead = list(range(n, n + h))
    for depth, (low, high) in enumerate(data.bands):
        board.band(ahead, low, high, f"band b{depth}")
    board.line(list(enumerate(data.history)), "line history")
    for position in data.masked:
        board.dot(position, 0, "masked", f"{data.dates[position]}: not counted as demand", 2.0)
    if data.back_start >= 0:
        back = [(data.back_start + k, value) for k, value in enumerate(data.back_mean)]
        board.line(back, "line back", "what the model expected before it knew (held-back fold)")
    board.line(list(zip(ahead, data.mean, strict=True)), "line expected")
    _hover_columns(board, data, top)
    return board.render(label)


def _hover_columns(board: Board, data: Fan, top: float) -> None:
    """An invisible column per period that names its numbers."""
    n = len(data.history)
    for position, day in enumerate(data.dates):
        if position < n:
            words = f"{day}: {_number(data.history[position])}"
            back = position - data.back_start
            if data.back_start >= 0 and 0 <= back < len(data.back_mean):
                words += f", forecast then {_number(data.back_mean[back])}"
        else:
            k = position - n
            words = f"{day}: expected {_number(data.mean[k])}"
            for name, (low, high) in zip(data.band_names, data.bands, strict=True):
                words += f"; {name}: {_number(low[k])} to {_number(high[k])}"
        board.rect((position - 0.5, 0, position + 0.5, top), "hover", words)


def projection(days: Sequence[date], rows: Mapping[str, Sequence[float]], label: str) -> str:
    """Expected stock with its 5-95 % band and the receipts as bars.

    Args:
        days: of the horizon.
        rows: stock_mean, stock_low, stock_high, receipts, lost_mean; units, one per day.
        label: what it shows, in words.
    """
    h = len(days)
    top = ticks(0, max([*rows["stock_high"], *rows["receipts"], 1e-9]))[-1]
    board = Board((-0.5, h - 0.5), (0, top), height=210)
    board.y_axis("units in stock at the end of the period")
    board.date_axis(list(enumerate(days)))
    for k, units in enumerate(rows["receipts"]):
        if units > 0:
            board.rect((k - 0.35, 0, k + 0.35, units), "bar receipt", f"{days[k]}: {_number(units)} units received")
    board.band(range(h), rows["stock_low"], rows["stock_high"], "band b0")
    board.line(list(enumerate(rows["stock_mean"])), "line expected")
    for k, day in enumerate(days):
        words = (
            f"{day}: {_number(rows['stock_mean'][k])} expected, {_number(rows['stock_low'][k])} to "
            f"{_number(rows['stock_high'][k])} in 9 of 10 cases; received {_number(rows['receipts'][k])}, "
            f"expected lost {_number(rows['lost_mean'][k])}"
        )
        board.rect((k - 0.5, 0, k + 0.5, top), "hover", words)
    return board.render(label)


def lines(series: Mapping[str, Sequence[tuple[float, float]]], axis: tuple[str, str], label: str) -> str:
    """Lines of shares over steps, one per name.

    Args:
        series: name -> points (step, share); colour by position.
        axis: what is counted to the right and upwards.
        label: what it shows, in words.
    """
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points if math.isfinite(y)]
    board = Board(
        (min(xs, default=0), max(xs, default=1)), (0, ticks(0, max([*ys, 1e-9]))[-1]), margins=(44, 14, 12, 34)
    )
    board.y_axis(axis[1], "percent")
    board.x_axis(axis[0])
    for position, (name, points) in reversed(list(enumerate(series.items()))):
        board.line(points, f"line c{position % 6}")
        for x, y in points:
            board.dot(x, y, f"fill{position % 6}", f"{name}, {axis[0]} {x:g}: {100 * y:.1f} %", 2.2)
    return board.render(label)


def reliability(series: Mapping[str, Sequence[tuple[float, float]]], label: str) -> str:
    """Share of actuals at or below each forecast quantile against the level asked for."""
    board = Board((0, 1), (0, 1), height=300, margins=(50, 14, 14, 34))
    board.y_axis("share of actuals at or below", "percent")
    board.x_axis("quantile level", "percent")
    board.line([(0, 0), (1, 1)], "diagonal", "a perfect forecast of a continuous quantity lies on this line")
    for position, (name, points) in reversed(list(enumerate(series.items()))):
        board.line(points, f"line c{position % 6}")
        for x, y in points:
            board.dot(x, y, f"fill{position % 6}", f"{name}: {100 * y:.1f} % at or below the {100 * x:g} % quantile")
    return board.render(label)


def frontier(curves: Mapping[str, Sequence[tuple[float, float, str]]], currency: str, label: str) -> str:
    """Service against what it costs to hold and to order, a line per policy.

    Args:
        curves: policy -> (money, fill rate, setting), cheapest first; colour by position.
        currency: printed at the axis.
        label: what it shows, in words.
    """
    spent = [x for points in curves.values() for x, _, _ in points]
    served = [y for points in curves.values() for _, y, _ in points]
    room = 0.05 * (max(spent, default=1.0) - min(spent, default=0.0)) or 1.0
    low = math.floor(50 * min(served, default=0.0)) / 50
    board = Board(
        (min(spent, default=0.0) - room, max(spent, default=1.0) + room), (low, 1.0), margins=(50, 14, 14, 34)
    )
    board.y_axis("fill rate", "percent")
    board.x_axis(f"holding and order cost, {currency}")
    for position, (name, points) in reversed(list(enumerate(curves.items()))):
        board.line([(x, y) for x, y, _ in points], f"line c{position % 6}")
        for x, y, setting in points:
            board.dot(x, y, f"fill{position % 6}", f"{name}, {setting}: {100 * y:.1f} % for {currency}{x:,.0f}")
    return board.render(label)


def dots(groups: Sequence[tuple[str, Mapping[str, float | None]]], axis: str, label: str) -> str:
    """One line per group, one dot per model: shares side by side.

    Args:
        groups: (name, model -> share), drawn from the top.
        axis: what the share is.
        label: what it shows, in words.
    """
    row, left = 22, 205
    values = [v for _, by in groups for v in by.values() if v is not None and math.isfinite(v)]
    far = ticks(0, max([*values, 1e-9]))[-1]
    height = row * len(groups) + 46
    board = Board((0, far), (len(groups), 0), 560, height, (left, 8, 18, 34))
    board.x_axis(axis, "percent")
    models = list(dict.fromkeys(model for _, by in groups for model in by))
    for k, (name, by) in enumerate(groups):
        at = board.py(k + 0.5)
        board.add(f'<line x1="{left}" x2="{board.width - 18}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>')
        board.text(left - 8, at + 3.5, name if len(name) <= 26 else name[:25] + "…", "name", "end")
        for model, value in reversed(list(by.items())):  # the first model on top
            if value is not None and math.isfinite(value):
                hover = f"{name}, {model}: {100 * value:.1f} %"
                board.dot(value, k + 0.5, f"fill{models.index(model) % 6}", hover, 4.5)
    return board.render(label)


def stacked(bars: Sequence[tuple[str, Mapping[str, float]]], currency: str, label: str) -> str:
    """Stacked horizontal bars of money, one per name."""
    row, left = 46, 130
    totals = [sum(parts.values()) for _, parts in bars]
    far = max([*totals, 1e-9]) * 1.16
    board = Board((0, far), (len(bars), 0), 720, row * len(bars) + 40, (left, 6, 14, 34))
    board.x_axis(f"{currency} over the simulated periods")
    for k, (name, parts) in enumerate(bars):
        board.text(left - 8, board.py(k + 0.5) + 4, name, "name", "end")
        begin = 0.0
        for position, (part, amount) in enumerate(parts.items()):
            box = (begin, k + 0.18, begin + amount, k + 0.82)
            board.rect(box, f"fill{position % 6}", f"{name}, {part}: {currency}{amount:,.0f}")
            begin += amount
        board.text(board.px(begin) + 6, board.py(k + 0.5) + 4, f"{currency}{short(begin)}", "name")
    return board.render(label)


def bars(rows: Sequence[tuple[str, float]], unit: str, label: str) -> str:
    """Horizontal bars, one per name, with the number at the end."""
    row, left = 22, 110
    far = max([value for _, value in rows] + [1e-9]) * 1.15
    board = Board((0, far), (max(len(rows), 1), 0), 560, row * len(rows) + 14, (left, 4, 14, 6))
    for k, (name, value) in enumerate(rows):
        middle = board.py(k + 0.5) + 4
        board.text(left - 8, middle, name, "name", "end")
        board.rect((0, k + 0.2, value, k + 0.8), "fill0", f"{name}: {value:,.1f} {unit}")
        board.text(board.px(value) + 5, middle, f"{short(value)} {unit}")
    return board.render(label)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"
