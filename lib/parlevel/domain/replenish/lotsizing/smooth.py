"""From plans that overload some periods to one that fits: move lots to earlier and to later periods.

Passes alternate. Backwards, what is too much in a period goes to an earlier one; forwards, to a later one, as far as
the stock allows. Each move is the one of least extra cost per unit of overload that it takes away, the capacity
counted at its price.
Source: the smoothing heuristic of Trigeiro, Thomas & McClain (1989), Management Science 35, sec. 4.
"""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.lotsizing.problem import LotSizing

PASSES, TINY = 6, 1e-9


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
        if (problem.use(lots, lots > 0).sum(axis=0) <= problem.capacity * (1 + TINY)).all():
            break
        backwards = number % 2 == 0
        for period in range(periods - 1, 0, -1) if backwards else range(periods - 1):
            _unload(problem, lots, prices, period, backwards)
    return lots


def _unload(problem: LotSizing, lots: Floats, prices: Floats, period: int, backwards: bool) -> None:
    """Move lots out of one period, in place, until it fits or nothing can move."""
    for _ in range(2 * problem.shape[0]):
        made = lots[:, period] > 0
        used = float((problem.unit_time * lots[:, period] + problem.setup_time * made).sum())
        excess = used - float(problem.capacity[period])
        if excess <= TINY * problem.capacity[period]:
            return
        best: tuple[float, int, int, float] | None = None
        for target, most in _targets(problem, lots, period, backwards):
            for whole in (False, True):
                move = _cheapest(problem, lots, prices, (period, target), most, excess, whole)
                best = move if move is not None and (best is None or move[0] < best[0]) else best
        if best is None:
            return
        _, item, target, amount = best
        lots[item, period] = 0.0 if amount >= lots[item, period] - TINY else lots[item, period] - amount
        lots[item, target] += amount


def _targets(problem: LotSizing, lots: Floats, period: int, backwards: bool) -> list[tuple[int, Floats]]:
    """(target period, (n,) units that may go there) for the neighbour and for up to three periods beyond it."""
    periods = problem.shape[1]
    reach = range(period - 1, max(period - 5, -1), -1) if backwards else range(period + 1, min(period + 5, periods))
    if backwards:
        return [(target, lots[:, period]) for target in reach]
    stock = (lots - problem.demand).cumsum(axis=1)
    return [(target, np.minimum(lots[:, period], stock[:, period:target].min(axis=1))) for target in reach]


def _cheapest(
    problem: LotSizing,
    lots: Floats,
    prices: Floats,
    way: tuple[int, int],
    most: Floats,
    excess: float,
    whole: bool,
) -> tuple[float, int, int, float] | None:
    """(cost per unit of overload taken away, item, target, units) of the best item, or None."""
    period, target = way
    here = lots[:, period]
    amount = here if whole else np.minimum(most, excess / problem.unit_time)
    able = (here > 0) & (amount > TINY) & (amount <= most + TINY)
    if not able.any():
        return None
    ends = amount >= here - TINY
    opens = lots[:, target] <= 0
    saved = problem.unit_time * amount + problem.setup_time * ends
    added = problem.unit_time * amount + problem.setup_time * opens
    room = problem.capacity[target] - problem.use(lots, lots > 0)[:, target].sum()
    cost = problem.holding_cost * amount * (period - target) + problem.setup_cost * (opens * 1.0 - ends)
    cost = cost + prices[target] * added - prices[period] * saved
    # What does not fit there has to move on; count it at the dearest price so far.
    cost = cost + float(prices.max() + 1.0) * np.maximum(added - max(room, 0.0), 0.0)
    rate = np.where(able, cost / np.maximum(np.minimum(saved, excess), TINY), np.inf)
    item = int(rate.argmin())
    return float(rate[item]), item, target, float(amount[item])
