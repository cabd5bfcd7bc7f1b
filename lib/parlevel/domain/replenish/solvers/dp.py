"""The cheapest plan of every item, exactly, by dynamic programming over cumulative receipts.

Problem data: `ItemModel` tables; a fixed cost per order and a price per level and opportunity.
Decision: x_0 <= x_1 <= ... cumulative levels ordered; x_k = x_{k-1} or x_{k-1} + least <= x_k <= x_{k-1} + most_k,
x_k <= cap_k.
Objective: sum_k cost[k, x_k] + (order_cost + fixed_k) [x_k > x_{k-1}] + price_k (x_k - x_{k-1}).

A suffix minimum, or that of a sliding window, makes one opportunity linear in the number of levels.
Source: Wagner & Whitin (1958) for the recursion; Scarf (1960) for its stochastic form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.compiled import plain
from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.kernels.plans import cheapest, running
from parlevel.domain.replenish.model import ItemModel


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
    order_cost = plain(model.terms.order_cost)
    level, cost, priced = cheapest(
        model.cost, plain(np.where(model.allowed, model.cap, -1), np.int64), plain(model.least, np.int64),
        plain(model.most, np.int64), plain(prices.unit * model.unit[:, None]),
        plain(prices.fixed + order_cost[:, None]), order_cost,
        np.zeros((0, 0, 0, 0)) if prices.stock is None else plain(prices.stock),
    )  # fmt: skip
    return Plans(level, _units(model, level), cost + model.sunk, priced + model.sunk)


def appraise(model: ItemModel, level: Ints) -> Floats:
    """(p, n) expected cost of given plans.

    Args:
        model: tables of n items.
        level: (p, n, K) cumulative levels, non-decreasing along k.
    """
    return running(model.cost, plain(level, np.int64), plain(model.terms.order_cost)) + model.sunk


def _units(model: ItemModel, level: Ints) -> Floats:
    """(p, n, K) units ordered at each opportunity under cumulative levels."""
    return np.diff(level, axis=2, prepend=0) * model.unit[:, None]
