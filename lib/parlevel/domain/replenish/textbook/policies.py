"""Random demand for ever: (s, S) under periodic review and (r, Q) under continuous review."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import optimize, stats

from parlevel.domain.replenish.textbook.eoq import eoq, eoq_backorders
from parlevel.domain.replenish.textbook.newsvendor import Floats, normal_loss, poisson_cost


@dataclass(frozen=True)
class Rule:
    """A policy: order at `reorder_point`, by `quantity` or up to reorder_point + quantity; money / period `cost`."""

    reorder_point: float
    quantity: float
    cost: float

    @property
    def order_up_to_level(self) -> float:
        """S = s + quantity, units."""
        return self.reorder_point + self.quantity


def s_s_poisson(holding_cost: float, stockout_cost: float, fixed_cost: float, demand_mean: float) -> Rule:
    """The best (s, S) policy for Poisson demand per period, exactly.

    Renewal: between orders the stock S - j is visited m_j times on average, so the cost of (s, S) is
    (K + sum_{j < S - s} m_j g(S - j)) / sum m_j; the search is bounded as in Zheng & Federgruen.
    Source: Zheng & Federgruen (1991), Operations Research 39; Snyder & Shen eq. 4.88.

    >>> rule = s_s_poisson(1, 4, 5, 6)
    >>> rule.reorder_point, rule.order_up_to_level, round(rule.cost, 8)
    (4, 10, 8.03411156)
    """
    one_period = poisson_cost(holding_cost, stockout_cost, demand_mean)
    base = int(stats.poisson.ppf(stockout_cost / (stockout_cost + holding_cost), demand_mean))
    best = Rule(base, 0, float("inf"))
    top = base
    while float(one_period(np.array([top]))[0]) <= best.cost:
        span = np.arange(top + 50 + 4 * int(demand_mean))
        visits = _renewals(demand_mean, len(span))
        costs = (fixed_cost + (visits * one_period((top - span).astype(float))).cumsum()) / visits.cumsum()
        width = int(costs.argmin()) + 1
        if costs[width - 1] < best.cost:
            best = Rule(top - width, width, float(costs[width - 1]))
        top += 1
    return best


def s_s_power(
    holding_cost: float, stockout_cost: float, fixed_cost: float, demand_mean: float, demand_sd: float
) -> tuple[float, float]:
    """(s, S) by the revised power approximation, lead time 0.

    Source: Ehrhardt & Mosier (1984), Management Science 30; Snyder & Shen eqs. 4.104-4.107.
    """
    spread = (1 + (demand_sd / demand_mean) ** 2) ** 0.116
    quantity = 1.30 * demand_mean**0.494 * (fixed_cost / holding_cost) ** 0.506 * spread
    z = sqrt(quantity / demand_sd * holding_cost / stockout_cost)
    reorder = 0.973 * demand_mean + demand_sd * (0.183 / z + 1.063 - 2.192 * z)
    return reorder, reorder + quantity


def r_q_cost(
    rule: Rule, holding_cost: float, stockout_cost: float, fixed_cost: float, rate: float, mu: float, sd: float
) -> float:
    """Expected cost per period of an (r, Q) policy with backorders, normal lead-time demand.

    The position is uniform on (r, r + Q), so the cost is (K lambda + integral of g) / Q, in closed form through the
    second-order loss function.
    Args:
        rate: lambda, units / period.
        mu, sd: of lead-time demand, units.

    Source: Zheng (1992); Snyder & Shen eq. 5.7.
    """
    low, high = rule.reorder_point, rule.reorder_point + rule.quantity
    short = _second_loss(low, mu, sd) - _second_loss(high, mu, sd)
    middle = ((high - mu) ** 2 - (low - mu) ** 2) / 2
    return (fixed_cost * rate + holding_cost * middle + (holding_cost + stockout_cost) * short) / rule.quantity


def r_q_normal(
    holding_cost: float, stockout_cost: float, fixed_cost: float, demand_mean: float, demand_sd: float, lead_time: float
) -> Rule:
    """The best (r, Q) policy for normal demand with backorders, by minimising `r_q_cost` over both.

    Source: Zheng (1992), Management Science 38: the cost is jointly convex in (r, Q).
    """
    mu, sd = demand_mean * lead_time, demand_sd * sqrt(lead_time)

    def cost(x: Floats) -> float:
        rule = Rule(float(x[0]), float(np.exp(x[1])), 0.0)
        return r_q_cost(rule, holding_cost, stockout_cost, fixed_cost, demand_mean, mu, sd)

    start = eoq_backorders(fixed_cost, holding_cost, stockout_cost, demand_mean).quantity
    found = optimize.minimize(
        cost, [mu, np.log(start)], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000}
    )
    return Rule(float(found.x[0]), float(np.exp(found.x[1])), float(found.fun))


def r_q_eil(
    holding_cost: float, stockout_cost: float, fixed_cost: float, demand_mean: float, demand_sd: float, lead_time: float
) -> Rule:
    """(r, Q) by the expected-inventory-level approximation, stockout_cost per unit short, normal demand.

    Source: Hadley & Whitin (1963); Snyder & Shen eqs. 5.16-5.18, iterated to a fixed point.

    >>> round(r_q_eil(0.225, 7.5, 8, 1300, 150, 1 / 12).reorder_point, 4)
    213.9704
    """
    mu, sd = demand_mean * lead_time, demand_sd * sqrt(lead_time)
    quantity, before, reorder, short = eoq(fixed_cost, holding_cost, demand_mean).quantity, 0.0, mu, 0.0
    while abs(quantity - before) > 1e-11 * quantity:
        reorder = float(stats.norm.isf(quantity * holding_cost / (stockout_cost * demand_mean), mu, sd))
        short = normal_loss(reorder, mu, sd)[0]
        before, quantity = quantity, sqrt(2 * demand_mean * (fixed_cost + stockout_cost * short) / holding_cost)
    held = holding_cost * (reorder - mu + quantity / 2)
    return Rule(reorder, quantity, held + demand_mean * (fixed_cost + stockout_cost * short) / quantity)


def r_q_poisson(
    holding_cost: float, stockout_cost: float, fixed_cost: float, demand_mean: float, lead_time: float
) -> Rule:
    """The best (r, Q) policy for Poisson demand with backorders, exactly.

    The cheapest Q positions are those of smallest g, which is convex: take them one at a time, cheapest first,
    while the next one lowers the average.
    Source: Federgruen & Zheng (1992), Operations Research 40.

    >>> rule = r_q_poisson(20, 150, 100, 1.5, 2)
    >>> rule.reorder_point, rule.quantity, round(rule.cost, 8)
    (3, 5, 107.92358063)
    """
    mean = demand_mean * lead_time
    one_period = poisson_cost(holding_cost, stockout_cost, mean)
    low = high = int(stats.poisson.ppf(stockout_cost / (stockout_cost + holding_cost), mean))
    total = fixed_cost * demand_mean + float(one_period(np.array([low]))[0])
    while True:
        below, above = one_period(np.array([low - 1.0, high + 1.0]))
        quantity = high - low + 1
        if min(below, above) >= total / quantity:
            return Rule(low - 1, quantity, total / quantity)
        total += float(min(below, above))
        low, high = (low - 1, high) if below <= above else (low, high + 1)


def _renewals(demand_mean: float, count: int) -> Floats:
    """(count,) expected visits to the stock j units below S between two orders, Poisson demand per period."""
    pmf = stats.poisson.pmf(np.arange(count), demand_mean)
    visits = np.zeros(count)
    visits[0] = 1 / (1 - pmf[0])
    for j in range(1, count):
        visits[j] = visits[0] * (pmf[1 : j + 1] * visits[j - 1 :: -1][:j]).sum()
    return visits


def _second_loss(level: float, mean: float, sd: float) -> float:
    """Half the expected square of units short: the integral of the loss function from `level` on."""
    z = (level - mean) / sd
    return float(sd**2 / 2 * ((z**2 + 1) * stats.norm.sf(z) - z * stats.norm.pdf(z)))
