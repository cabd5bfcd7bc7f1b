"""Several periods: finite-horizon dynamic programming, and items that share the cost of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np

from parlevel.domain.replenish.textbook.newsvendor import Floats


@dataclass(frozen=True)
class Horizon:
    """(s_t, S_t) per period, and the expected discounted cost from each initial stock level."""

    reorder_point: Floats
    order_up_to_level: Floats
    cost: Floats


def finite_horizon(
    levels: Floats,
    period_cost: Floats,
    terminal_cost: Floats,
    demand: Floats,
    probability: Floats,
    unit_cost: float,
    fixed_cost: float,
    discount: float,
) -> Horizon:
    """Backorders, zero lead time: theta_t(x) = min_{y >= x} K[y > x] + c (y - x) + g_t(y) + gamma E theta_{t+1}(y - D).

    Args:
        levels: (m,) consecutive integers, the grid of stock levels; below it costs are those of its lowest level.
        period_cost: (T, m) g_t of each level, money.
        terminal_cost: (m,) money for the stock at the end.
        demand, probability: (k,) integers >= 0 and their probabilities, the same in every period.
        unit_cost, fixed_cost: c, K.
        discount: gamma, 0 to 1.

    Source: Scarf (1960); Snyder & Shen eq. 4.66.
    """
    periods, size = period_cost.shape
    value = terminal_cost
    below, upto = np.empty(periods), np.empty(periods)
    place = np.maximum(np.arange(size)[:, None] - demand.astype(np.int64)[None, :], 0)
    for t in range(periods - 1, -1, -1):
        stay = period_cost[t] + discount * value[place] @ probability
        lifted = stay + unit_cost * levels
        best = np.minimum.accumulate(lifted[::-1])[::-1]
        order = np.append(best[1:], np.inf) + fixed_cost - unit_cost * levels
        value = np.minimum(stay, order)
        upto[t] = levels[int(lifted.argmin())]
        # With K = 0 a tie at S itself still counts as "order up to S".
        below[t] = upto[t] if fixed_cost == 0 else levels[np.flatnonzero(order < stay).max()]
    return Horizon(below, upto, value)


@dataclass(frozen=True)
class Joint:
    """Joint replenishment: an order every `cycle` periods, item i in every multiple_i-th one; money / period `cost`."""

    cycle: float
    multiples: tuple[int, ...]
    cost: float


def joint_replenishment(
    shared_cost: float, item_costs: Sequence[float], holding_costs: Sequence[float], demand_rates: Sequence[float]
) -> Joint:
    """The best strictly cyclic joint replenishment, by running through every base cycle that can be best.

    Args:
        shared_cost: K, money per order whatever it holds.
        item_costs: k_i, money for having item i in an order.
        holding_costs: h_i, money / unit / period.
        demand_rates: lambda_i, units / period.

    For a cycle T the best m_i has m (m - 1) <= 2 k_i / (h_i lambda_i T^2) <= m (m + 1).
    Source: Goyal (1974), Management Science 20.
    """
    best = joint_replenishment_silver(shared_cost, item_costs, holding_costs, demand_rates)
    weight = np.asarray(holding_costs, float) * np.asarray(demand_rates, float)
    single = 2 * np.asarray(item_costs, float) / weight
    longest = sqrt(2 * (shared_cost + sum(item_costs)) / weight.sum())
    shortest = shared_cost / best.cost
    cuts = {longest, shortest}
    for ratio in single:
        m = np.arange(1, 2 + int(ratio**0.5 / max(shortest, longest / 1e4)))
        cuts.update(c for c in np.sqrt(ratio / (m * (m + 1))) if shortest < c < longest)
    edges = np.array(sorted(cuts))
    for low, high in pairwise(edges):
        target = single / ((low + high) / 2) ** 2
        multiples = np.maximum(np.ceil((np.sqrt(1 + 4 * target) - 1) / 2 - 1e-12), 1)
        found = _joint(shared_cost, item_costs, weight, multiples)
        best = found if found.cost < best.cost else best
    return best


def joint_replenishment_silver(
    shared_cost: float, item_costs: Sequence[float], holding_costs: Sequence[float], demand_rates: Sequence[float]
) -> Joint:
    """Joint replenishment by Silver's heuristic; arguments as above. Source: Silver (1976), Management Science 22."""
    weight = np.asarray(holding_costs, float) * np.asarray(demand_rates, float)
    ratio = np.asarray(item_costs, float) / weight
    first = int(ratio.argmin())
    multiples = np.sqrt(ratio * weight[first] / (shared_cost + item_costs[first]))
    multiples[first] = 1
    return _joint(shared_cost, item_costs, weight, np.maximum(np.rint(multiples), 1))


def _joint(shared_cost: float, item_costs: Sequence[float], weight: Floats, multiples: Floats) -> Joint:
    paid = shared_cost + float((np.asarray(item_costs) / multiples).sum())
    held = float((weight * multiples).sum())
    return Joint(sqrt(2 * paid / held), tuple(int(m) for m in multiples), sqrt(2 * paid * held))
