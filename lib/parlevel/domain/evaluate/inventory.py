"""Inventory KPIs that add up: sums per series and policy, ratios at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from parlevel.domain.evaluate.simulate import Played
from parlevel.domain.replenish.base import Floats, Terms

SUMS: tuple[str, ...] = (
    "n_series",
    "n_cells",
    "demand",
    "unmet",
    "short_cells",
    "sold_value",
    "stock_units",
    "stock_value",
    "off",
    "needed",
    "orders",
    "cycles",
    "served",
    "asked",
    "asked_units",
    "holding_cost",
    "shortage_cost",
    "order_cost",
    "leftover_cost",
    "replanned",
    "compared",
)
"""What is added up over series; see `sums`."""

COSTS = ("holding_cost", "shortage_cost", "order_cost", "leftover_cost")
"""The sums that make `total_cost`."""


def sums(played: Played, terms: Terms, known: Floats) -> dict[str, Floats]:
    """Sums of each item over the periods played.

    Args:
        played: n items, P periods.
        terms: of the items.
        known: (n, P) 1 where demand is known; other periods are played but not counted as cells.

    Returns: name of `SUMS` -> (n,). `stock_units` and `stock_value` are sums over periods of the stock at its end;
        `off` and `needed` compare an item's orders with what perfect knowledge would have ordered, in total;
        `replanned` is the value by which orders differ from what the review before planned, `compared` the value
        ordered at those reviews; `served` counts order cycles without a stockout, `asked` how many of them the items'
        targets ask to be, `asked_units` the demand that they ask to serve.
    """
    n = len(terms.unit_cost)
    stock = played.stock.sum(axis=1)
    lost = terms.lost_sales
    late = np.nan_to_num(terms.backorder_cost) * played.waiting.sum(axis=1)
    placed = (played.ordered > 0).sum(axis=1).astype(np.float64)
    cycles, served = order_cycles(played.unmet, terms)
    told = ~np.isnan(played.planned)
    moved = np.where(told, np.abs(played.ordered - np.nan_to_num(played.planned)), 0.0).sum(axis=1)
    return {
        "n_series": np.ones(n),
        "n_cells": known.sum(axis=1),
        "demand": played.demand.sum(axis=1),
        "unmet": played.unmet.sum(axis=1),
        "short_cells": ((played.unmet > 1e-9) & (known > 0)).sum(axis=1).astype(np.float64),
        "sold_value": played.sales.sum(axis=1) * terms.unit_cost,
        "stock_units": stock,
        "stock_value": stock * terms.unit_cost,
        "off": np.abs(played.judged - played.needed),
        "needed": played.needed,
        "orders": placed,
        "cycles": cycles,
        "served": served,
        "asked": terms.target * cycles,
        "asked_units": terms.target * played.demand.sum(axis=1),
        "holding_cost": stock * terms.holding_cost,
        "shortage_cost": np.where(lost, played.unmet.sum(axis=1) * terms.shortage_cost, late),
        "order_cost": placed * terms.order_cost,
        "leftover_cost": played.leftover.sum(axis=1) * terms.wasted + played.perished.sum(axis=1) * terms.unit_cost,
        "replanned": moved * terms.unit_cost,
        "compared": np.where(told, played.ordered, 0.0).sum(axis=1) * terms.unit_cost,
    }


def order_cycles(unmet: Floats, terms: Terms) -> tuple[Floats, Floats]:
    """(cycles (n,), cycles without a stockout (n,)) between two possible receipts of orders placed in the periods.

    What is short before the first order can arrive no decision of the periods changes: it is in no cycle.

    Args:
        unmet: (n, P) units not served.
        terms: of the items; with an order calendar every order day opens a cycle of its own.
    """
    n, periods = unmet.shape
    lead = terms.at_once().lead_time[:, None]
    index = (np.arange(periods) - lead) // terms.review_period[:, None]
    cycles = np.maximum(periods - lead[:, 0], 0) // terms.review_period
    inside = (index >= 0) & (index < cycles[:, None])
    short = np.zeros((n, int(cycles.max(initial=0)) + 1), bool)
    row, at = np.nonzero(inside & (unmet > 1e-9))
    short[row, index[row, at]] = True
    return cycles.astype(np.float64), (cycles - short.sum(axis=1)).astype(np.float64)


def ratios(total: Mapping[str, float], n_periods: int, per_year: float, days: float) -> dict[str, float | None]:
    """KPIs of the contract `inventory_kpi` from summed `SUMS`.

    Args:
        total: sums over the series of a policy and segment.
        n_periods: periods played.
        per_year: periods in a year.
        days: days in a period.

    Returns: fill_rate, stockout_rate, turnover, days_of_supply, replenishment_accuracy, cycle_service_level,
        service_asked, fill_rate_asked and nervousness (None where a denominator is zero), stock_value (mean over
        periods) and total_cost.
    """

    def over(top: float, bottom: float) -> float | None:
        return top / bottom if bottom > 0 else None

    sold_a_year = total["sold_value"] * per_year / max(n_periods, 1)
    stock_value = total["stock_value"] / max(n_periods, 1)
    unmet, off = over(total["unmet"], total["demand"]), over(total["off"], total["needed"])
    supply = over(total["stock_units"], total["demand"])
    return {
        "fill_rate": None if unmet is None else 1.0 - unmet,
        "stockout_rate": over(total["short_cells"], total["n_cells"]),
        "turnover": over(sold_a_year, stock_value),
        "days_of_supply": None if supply is None else supply * days,
        "replenishment_accuracy": None if off is None else max(0.0, 1.0 - off),
        "cycle_service_level": over(total["served"], total["cycles"]),
        "service_asked": over(total["asked"], total["cycles"]),
        "fill_rate_asked": over(total["asked_units"], total["demand"]),
        "nervousness": over(total["replanned"], total["compared"]),
        "stock_value": stock_value,
        "total_cost": sum(total[name] for name in COSTS),
    }


def point_costs(fill_rate: Sequence[float | None], cost: Sequence[float]) -> list[float | None]:
    """What one more point (0.01) of fill rate costs, for each setting against the next one below it.

    Args:
        fill_rate: of each setting.
        cost: money spent on each.

    Returns: money per point; None for the lowest, and where two settings serve the same.

    >>> point_costs([0.95, 0.90, 0.95], [30.0, 20.0, 30.0])
    [2.0, None, None]
    """
    order = sorted(
        (rate, value, k) for k, (rate, value) in enumerate(zip(fill_rate, cost, strict=True)) if rate is not None
    )
    found: list[float | None] = [None] * len(cost)
    for (low, before, _), (high, after, k) in pairwise(order):
        found[k] = 0.01 * (after - before) / (high - low) if high - low > 1e-9 else None
    return [None if value is None else round(value, 9) for value in found]
