"""One period of random demand: how much to have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """Best stock: order-up-to `level` in units, expected `cost` money / period."""

    level: float
    cost: float


def normal_loss(level: float, mean: float, sd: float) -> tuple[float, float]:
    """Expected units (short, left) of a stock against normal demand. Source: Snyder & Shen eqs. C.29-C.32."""
    z = (level - mean) / sd
    short = sd * (stats.norm.pdf(z) - z * stats.norm.sf(z))
    return float(short), float(short + level - mean)


def newsvendor_normal(
    holding_cost: float, stockout_cost: float, demand_mean: float, demand_sd: float, lead_time: float = 0
) -> Level:
    """Base-stock level for normal demand, reviewed every period, backorders.

    Args:
        holding_cost, stockout_cost: h, p, money / unit / period.
        demand_mean, demand_sd: per period, units.
        lead_time: L, periods; the level covers L + 1 of them.

    Source: Snyder & Shen eqs. 4.24-4.30, 4.50.

    >>> round(newsvendor_normal(0.18, 0.7, 50, 8).level, 6)
    56.603956
    """
    mean, sd = demand_mean * (lead_time + 1), demand_sd * (lead_time + 1) ** 0.5
    level = float(stats.norm.ppf(stockout_cost / (stockout_cost + holding_cost), mean, sd))
    short, left = normal_loss(level, mean, sd)
    return Level(level, holding_cost * left + stockout_cost * short)


def newsvendor_profit(
    revenue: float, purchase_cost: float, salvage_value: float, demand_mean: float, demand_sd: float
) -> Level:
    """Newsvendor with prices per unit; `cost` is the expected profit, money. Source: Snyder & Shen sec. 4.3.2.3."""
    over, under = purchase_cost - salvage_value, revenue - purchase_cost
    best = newsvendor_normal(over, under, demand_mean, demand_sd)
    return Level(best.level, under * demand_mean - best.cost)


def newsvendor_continuous(holding_cost: float, stockout_cost: float, demand: stats.rv_continuous) -> Level:
    """Newsvendor for any frozen continuous scipy distribution of demand >= 0 (units); losses by quadrature."""
    level = float(demand.ppf(stockout_cost / (stockout_cost + holding_cost)))
    low = float(demand.support()[0])
    left = integrate.quad(demand.cdf, low, level, epsabs=1e-12, epsrel=1e-12, limit=200)[0]
    short = left - level + float(demand.mean())
    return Level(level, holding_cost * left + stockout_cost * short)


def newsvendor_discrete(holding_cost: float, stockout_cost: float, values: Floats, probability: Floats) -> Level:
    """Newsvendor for a discrete demand: the smallest value whose distribution function reaches p / (p + h).

    Args:
        values: (k,) increasing, units.
        probability: (k,) of each, sum 1.

    >>> newsvendor_discrete(1.0, 3.0, np.array([0.0, 1.0, 2.0]), np.array([0.5, 0.25, 0.25]))
    Level(level=1.0, cost=1.25)
    """
    ratio = stockout_cost / (stockout_cost + holding_cost)
    row = int(np.searchsorted(probability.cumsum(), ratio - 1e-12))
    level = float(values[min(row, len(values) - 1)])
    left = float((np.maximum(level - values, 0) * probability).sum())
    short = float((np.maximum(values - level, 0) * probability).sum())
    return Level(level, holding_cost * left + stockout_cost * short)


def newsvendor_poisson(holding_cost: float, stockout_cost: float, demand_mean: float) -> Level:
    """Newsvendor for Poisson demand. Source: Snyder & Shen eq. 4.35."""
    level = int(stats.poisson.ppf(stockout_cost / (stockout_cost + holding_cost), demand_mean))
    cost = poisson_cost(holding_cost, stockout_cost, demand_mean)
    return Level(float(level), float(cost(np.array([float(level)]))[0]))


def poisson_cost(holding_cost: float, stockout_cost: float, demand_mean: float) -> Callable[[Floats], Floats]:
    """g(y): expected one-period cost of integer stock levels y against Poisson demand. Source: Snyder & Shen C.41."""

    def cost(level: Floats) -> Floats:
        at_most = stats.poisson.cdf(level, demand_mean)
        left = (level - demand_mean) * at_most + demand_mean * stats.poisson.pmf(level, demand_mean)
        return np.asarray(holding_cost * left + stockout_cost * (left - level + demand_mean), np.float64)

    return cost


def newsvendor_disruptions(
    holding_cost: float, stockout_cost: float, demand: float, disruption_prob: float, recovery_prob: float
) -> Level:
    """Base stock against a supplier that is down in some periods, constant demand.

    Args:
        demand: units / period.
        disruption_prob: P(down next period | up now).
        recovery_prob: P(up next period | down now).

    Source: Tomlin (2006); Snyder & Shen Theorem 9.2: cover the critical ratio of the length of a disruption.
    """
    up = recovery_prob / (disruption_prob + recovery_prob)
    length = np.arange(1, 2 + int(np.ceil(np.log(1e-18) / np.log(1 - recovery_prob))))
    down = disruption_prob * up * (1 - recovery_prob) ** (length - 1)
    periods = np.concatenate([[1.0], 1.0 + length])
    return newsvendor_discrete(holding_cost, stockout_cost, demand * periods, np.concatenate([[up], down]))


def newsvendor_uniform_yield(
    holding_cost: float, stockout_cost: float, demand: float, yield_lo: float, yield_hi: float
) -> Level:
    """Stock ordered up to when S + Y arrives, Y uniform on (yield_lo, yield_hi) units, demand known.

    Source: Snyder & Shen sec. 9.3.3.
    """
    width = yield_hi - yield_lo
    # What arrives beyond the demand is S - d + Y: the ratio h / (h + p) of Y may fall short.
    safe = yield_lo + width * holding_cost / (holding_cost + stockout_cost)
    left, short = (yield_hi - safe) ** 2 / (2 * width), (safe - yield_lo) ** 2 / (2 * width)
    return Level(demand - safe, holding_cost * left + stockout_cost * short)
