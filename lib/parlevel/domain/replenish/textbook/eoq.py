"""Constant demand, one item: how much to order at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, sqrt

from scipy.optimize import minimize_scalar


@dataclass(frozen=True)
class Lot:
    """Best lot: `quantity` units, `cost` money / period, share of demand that waits."""

    quantity: float
    cost: float
    backordered: float = 0.0


def eoq(fixed_cost: float, holding_cost: float, demand_rate: float) -> Lot:
    """Economic order quantity sqrt(2 K lambda / h).

    Args:
        fixed_cost: K, money / order.
        holding_cost: h, money / unit / period.
        demand_rate: lambda, units / period.

    Source: Harris (1913); Snyder & Shen eqs. 3.4-3.5.

    >>> eoq(8, 0.225, 1300)
    Lot(quantity=304.0467800264368, cost=68.41052550594829, backordered=0.0)
    """
    return Lot(sqrt(2 * fixed_cost * demand_rate / holding_cost), sqrt(2 * fixed_cost * demand_rate * holding_cost))


def eoq_backorders(fixed_cost: float, holding_cost: float, stockout_cost: float, demand_rate: float) -> Lot:
    """Economic order quantity when customers wait at a cost p per unit and period.

    Source: Snyder & Shen eqs. 3.27-3.29.
    """
    share = stockout_cost / (holding_cost + stockout_cost)
    plain = eoq(fixed_cost, holding_cost, demand_rate)
    return Lot(plain.quantity / sqrt(share), plain.cost * sqrt(share), 1 - share)


def production_quantity(fixed_cost: float, holding_cost: float, demand_rate: float, production_rate: float) -> Lot:
    """Economic production quantity: stock builds up at production_rate - demand_rate (units / period).

    Source: Taft (1918); Snyder & Shen eqs. 3.31-3.32.
    """
    return eoq(fixed_cost, holding_cost * (1 - demand_rate / production_rate), demand_rate)


def eoq_all_units_discount(
    fixed_cost: float,
    holding_rate: float,
    demand_rate: float,
    breakpoints: Sequence[float],
    unit_costs: Sequence[float],
) -> Lot:
    """Best lot when its size sets the price of every unit; cost includes the purchase.

    Args:
        holding_rate: i, money / money of stock / period; h = i c.
        breakpoints: smallest lot of each price, first 0, units.
        unit_costs: price from each breakpoint on, decreasing, money / unit.

    Source: Snyder & Shen sec. 3.4.2.

    >>> eoq_all_units_discount(8, 0.3, 1300, [0, 400, 800], [0.75, 0.72, 0.68]).quantity
    800.0
    """
    best = Lot(0.0, inf)
    for low, high, price in _brackets(breakpoints, unit_costs):
        quantity = max(eoq(fixed_cost, holding_rate * price, demand_rate).quantity, low)
        if quantity < high:
            cost = fixed_cost * demand_rate / quantity + holding_rate * price * quantity / 2 + price * demand_rate
            best = min(best, Lot(float(quantity), cost), key=lambda lot: lot.cost)
    return best


def eoq_incremental_discount(
    fixed_cost: float,
    holding_rate: float,
    demand_rate: float,
    breakpoints: Sequence[float],
    unit_costs: Sequence[float],
) -> Lot:
    """Best lot when the lower price holds for the units beyond the breakpoint only; arguments as above.

    Source: Snyder & Shen sec. 3.4.3.
    """
    best, saved = Lot(0.0, inf), 0.0
    for row, (low, high, price) in enumerate(_brackets(breakpoints, unit_costs)):
        if row:
            saved += (unit_costs[row - 1] - price) * low
        quantity = sqrt(2 * (fixed_cost + saved) * demand_rate / (holding_rate * price))
        if low <= quantity < high:
            held = holding_rate * (saved + price * quantity) / 2
            cost = price * demand_rate + (fixed_cost + saved) * demand_rate / quantity + held
            best = min(best, Lot(quantity, cost), key=lambda lot: lot.cost)
    return best


def eoq_disruptions(
    fixed_cost: float,
    holding_cost: float,
    stockout_cost: float,
    demand_rate: float,
    disruption_rate: float,
    recovery_rate: float,
) -> Lot:
    """Best lot when the supplier is down now and then and demand met while it is down is lost.

    Args:
        stockout_cost: p, money / lost unit.
        disruption_rate, recovery_rate: of the exponential up and down times, 1 / period.

    Source: Berk & Arreola-Risa (1994), corrected; Snyder & Shen eq. 9.10.
    """
    rates = disruption_rate + recovery_rate

    def cost(quantity: float) -> float:
        down = disruption_rate / rates * (1 - exp(-rates * quantity / demand_rate)) / recovery_rate
        paid = fixed_cost + holding_cost * quantity**2 / (2 * demand_rate) + stockout_cost * demand_rate * down
        return paid / (quantity / demand_rate + down)

    start = eoq(fixed_cost + stockout_cost * demand_rate / recovery_rate, holding_cost, demand_rate).quantity
    found = minimize_scalar(cost, bounds=(start / 1e3, start * 2), method="bounded", options={"xatol": 1e-9 * start})
    return Lot(float(found.x), float(found.fun))


def eoq_additive_yield(
    fixed_cost: float, holding_cost: float, demand_rate: float, yield_mean: float, yield_sd: float
) -> Lot:
    """Best lot when Q + Y units arrive, Y of a given mean and standard deviation, units.

    Source: Snyder & Shen sec. 9.3.2.
    """
    arriving = sqrt(2 * fixed_cost * demand_rate / holding_cost + yield_sd**2)
    return Lot(arriving - yield_mean, holding_cost * arriving)


def eoq_multiplicative_yield(
    fixed_cost: float, holding_cost: float, demand_rate: float, yield_mean: float, yield_sd: float
) -> Lot:
    """Best lot when Q Y units arrive, Y a share of given mean and standard deviation.

    Source: Snyder & Shen sec. 9.3.2.
    """
    square = yield_mean**2 + yield_sd**2
    quantity = sqrt(2 * fixed_cost * demand_rate / (holding_cost * square))
    return Lot(quantity, sqrt(2 * fixed_cost * demand_rate * holding_cost * square) / yield_mean)


def _brackets(breakpoints: Sequence[float], unit_costs: Sequence[float]) -> list[tuple[float, float, float]]:
    """(from, below, price) of each discount bracket."""
    return list(zip(breakpoints, [*breakpoints[1:], inf], unit_costs, strict=True))
