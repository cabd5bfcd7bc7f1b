"""What a place can spare and what it is expected to miss before an order after today's can arrive, path by path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.packed import Items
from parlevel.domain.replenish.plan import Settings, demand_paths

SAFE = 0.05
"""Share of the demand paths on which a unit may be needed that counts as spare."""
NEEDED = 0.5
"""Share of the demand paths on which a unit must be missed to be worth moving."""


@dataclass(frozen=True)
class Movable:
    """Of n items: `units` (n,), whole, and `worth` (n,), money for one of them, on average over the paths."""

    units: Floats
    worth: Floats


@dataclass(frozen=True)
class Played:
    """Stock of n items of one product along demand paths, over each item's protection interval.

    Attributes:
        items: those without a forecast neither spare nor miss anything.
        sent: (n,) units that arrive of today's order.
        lowest: (n, n_paths) least stock at the end of a period, units.
        short: (n, n_paths, periods) units of demand that stock does not meet; 0 after the interval.
    """

    items: Items
    sent: Floats
    lowest: Floats
    short: Floats

    def spare(self) -> Movable:
        """Units on hand that 19 of 20 paths leave untouched; a unit's worth is its share of what the others lose."""
        left = np.maximum(self.items.state.on_hand - self.items.terms.min_stock, 0.0)
        units = np.floor(np.minimum(np.quantile(self.lowest, SAFE, axis=1, method="lower"), left))
        units = np.where(self.items.known, units, 0.0)
        lost = np.maximum(units[:, None] - self.lowest, 0.0).mean(axis=1) / np.maximum(units, 1.0)
        return Movable(units, self._shortage() * lost)

    def missing(self, after: int) -> Movable:
        """Units that at least half of the paths miss from `after` periods on; a unit's worth is what it saves."""
        terms, missed = self.items.terms, self.short[:, :, after:].sum(axis=2)
        most = np.where(np.isnan(terms.max_stock), np.inf, terms.max_stock)
        room = np.maximum(most - self.items.state.inventory_position - self.sent, 0.0)
        units = np.floor(np.minimum(np.quantile(missed, NEEDED, axis=1, method="lower"), room))
        units = np.where(self.items.known, units, 0.0)
        met = np.minimum(missed, units[:, None]).mean(axis=1) / np.maximum(units, 1.0)
        return Movable(units, self._shortage() * met)

    def _shortage(self) -> Floats:
        """(n,) money for a unit of demand that stock does not meet."""
        terms = self.items.terms
        return np.where(terms.lost_sales, terms.shortage_cost, terms.backorder_cost)


def play(items: Items, sent: Floats, settings: Settings) -> Played:
    """Play each item's stock along its demand paths.

    Args:
        items: n items of one product.
        sent: (n,) units that arrive of today's order.
        settings: of the demand paths.
    """
    terms, state = items.terms, items.state
    interval = np.maximum(terms.protection_interval, 1)
    periods = int(interval.max(initial=1))
    paths = demand_paths(items.forecast, periods, settings).astype(np.float64)
    arrive = np.zeros((items.n, periods))
    width = min(periods, state.receipts.shape[1])
    arrive[:, :width] = state.receipts[:, :width]
    rows = np.flatnonzero(terms.lead_time < periods)
    arrive[rows, terms.lead_time[rows]] += sent[rows]
    stock = np.repeat(np.maximum(state.on_hand - state.backorders, 0.0)[:, None], paths.shape[1], axis=1)
    lowest, short = stock.copy(), np.zeros_like(paths)
    for t in range(periods):
        inside = (t < interval)[:, None]
        stock = stock + arrive[:, t : t + 1]
        short[:, :, t] = np.where(inside, np.maximum(paths[:, :, t] - stock, 0.0), 0.0)
        stock = np.maximum(stock - paths[:, :, t], 0.0)
        lowest = np.where(inside, np.minimum(lowest, stock), lowest)
    return Played(items, sent, lowest, short)
