"""What all policies over demand paths share: how many paths, how an answer becomes an order."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, State, Terms
from parlevel.domain.replenish.cover import Cover, cover, row_quantile
from parlevel.domain.replenish.rounding import least, round_order
from parlevel.errors import ConfigError

# Bisection steps: 2^-40 of the widest range of a path's need is far below a unit.
STEPS = 40


class SampledPolicy(ABC):
    """A rule over the need of the protection interval on sample paths.

    Args:
        n_paths: demand sample paths per item; a service level of 0.99 wants at least 200.
        season: periods in a season, by which a forecast is extended.
        seed: of the paths.
    """

    def __init__(self, n_paths: int = 256, season: int = 7, seed: int = 0) -> None:
        self.n_paths, self.season, self.seed = n_paths, season, seed

    def order(self, state: State, forecast: Forecast, terms: Terms) -> Floats:
        """Today's order; see `Policy`."""
        terms = terms.until_next()
        needs = cover(state, forecast, terms, self.n_paths, self.season, self.seed)
        wanted = self.wanted(needs, forecast, terms)
        # What would perish before it sells is not ordered, whatever the lot size says.
        wanted = np.minimum(wanted, row_quantile(needs.last, self.level(terms)))
        return round_order(wanted, state.inventory_position, terms)

    @abstractmethod
    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """(n,) units the order should bring before packs, minimum and maximum; <= 0: no order."""

    def level(self, terms: Terms) -> Floats:
        """(n,) quantile of demand up to which stock that perishes may be bought."""
        return critical_ratio(terms)


def asked(level: float | None, terms: Terms, name: str) -> Floats:
    """(n,) the service level of a parameter, or of the terms where the parameter is None.

    Raises:
        ConfigError: a level outside (0, 1).
    """
    if level is not None and not 0 < level < 1:
        raise ConfigError(f"{name} must be inside (0, 1), or null for each item's own target. Got {level!r}.")
    return terms.target if level is None else np.full(len(terms.target), float(level))


def critical_ratio(terms: Terms) -> Floats:
    """(n,) probability of no shortage at which one more unit costs what it saves, for one review period.

    cu / (cu + co): a unit too few costs `shortage_cost` once, or `backorder_cost` for each period late; a unit too
    many is held for a review period, or thrown away where it does not last longer than that.
    Source: Silver, Pyke & Thomas (2017), 4th ed., ch. 9.
    """
    under = np.where(terms.lost_sales, terms.shortage_cost, np.nan_to_num(terms.backorder_cost) * terms.review_period)
    over = terms.holding_cost * terms.review_period
    over = over + np.where((terms.shelf_life > 0) & (terms.shelf_life <= terms.review_period), terms.unit_cost, 0.0)
    total = under + over
    return np.where(total > 0, under / np.where(total > 0, total, 1.0), 0.5)


def batch(needs: Cover, terms: Terms) -> Floats:
    """(n,) the economic order quantity sqrt(2 K D / h), at least the smallest order, units."""
    holding = np.maximum(terms.holding_cost, 1e-12)
    return np.maximum(np.sqrt(2 * terms.order_cost * needs.rate / holding), least(terms) * terms.case_pack)


def reorder_gap(needs: Cover, terms: Terms, lot: Floats) -> Floats:
    """(n,) s - inventory position, units, for the reorder point s that costs least with lots of a given size.

    Lost sales: a cycle may end in a shortage with probability h Q / (h Q + p D). Backorders: the position is
    uniform on (s, s + Q), so s makes the mean over it of P(no shortage) equal to b / (b + h).
    Source: Silver, Pyke & Thomas (2017), 4th ed., ch. 6 (decision rule B1); Zheng (1992), Management Science 38.
    """
    held = terms.holding_cost * lot
    lost = terms.shortage_cost * needs.rate
    total = held + lost
    level = np.where(total > 0, lost / np.where(total > 0, total, 1.0), 0.5)
    once = row_quantile(needs.need, level)
    waiting = np.nan_to_num(terms.backorder_cost)
    ratio = waiting / np.maximum(waiting + terms.holding_cost, 1e-12)
    low, high = needs.need.min(axis=1) - lot, needs.need.max(axis=1)
    for _ in range(STEPS):
        middle = (low + high) / 2
        share = np.clip((middle[:, None] + lot[:, None] - needs.need) / lot[:, None], 0.0, 1.0).mean(axis=1)
        low, high = np.where(share < ratio, middle, low), np.where(share < ratio, high, middle)
    return np.where(terms.lost_sales, once, high)
