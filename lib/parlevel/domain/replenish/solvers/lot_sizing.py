"""Uncapacitated lot sizing of many items at once: the Wagner-Whitin recursion on arrays.

Problem data: demand d_t, setup cost K_t, unit cost c_t, holding cost h_t per unit left at the end of period t.
Decision: x_t >= 0 lots; stock I_t = I_{t-1} + x_t - d_t >= 0, I_0 = 0.
Objective: sum_t K_t [x_t > 0] + c_t x_t + h_t I_t.
Some optimum orders only into an empty stock, so a lot covers whole periods: a shortest path over (first, last).
Source: Wagner & Whitin (1958), Management Science 5; unit costs that vary: Zangwill (1969).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints


@dataclass(frozen=True)
class Lots:
    """Cheapest schedules of n items: `lots` (n, T) units made in each period, `cost` (n,) money."""

    lots: Floats
    cost: Floats


def lot_sizes(demand: Floats, setup: Floats, unit: Floats, holding: Floats) -> Lots:
    """The cheapest lots of n items over T periods, exactly.

    Args:
        demand: (n, T) units, >= 0.
        setup: (n, T) money per lot that is not zero.
        unit: (n, T) money per unit.
        holding: (n, T) money per unit left at the end of the period.

    >>> one = np.ones((1, 4))
    >>> plan = lot_sizes(np.array([[90.0, 120, 80, 70]]), 500 * one, 0 * one, 2 * one)
    >>> plan.lots.tolist(), plan.cost.tolist()
    ([[210.0, 0.0, 150.0, 0.0]], [1380.0])
    """
    n, periods = demand.shape
    upto = np.concatenate([np.zeros((n, 1)), holding.cumsum(axis=1)], axis=1)[:, :periods]
    each = (unit[:, :, None] + upto[:, None, :] - upto[:, :, None]) * demand[:, None, :]
    serve = np.triu(each).cumsum(axis=2) + setup[:, :, None]
    best, first = np.zeros((n, periods + 1)), np.empty((n, periods), np.int64)
    rows = np.arange(n)
    for last in range(periods):
        through = best[:, : last + 1] + serve[:, : last + 1, last]
        first[:, last] = through.argmin(axis=1)
        best[:, last + 1] = through[rows, first[:, last]]
        # Without demand nothing needs to be made; -1 marks a period that no lot is charged for.
        idle = (demand[:, last] == 0) & (best[:, last] <= best[:, last + 1])
        first[idle, last] = -1
        best[idle, last + 1] = best[idle, last]
    return Lots(_trace(demand, first), best[:, -1])


def _trace(demand: Floats, first: Ints) -> Floats:
    """(n, T) lots from the best first period of every last one, backwards."""
    n, periods = demand.shape
    total = np.concatenate([np.zeros((n, 1)), demand.cumsum(axis=1)], axis=1)
    lots = np.zeros((n, periods))
    rows, end = np.arange(n), np.full(n, periods)
    for _ in range(periods):
        open_ = end > 0
        begin = first[rows, np.maximum(end - 1, 0)]
        idle = open_ & (begin < 0)
        made = open_ & (begin >= 0)
        lots[rows[made], begin[made]] = total[rows[made], end[made]] - total[rows[made], begin[made]]
        end = np.where(idle, end - 1, np.where(made, begin, end))
    return lots
