"""What a node's places will ask of it: their planned orders, with the spread of what their customers buy.

Over the node's protection interval goods are conserved: what its places order is what their customers take, plus what
their stocks are planned to change by. So the sum of their orders is as uncertain as the sum of their demand, which is
less than the sum of their uncertainties (pooling). Tomorrow's orders are known; of the later ones as a whole the node
is told the planned amount and that spread, as gamma factors of all of them at once.
Source: Martin (1983), "Distribution Resource Planning", for planned orders as the demand of the level above; Eppen
(1979), "Effects of centralization on expected costs in a multi-location newsboy problem", Management Science 25, for
the pooled spread; Clark & Scarf (1960), Management Science 6, for the echelon's demand behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.special import gammaincinv

from parlevel.domain.forecast.quantiles import read_at
from parlevel.domain.replenish.base import Floats, Forecast, Ints
from parlevel.domain.replenish.network.echelon import dependent_demand
from parlevel.domain.replenish.network.model import Lane, Network, Node
from parlevel.domain.replenish.packed import PACKED, Items, unpack
from parlevel.domain.replenish.registry import OPTIMAL
from parlevel.schemas import Column, arrow_schema

LINES: tuple[Column, ...] = (
    Column("line_steps", "array<int>", "order steps of the planned lines, the first decision among them"),
    Column("line_qty", "array<double>", "units ordered at them", "units"),
    Column("first_level", "double", "order_up_to_level of the first decision", "units"),
    Column("first_position", "double", "inventory_position before it", "units"),
)
"""What rows of items say of their plan."""

FILLED = ("series_id", "mean", "levels", "quantiles", "path_correlation", "history", "drivers")
DEMAND: tuple[Column, ...] = tuple(column for column in PACKED if column.name in FILLED)
"""What a node's row lacks until the places below it are planned."""

_GRID = (np.arange(64) + 0.5) / 64
_CERTAIN = 1e-6  # a relative spread below which there is none


@dataclass(frozen=True)
class Asked:
    """What one node is asked for: `mean` (h,) units and `quantiles` (h, n_levels) units."""

    mean: Floats
    quantiles: Floats


def node_demand(rows: pa.Table, horizon: int, policy: str, levels: list[float]) -> pa.Table:
    """Rows of `DEMAND`, one a node that is asked for something.

    Args:
        rows: planned items: columns `PACKED`, `LINES`, `source_item` (the node that supplies it), `source_interval`
            (its protection interval, periods) and `units` (of the lane).
        horizon: order steps planned.
        policy: registry name where the rows have none of their own.
        levels: quantile levels to tell the demand at; those of the forecasts, which every group shares.
    """
    rows = rows.combine_chunks().sort_by([("content_key", "ascending"), ("series_id", "ascending")])
    sources = np.array(rows["source_item"].to_pylist(), object)
    made = []
    for name in sorted(set(sources.tolist())):
        part = rows.take(pa.array(np.flatnonzero(sources == name)))
        items = unpack(part, horizon)
        orders = planned_orders(part, items, policy)
        factor = np.asarray(part["units"].to_numpy(), np.float64)
        lead = items.terms.lead_time
        interval = int(part["source_interval"][0].as_py())
        found = asked_of(orders, items.forecast, factor, lead, interval, np.array(levels))
        made.append({
            "series_id": name,
            "mean": found.mean,
            "levels": levels,
            "quantiles": found.quantiles.ravel(),
            "path_correlation": 1.0,
            "history": _history(items.forecast.history, factor),
            "drivers": [f"the orders of {len(lead)} place{'' if len(lead) == 1 else 's'} that it supplies"],
        })  # fmt: skip
    return pa.Table.from_pylist(made, schema=arrow_schema(DEMAND))


def planned_orders(rows: pa.Table, items: Items, policy: str) -> Floats:
    """(n, h) units that items plan to order, by order step.

    A policy that decides today only is taken to order each time it may what its customers are expected to have bought
    since the time before, less what it has above its level now: so does every policy that orders up to one.

    Args:
        rows: columns `LINES`.
        items: the same items in the same order.
        policy: registry name where an item has none of its own.
    """
    mean, terms = items.forecast.mean, items.terms
    units = np.zeros(mean.shape)
    step = np.broadcast_to(np.arange(mean.shape[1]), mean.shape)
    may = (terms.open(step) & (step % terms.review_period[:, None] == 0)) | (step == 0)
    columns = ("line_steps", "line_qty", "first_level", "first_position")
    for k, row in enumerate(zip(*(rows[name].to_pylist() for name in columns), strict=True)):
        steps, quantity, level, position = row
        units[k, steps or []] = quantity or []
        if (items.policies[k] or policy) != OPTIMAL:
            spare = max((position or 0.0) + units[k, 0] - (level or 0.0), 0.0)
            at = np.flatnonzero(may[k])
            sold = np.maximum(np.concatenate([[0.0], mean[k].cumsum()])[at] - spare, 0.0)
            units[k, at[1:]] = np.diff(sold)
    return units


def asked_of(orders: Floats, forecast: Forecast, factor: Floats, lead: Ints, interval: int, levels: Floats) -> Asked:
    """What n places ask of the node that supplies them.

    Args:
        orders: (n, h) units that each place orders at each step.
        forecast: of what customers ask of the places.
        factor: (n,) units that leave the node for one that arrives.
        lead: (n,) periods on the way.
        interval: the node's own protection interval, periods.
        levels: (n_levels,) of the quantiles to give.
    """
    n, horizon = orders.shape
    reach = horizon + int(lead.max(initial=0))
    receipts = np.zeros((n + 1, reach))
    for k in range(n):
        receipts[k + 1, lead[k] : lead[k] + horizon] = orders[k]
    names = [str(k) for k in range(n + 1)]
    lanes = [Lane(names[0], names[k + 1], float(factor[k]), float(lead[k])) for k in range(n)]
    mean = dependent_demand(Network([Node(name) for name in names], lanes), receipts)[0, :horizon]
    spread = _spread(mean, forecast, factor, interval)
    if spread < _CERTAIN:
        return Asked(mean, np.repeat(mean[:, None], len(levels), axis=1))
    shape = 1.0 / spread**2
    quantiles = mean[:, None] * (gammaincinv(shape, levels) / shape)
    quantiles[0] = mean[0]  # tomorrow's orders are decided
    return Asked(mean, quantiles)


def _spread(mean: Floats, forecast: Forecast, factor: Floats, interval: int) -> float:
    """Standard deviation of what is asked after tomorrow, as a share of it.

    It is that of customers' demand over the interval where places order what is sold, and no more in units where they
    order more (to fill up); where they order less, they sell from stock and pass on a part of it.
    """
    periods = min(max(interval, 2), len(mean))
    ahead, later = float((factor[:, None] * forecast.mean[:, :periods]).sum()), float(mean[1:periods].sum())
    if ahead <= 0:
        return 0.0
    sd = read_at(forecast.quantiles[:, :periods], forecast.levels, _GRID).std(axis=2)
    r = forecast.path_correlation
    variance = (1 - r) * (sd**2).sum(axis=1) + r * sd.sum(axis=1) ** 2
    relative = float(np.sqrt((factor**2 * variance).sum())) / ahead
    return relative * min(1.0, ahead / later) if later > 0 else relative


def _history(history: Floats, factor: Floats) -> Floats:
    """(n_past,) what customers of all places bought, in units of the node; NaN where nobody's demand is known."""
    known = ~np.isnan(history)
    total = np.where(known, factor[:, None] * np.where(known, history, 0.0), 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total, np.nan).astype(np.float32)
