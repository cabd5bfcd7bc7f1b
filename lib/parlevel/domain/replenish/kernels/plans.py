"""The dynamic programme of single items, at many price vectors.

Arrays: p price vectors, n items, K opportunities.
"""

from __future__ import annotations

import numpy as np

from parlevel.domain.compiled import compiled
from parlevel.domain.replenish.base import Floats, Ints


@compiled
def cheapest(
    cost: Floats, cap: Ints, least: Ints, slope: Floats, fixed: Floats, order_cost: Floats, stock: Floats
) -> tuple[Ints, Floats, Floats]:
    """Every item's cheapest plan at every price vector.

    Args:
        cost: (n, K, levels) of an interval at a level.
        cap: (n, K) highest level that an order may reach; -1 where none may be placed.
        least: (n,) levels of the smallest order.
        slope: (p, n, K) price of a level at an opportunity.
        fixed: (p, n, K) price of an order, `order_cost` included; inf: none.
        order_cost: (n,) money that an order costs without prices.
        stock: (p, n, K, levels) price of holding a level over an interval; of length 0: none.

    Returns: level (p, n, K), cumulative; (p, n) cost without prices; (p, n) cost with them, the minimum.
    """
    p, n, n_k = slope.shape
    level, alone, priced = np.empty((p, n, n_k), np.int64), np.empty((p, n)), np.empty((p, n))
    longest = cost.shape[2]
    values, best, charged = np.empty((n_k + 1, longest)), np.empty(longest), np.empty((n_k, longest))
    for i in range(n):
        # no order passes the highest cap: levels above it are never reached
        levels = min(max(cap[i].max(), 0) + 1, longest)
        charged[:] = cost[i]
        for a in range(p):
            if len(stock):
                charged[:] = cost[i] + stock[a, i]
            _back(charged, cap[i], least[i], slope[a, i], fixed[a, i], levels, values, best)
            _forth(charged, cap[i], least[i], slope[a, i], levels, values, level[a, i])
            priced[a, i] = values[0, 0]
            alone[a, i] = _running(cost[i], level[a, i], order_cost[i])
    return level, alone, priced


@compiled
def running(cost: Floats, level: Ints, order_cost: Floats) -> Floats:
    """(p, n) cost of given cumulative levels (p, n, K), without prices and what was sunk before."""
    p, n, _ = level.shape
    out = np.empty((p, n))
    for a in range(p):
        for i in range(n):
            out[a, i] = _running(cost[i], level[a, i], order_cost[i])
    return out


@compiled
def _running(cost: Floats, level: Ints, order_cost: float) -> float:
    total, orders, before = 0.0, 0, 0
    for k in range(len(level)):
        total += cost[k, level[k]]
        orders += level[k] > before
        before = level[k]
    return total + orders * order_cost


@compiled
def _back(
    cost: Floats, cap: Ints, least: int, slope: Floats, fixed: Floats, levels: int, values: Floats, best: Floats
) -> None:
    """Least cost from each opportunity and level on, into `values` (K + 1, levels); `best` is working space."""
    n_k = len(cap)
    values[n_k, :levels] = 0.0
    for k in range(n_k - 1, -1, -1):
        lowest = np.inf
        for at in range(levels - 1, -1, -1):
            stay = cost[k, at] + values[k + 1, at]
            toll = slope[k] * at
            if at <= cap[k]:
                lowest = min(lowest, stay + toll)
            best[at] = lowest
            values[k, at] = stay
            if at + least < levels:
                values[k, at] = min(stay, best[at + least] + (fixed[k] - toll))


@compiled
def _forth(cost: Floats, cap: Ints, least: int, slope: Floats, levels: int, values: Floats, out: Ints) -> None:
    """The levels that attain the minimum, from nothing ordered on; ties order later and less."""
    at = 0
    for k in range(len(cap)):
        if cost[k, at] + values[k + 1, at] > values[k, at]:
            lowest, found = np.inf, at
            for to in range(at + least, min(cap[k], levels - 1) + 1):
                lift = cost[k, to] + values[k + 1, to] + slope[k] * to
                if lift < lowest:
                    lowest, found = lift, to
            at = found
        out[k] = at
