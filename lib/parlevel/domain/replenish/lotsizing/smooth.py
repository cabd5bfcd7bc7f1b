"""From plans that overload some periods to one that fits: move lots to earlier and to later periods.

Passes alternate. Backwards, what is too much in a period goes to an earlier one; forwards, to a later one, as far as
the stock allows. Each move is the one of least extra cost per unit of overload that it takes away, the capacity
counted at its price.
Source: the smoothing heuristic of Trigeiro, Thomas & McClain (1989), Management Science 35, sec. 4.
"""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.lotsizing.problem import LotSizing

# Passes at most, and how many periods a move may bridge.
PASSES, REACH, TINY = 6, 4, 1e-9


def smooth(problem: LotSizing, lots: Floats, prices: Floats) -> Floats:
    """Lots with as little overload as the passes can leave; demand stays met in time.

    Args:
        problem: the instance.
        lots: (n, T) units that meet the demand.
        prices: (T,) money per unit of capacity.
    """
    lots = lots.copy()
    periods = problem.shape[1]
    for number in range(PASSES):
        load = problem.use(lots, lots > 0).sum(axis=0)
        if (load <= problem.capacity * (1 + TINY)).all():
            break
        backwards = number % 2 == 0
        for period in range(periods - 1, 0, -1) if backwards else range(periods - 1):
            _unload(problem, lots, load, prices, period, backwards)
    return lots


def _unload(problem: LotSizing, lots: Floats, load: Floats, prices: Floats, period: int, backwards: bool) -> None:
    """Move lots out of one period, lots and load in place, until it fits or nothing can move."""
    last = problem.shape[1] - 1
    reach = np.arange(period - 1, max(period - 1 - REACH, -1), -1)
    reach = reach if backwards else np.arange(period + 1, min(period + 1 + REACH, last + 1))
    for _ in range(2 * problem.shape[0]):
        excess = float(load[period] - problem.capacity[period])
        if excess <= TINY * problem.capacity[period]:
            return
        move = _cheapest(problem, lots, load, prices, period, reach, excess)
        if move is None:
            return
        item, target, amount = move
        opens = lots[item, target] <= 0
        ends = amount >= lots[item, period] - TINY
        lots[item, period] = 0.0 if ends else lots[item, period] - amount
        lots[item, target] += amount
        load[period] -= problem.unit_time[item] * amount + problem.setup_time[item] * ends
        load[target] += problem.unit_time[item] * amount + problem.setup_time[item] * opens


def _cheapest(
    problem: LotSizing, lots: Floats, load: Floats, prices: Floats, period: int, reach: Ints, excess: float
) -> tuple[int, int, float] | None:
    """(item, target, units) of the move that costs least per unit of overload taken away, or None.

    Every item may go to every target in reach, as a whole lot or just as much as is too much: (2, n, targets).
    """
    here = lots[:, period]
    most = np.repeat(here[:, None], len(reach), axis=1)
    if reach[0] > period:
        # The stock at the end of every period that the units would no longer be there for.
        stock = (lots - problem.demand).cumsum(axis=1)[:, period : period + len(reach)]
        most = np.minimum(most, np.minimum.accumulate(stock, axis=1))
    part = np.minimum(most, (excess / problem.unit_time)[:, None])
    amount = np.stack([part, np.repeat(here[:, None], len(reach), axis=1)])
    able = (here > 0)[None, :, None] & (amount > TINY) & (amount <= most + TINY)
    if not able.any():
        return None
    ends = amount >= here[None, :, None] - TINY
    opens = (lots[:, reach] <= 0)[None]
    unit, setup = problem.unit_time[None, :, None], problem.setup_time[None, :, None]
    saved, added = unit * amount + setup * ends, unit * amount + setup * opens
    room = np.maximum(problem.capacity - load, 0.0)[reach]
    cost = problem.holding_cost[None, :, None] * amount * (period - reach)
    cost = cost + problem.setup_cost[None, :, None] * (opens * 1.0 - ends)
    cost = cost + prices[reach] * added - prices[period] * saved
    # What does not fit there has to move on; count it at the dearest price.
    cost = cost + float(prices.max() + 1.0) * np.maximum(added - room, 0.0)
    rate = np.where(able, cost / np.maximum(np.minimum(saved, excess), TINY), np.inf)
    best = int(rate.argmin())
    whole, item, target = np.unravel_index(best, rate.shape)
    return int(item), int(reach[target]), float(amount[whole, item, target])
