"""The dynamic programme of single items, at many price vectors.

Arrays: p price vectors, n items, K opportunities.
"""

from __future__ import annotations

import math

import numpy as np

from parlevel.domain.compiled import compiled
from parlevel.domain.replenish.base import Floats, Ints


@compiled
def cheapest(
    cost: Floats, cap: Ints, least: Ints, most: Ints, slope: Floats, fixed: Floats, order_cost: Floats, stock: Floats
) -> tuple[Ints, Floats, Floats]:
    """Every item's cheapest plan at every price vector.

    Args:
        cost: (n, K, levels) of an interval at a level.
        cap: (n, K) highest level that an order may reach; -1 where none may be placed.
        least: (n,) levels of the smallest order.
        most: (n, K) levels of the largest order.
        slope: (p, n, K) price of a level at an opportunity.
        fixed: (p, n, K) price of an order, `order_cost` included; inf: none.
        order_cost: (n,) money that an order costs without prices.
        stock: (p, n, K, levels) price of holding a level over an interval; of length 0: none.

    Returns: level (p, n, K), cumulative; (p, n) cost without prices; (p, n) cost with them, the minimum.
    """
    p, n, n_k = slope.shape
    level, alone, priced = np.empty((p, n, n_k), np.int64), np.empty((p, n)), np.empty((p, n))
    longest = cost.shape[2]
    values, charged = np.empty((n_k + 1, longest)), np.empty((n_k, longest))
    best, queue = np.empty(longest), np.empty(longest, np.int64)
    for i in range(n):
        # no order passes the highest cap: levels above it are never reached
        levels = min(max(cap[i].max(), 0) + 1, longest)
        charged[:] = cost[i]
        for a in range(p):
            if len(stock):
                charged[:] = cost[i] + stock[a, i]
            _back(charged, cap[i], least[i], most[i], slope[a, i], fixed[a, i], levels, values, best, queue)
            _forth(charged, cap[i], least[i], most[i], slope[a, i], levels, values, level[a, i])
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
    cost: Floats, cap: Ints, least: int, most: Ints, slope: Floats, fixed: Floats, levels: int, values: Floats,
    best: Floats, queue: Ints,
) -> None:  # fmt: skip
    """Least cost from each opportunity and level on, into `values` (K + 1, levels); `best`, `queue`: working space."""
    n_k = len(cap)
    values[n_k, :levels] = 0.0
    for k in range(n_k - 1, -1, -1):
        lowest, short = np.inf, most[k] < levels - 1
        for at in range(levels - 1, -1, -1):
            stay = cost[k, at] + values[k + 1, at]
            toll = slope[k] * at
            if short:
                best[at] = stay + toll if at <= cap[k] else np.inf
            else:
                if at <= cap[k]:
                    lowest = min(lowest, stay + toll)
                best[at] = lowest
            values[k, at] = stay
            if not short and at + least < levels:
                values[k, at] = min(stay, best[at + least] + (fixed[k] - toll))
        if short:
            _within(best, least, most[k], slope[k], fixed[k], levels, values[k], queue)


@compiled
def _within(
    lift: Floats, least: int, most: int, slope: float, fixed: float, levels: int, values: Floats, queue: Ints
) -> None:
    """Lower `values` (levels,) by orders of `least` to `most` levels; `lift` is what it costs to be at a level then.

    The least of a sliding window: `queue` keeps the levels that are the least of some window still to come.
    """
    head, tail = 0, 0
    for at in range(levels - 1 - least, -1, -1):
        new = at + least
        while tail > head and lift[queue[tail - 1]] >= lift[new]:
            tail -= 1
        queue[tail] = new
        tail += 1
        while queue[head] > at + most:
            head += 1
        values[at] = min(values[at], lift[queue[head]] + (fixed - slope * at))


@compiled
def _forth(
    cost: Floats, cap: Ints, least: int, most: Ints, slope: Floats, levels: int, values: Floats, out: Ints
) -> None:
    """The levels that attain the minimum, from nothing ordered on; ties order later and less."""
    at = 0
    for k in range(len(cap)):
        if cost[k, at] + values[k + 1, at] > values[k, at]:
            lowest, found = np.inf, at
            for to in range(at + least, min(cap[k], levels - 1, at + most[k]) + 1):
                lift = cost[k, to] + values[k + 1, to] + slope[k] * to
                if lift < lowest:
                    lowest, found = lift, to
            at = found
        out[k] = at


@compiled
def answered(cost: Floats, cap: Ints, least: int, toll: Floats) -> tuple[Ints, float]:
    """One item's cheapest plan where an order of every size has its own price, which may be not to be had.

    Args:
        cost: (K, levels) of an interval at a level.
        cap: (K,) highest level that an order may reach; -1 where none may be placed.
        least: levels of the smallest order.
        toll: (K, levels) price of ordering so many levels at an opportunity, of none as well; inf: not to be had.

    Returns: level (K,), cumulative; the least cost, tolls included.
    """
    n_k, levels = cost.shape
    values, choice = np.empty((n_k + 1, levels)), np.empty((n_k, levels), np.int64)
    values[n_k] = 0.0
    for k in range(n_k - 1, -1, -1):
        most = 0  # the largest order to be had
        for x in range(levels - 1, 0, -1):
            if toll[k, x] < np.inf:
                most = x
                break
        for at in range(levels):
            lowest, found = cost[k, at] + values[k + 1, at] + toll[k, 0], at
            for to in range(at + least, min(cap[k], levels - 1, at + most) + 1):
                lift = cost[k, to] + values[k + 1, to] + toll[k, to - at]
                if lift < lowest:
                    lowest, found = lift, to
            values[k, at], choice[k, at] = lowest, found
    level, at = np.empty(n_k, np.int64), 0
    for k in range(n_k):
        at = choice[k, at]
        level[k] = at
    return level, values[0, 0]


@compiled
def add_tolls(
    toll: Floats, unit: float, at: Ints, kind: Ints, amount: Floats, cost: Floats, each: Floats, others: Floats,
    opened: Floats, missing: float,
) -> None:  # fmt: skip
    """Add what shared rows make of orders of each size beside the use of other items to `toll` (K, levels); r rows.

    Args:
        toll: money for an order of so many levels at an opportunity; of none, too.
        unit: units in a level.
        at: (r,) opportunity whose orders count against the row; -1: none.
        kind: (r,) 0 a capacity, 1 a minimum, 2 a truck.
        amount: (r,) limit, minimum or size of a truck.
        cost: (r,) money per truck.
        each: (r,) use by a unit.
        others: (r,) use by the other items.
        opened: (r,) how often a gate is held open; below 0: it is as the orders have it.
        missing: money for an open minimum of which nothing is ordered; inf: it may not fall short.
    """
    for r in range(len(at)):
        if at[r] < 0:
            continue
        slack, own = 1e-7 * max(1.0, amount[r]), toll[at[r]]
        before = math.ceil(others[r] / amount[r] - 1e-9) if kind[r] == 2 else 0
        for x in range(len(own)):
            after = others[r] + x * unit * each[r]
            if kind[r] == 0:
                if x > 0 and each[r] > 0 and after > amount[r] + slack:
                    own[x] = np.inf
            elif opened[r] >= 0 and opened[r] < 1:
                if x > 0:
                    own[x] = np.inf
            elif kind[r] == 2:
                own[x] += cost[r] * (math.ceil(after / amount[r] - 1e-9) - before)
            elif (opened[r] >= 0 or after > 1e-9) and after < amount[r] - slack:
                own[x] += missing * (amount[r] - after) / amount[r]
