"""The cheapest plan of every item, exactly, by dynamic programming over cumulative receipts.

Problem data: `ItemModel` tables; a fixed cost per order and a price per level and opportunity.
Decision: x_0 <= x_1 <= ... cumulative levels ordered; x_k = x_{k-1} or x_k >= x_{k-1} + least, x_k <= cap_k.
Objective: sum_k cost[k, x_k] + (order_cost + fixed_k) [x_k > x_{k-1}] + price_k (x_k - x_{k-1}).

All items, and several price vectors at once, advance together; a suffix minimum makes one opportunity linear in the
number of levels. Source: Wagner & Whitin (1958) for the recursion; Scarf (1960) for its stochastic form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.replenish.base import Bools, Floats, Ints
from parlevel.domain.replenish.model import ItemModel

# Elements of one work array; chunks of items keep to it, so that a large group needs no more memory than a small one.
CHUNK = 4_000_000


@dataclass(frozen=True)
class Prices:
    """What shared resources add to an item's costs, for p price vectors.

    Attributes:
        unit: (p, n, K) money per unit ordered at opportunity k; negative = a premium.
        fixed: (p, n, K) money per order at opportunity k; inf = no order allowed.
        stock: (p, n, K, levels) money for holding `level` over interval k, or None.
    """

    unit: Floats
    fixed: Floats
    stock: Floats | None = None

    @classmethod
    def none(cls, model: ItemModel) -> Prices:
        """One price vector of zeros."""
        zero = np.zeros((1, model.n_items, model.time.n_opportunities))
        return cls(zero, zero)

    def take(self, rows: slice) -> Prices:
        """The prices of some items."""
        stock = None if self.stock is None else self.stock[:, rows]
        return Prices(self.unit[:, rows], self.fixed[:, rows], stock)


@dataclass(frozen=True)
class Plans:
    """Plans of n items under p price vectors.

    Attributes:
        level: (p, n, K) cumulative levels ordered.
        units: (p, n, K) units ordered at each opportunity.
        cost: (p, n) expected cost without prices, money; with what was sunk before the first possible receipt.
        priced: (p, n) the minimum of cost plus prices: no plan of the item has less.
    """

    level: Ints
    units: Floats
    cost: Floats
    priced: Floats


def solve(model: ItemModel, prices: Prices | None = None) -> Plans:
    """Minimise every item's cost plus prices.

    Args:
        model: tables of n items.
        prices: default none.
    """
    prices = prices or Prices.none(model)
    n, p = model.n_items, prices.unit.shape[0]
    rows = max(1, CHUNK // (p * model.time.n_opportunities * model.n_levels))
    parts = [_solve_chunk(model, prices, slice(begin, min(begin + rows, n))) for begin in range(0, max(n, 1), rows)]
    level, priced = np.concatenate([x for x, _ in parts], axis=1), np.concatenate([v for _, v in parts], axis=1)
    cost, units = appraise(model, level)
    return Plans(level, units, cost, priced + model.sunk)


def appraise(model: ItemModel, level: Ints) -> tuple[Floats, Floats]:
    """Expected cost and units of given plans: ((p, n), (p, n, K)).

    Args:
        model: tables of n items.
        level: (p, n, K) cumulative levels, non-decreasing along k.
    """
    steps = np.diff(level, axis=2, prepend=0)
    rows = np.arange(model.n_items)[None, :, None]
    k = np.arange(level.shape[2])[None, None, :]
    running = model.cost[rows, k, level].sum(axis=2)
    orders = (steps > 0).sum(axis=2) * model.terms.order_cost
    return running + orders + model.sunk, steps * model.unit[:, None]


def _solve_chunk(model: ItemModel, prices: Prices, rows: slice) -> tuple[Ints, Floats]:
    """(level (p, n, K), minimum (p, n)) of the items in `rows`."""
    cost, cap, least = model.cost[rows], model.cap[rows], model.least[rows]
    slope = prices.unit[:, rows] * model.unit[rows, None]
    fixed = prices.fixed[:, rows] + model.terms.order_cost[rows, None]
    stock = None if prices.stock is None else prices.stock[:, rows]
    n, n_k, levels = cost.shape
    p = slope.shape[0]
    level = np.arange(levels)
    allowed = model.allowed[rows]
    values = np.zeros((n_k + 1, p, n, levels))
    sizes = [(size, least == size) for size in np.unique(least).tolist()]
    for k in range(n_k - 1, -1, -1):
        stay = cost[:, k] + values[k + 1]
        if stock is not None:
            stay += stock[:, :, k]
        toll = slope[:, :, k, None] * level
        lift = stay + toll
        np.copyto(lift, np.inf, where=(level > cap[:, k, None]) | ~allowed[:, k, None])
        best = np.minimum.accumulate(lift[..., ::-1], axis=-1)[..., ::-1]
        order = _shifted(best, sizes)
        order += fixed[:, :, k, None] - toll
        np.minimum(stay, order, out=values[k])
    return _trace(values, cost, stock, slope, np.where(allowed, cap, -1), least), values[0, :, :, 0]


def _shifted(best: Floats, sizes: list[tuple[int, Bools]]) -> Floats:
    """(p, n, levels) at each level what `best` has the smallest order higher; inf where there is no such level.

    Args:
        best: (p, n, levels).
        sizes: each smallest order, in levels, and which of the n items have it. One level or two are nearly all: a
            slice for each size is far quicker than an index a level.
    """
    out = np.empty_like(best)
    for size, rows in sizes:
        stop = max(best.shape[2] - size, 0)
        if len(sizes) == 1:
            out[:, :, :stop], out[:, :, stop:] = best[:, :, best.shape[2] - stop :], np.inf
        else:
            out[:, rows, :stop], out[:, rows, stop:] = best[:, rows, best.shape[2] - stop :], np.inf
    return out


def _trace(values: Floats, cost: Floats, stock: Floats | None, slope: Floats, cap: Ints, least: Ints) -> Ints:
    """(p, n, K) the levels that attain the minimum, forward from nothing ordered; ties order later and less.

    Args:
        values: (K + 1, p, n, levels) least cost from an opportunity on.
        cost, stock, slope: as in the recursion.
        cap: (n, K) highest level that an order may reach; -1 where none is allowed.
        least: (n,) levels of the smallest order.
    """
    n_k, (p, n) = cost.shape[1], values.shape[1:3]
    vector, item, level = np.arange(p)[:, None], np.arange(n), np.arange(cost.shape[2])
    at = np.zeros((p, n), np.int64)
    out = np.empty((p, n, n_k), np.int64)
    for k in range(n_k):
        stay = cost[item, k, at] + values[k + 1, vector, item, at]
        if stock is not None:
            stay += stock[vector, item, k, at]
        which, who = np.nonzero(stay > values[k, vector, item, at])
        lift = cost[who, k] + values[k + 1, which, who]
        if stock is not None:
            lift += stock[which, who, k]
        lift += slope[which, who, k, None] * level
        barred = (level > cap[who, k, None]) | (level < (at[which, who] + least[who])[:, None])
        lift[barred] = np.inf
        at[which, who] = lift.argmin(axis=1)
        out[:, :, k] = at
    return out
