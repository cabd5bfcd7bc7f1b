"""The series that the report draws: forecast fans and stock projections, a few by choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta

from parlevel.config import Config
from parlevel.report.charts import Fan
from parlevel.report.data import Row
from parlevel.report.views import USED
from parlevel.report.warehouse import Warehouse

PATTERNS = "('intermittent', 'lumpy')"


def fan_series(house: Warehouse, limit: int) -> list[Row]:
    """Series to draw: half by volume, a quarter intermittent, the rest the worst; each says why it is there."""
    if not house.has("forecast", "panel", "series_profile", "forecast_status"):
        return []
    base = (
        "SELECT f.series_id, p.name, f.location_id, f.pattern, f.velocity, f.category, c.model, c.fallback, c.reason, "
        "f.recent_mean, f.content_key FROM series_profile f JOIN forecast_status c USING (series_id) "
        "LEFT JOIN products p ON p.product_id = f.product_id "
    )
    order = " ORDER BY f.recent_mean DESC, f.content_key LIMIT ?"
    quarter = max(1, limit // 4)
    wanted = [("high volume", base + order, limit - 2 * quarter)]
    wanted.append(("intermittent", base + f"WHERE f.pattern IN {PATTERNS}" + order, quarter))
    if house.has("worst_series"):
        worst = base + "JOIN worst_series w USING (series_id) ORDER BY w.abs_error DESC, f.content_key LIMIT ?"
        wanted.append(("large error", worst, limit))
    found: dict[str, Row] = {}
    for why, query, count in wanted:
        fresh = [row for row in house.rows(query, [count + len(found)]) if row["series_id"] not in found]
        found |= {row["series_id"]: {**row, "why": why} for row in fresh[: min(count, limit - len(found))]}
    return list(found.values())


def fans(house: Warehouse, cfg: Config, chosen: Sequence[Row]) -> dict[str, Fan]:
    """Series -> what its fan shows: the last three horizons of history, the newest backtest, the forecast."""
    names = [row["series_id"] for row in chosen]
    if not names:
        return {}
    ahead: dict[str, list[Row]] = {name: [] for name in names}
    for row in house.rows(
        "SELECT series_id, date, demand_mean, levels, demand_quantiles FROM forecast "
        "WHERE series_id IN (SELECT unnest(?)) ORDER BY series_id, step",
        [names],
    ):
        ahead[row["series_id"]].append(row)
    past = {row["series_id"]: row for row in _past(house, names, 3 * cfg.calendar.horizon)}
    back = _newest_backtest(house, names)
    both = [name for name in names if ahead[name] and name in past]
    return {name: _fan(past[name], ahead[name], back.get(name), cfg.calendar.period) for name in both}


def _past(house: Warehouse, names: Sequence[str], keep: int) -> list[Row]:
    return house.rows(
        f"SELECT series_id, cutoff, demand[-{int(keep)}:] AS demand, available[-{int(keep)}:] AS available "
        "FROM panel WHERE series_id IN (SELECT unnest(?))",
        [list(names)],
    )


def _newest_backtest(house: Warehouse, names: Sequence[str]) -> dict[str, Row]:
    """Series -> the newest fold's forecast by the model that the series uses."""
    if not house.has("backtest", "forecast_status"):
        return {}
    rows = house.rows(
        "SELECT b.series_id, b.cutoff, b.mean FROM backtest b JOIN forecast_status c "
        f"ON c.series_id = b.series_id AND b.model = {USED} "
        "WHERE b.series_id IN (SELECT unnest(?)) AND b.fold = (SELECT max(fold) FROM backtest)",
        [list(names)],
    )
    return {row["series_id"]: row for row in rows}


def _fan(past: Row, ahead: Sequence[Row], back: Row | None, period: str) -> Fan:
    history = [_float(value) for value in past["demand"]]
    n = len(history)
    dates = [shift(past["cutoff"], k - n + 1, period) for k in range(n)] + [row["date"] for row in ahead]
    start, mean = -1, []
    if back is not None:
        first = shift(back["cutoff"], 1, period)
        if first in dates[:n]:
            start = dates.index(first)
            mean = [_float(value) for value in back["mean"][: n - start]]
    levels = ahead[0]["levels"]
    pairs = [
        (low, 1 - low) for low in (0.05, 0.25) if _at(levels, low) is not None and _at(levels, 1 - low) is not None
    ]
    bands, names = [], []
    for low, high in pairs:
        ends = [[row["demand_quantiles"][_at(levels, level)] for row in ahead] for level in (low, high)]
        bands.append((ends[0], ends[1]))
        names.append(f"{100 * (high - low):.0f} %")
    masked = [k for k, good in enumerate(past["available"]) if not good > 0.5]
    return Fan(dates, history, masked, start, mean, bands, names, [row["demand_mean"] for row in ahead])


def shift(day: date, periods: int, period: str) -> date:
    """The first day of the period so many periods later.

    >>> shift(date(2024, 1, 31), -1, "month")
    datetime.date(2023, 12, 1)
    """
    if period == "month":
        months = day.year * 12 + day.month - 1 + periods
        return date(months // 12, months % 12 + 1, 1)
    return day + timedelta(days=periods * (7 if period == "week" else 1))


def _at(levels: Sequence[float], level: float) -> int | None:
    return next((k for k, value in enumerate(levels) if math.isclose(value, level, abs_tol=1e-9)), None)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def projections(house: Warehouse, limit: int) -> list[Row]:
    """Series with the largest orders over the horizon and the stock that follows, one row a series."""
    if not house.has("projection", "order_plan", "forecast"):
        return []
    return house.rows(
        "WITH chosen AS (SELECT series_id, sum(order_value) AS value, sum(order_qty) AS units, "
        "count(*) FILTER (order_qty > 0) AS orders FROM order_plan "
        "WHERE series_id IN (SELECT series_id FROM series) GROUP BY series_id "  # nodes have no demand to draw
        "ORDER BY value DESC, series_id LIMIT ?), "
        "days AS (SELECT series_id, list(date ORDER BY step) AS days FROM forecast "
        "WHERE series_id IN (SELECT series_id FROM chosen) GROUP BY series_id) "
        "SELECT c.*, d.days, j.receipts, j.stock_mean, j.stock_low, j.stock_high, j.lost_mean, p.name, s.location_id "
        "FROM chosen c JOIN days d USING (series_id) JOIN projection j USING (series_id) "
        "JOIN series s USING (series_id) LEFT JOIN products p ON p.product_id = s.product_id "
        "ORDER BY c.value DESC, series_id",
        [limit],
    )
