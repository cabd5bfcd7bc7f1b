"""What a place can spare and what it is expected to miss before an order after today's can arrive, path by path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.packed import Items
from parlevel.domain.replenish.plan import Settings, demand_paths

SAFE = 0.05
"""Share of the demand paths on which a unit may be needed that counts as spare."""
NEEDED = 0.5
"""Share of the demand paths on which a unit must be missed to be worth moving."""


@dataclass(frozen=True)
class Balance:
    """Of n items of one product; units are whole.

    Attributes:
        spare: (n,) units that are on hand and that 19 of 20 demand paths leave untouched.
        given_up: (n,) money that a spare unit is worth where it is: its share of what the twentieth path would lose.
        missing: (n,) units that at least half of the paths miss after `after`.
        saved: (n,) money that one of them saves, on average over the paths.
    """

    spare: Floats
    given_up: Floats
    missing: Floats
    saved: Floats


def balance(items: Items, sent: Floats, after: Ints, settings: Settings) -> Balance:
    """Play each item's stock along its demand paths over its protection interval.

    Args:
        items: n items; those without a forecast neither spare nor miss anything.
        sent: (n,) units that arrive of today's order.
        after: (n,) periods that pass before a transfer could be sold from; what is missed until then is lost.
        settings: of the demand paths.
    """
    terms, state = items.terms, items.state
    interval = np.maximum(terms.protection_interval, 1)
    periods = int(interval.max(initial=1))
    paths = demand_paths(items.forecast, periods, settings)
    arrive = np.zeros((items.n, periods))
    width = min(periods, state.receipts.shape[1])
    arrive[:, :width] = state.receipts[:, :width]
    rows = np.flatnonzero(terms.lead_time < periods)
    arrive[rows, terms.lead_time[rows]] += sent[rows]
    stock = np.repeat(np.maximum(state.on_hand - state.backorders, 0.0)[:, None], paths.shape[1], axis=1)
    lowest, missed = stock.copy(), np.zeros_like(stock)
    for t in range(periods):
        inside = (t < interval)[:, None]
        stock = stock + arrive[:, t : t + 1]
        short = np.maximum(paths[:, :, t] - stock, 0.0)
        stock = np.maximum(stock - paths[:, :, t], 0.0)
        lowest = np.where(inside, np.minimum(lowest, stock), lowest)
        missed += np.where(inside & (t >= after)[:, None], short, 0.0)
    worth = np.where(terms.lost_sales, terms.shortage_cost, terms.backorder_cost)
    left = np.maximum(state.on_hand - terms.min_stock, 0.0)
    spare = np.floor(np.minimum(np.quantile(lowest, SAFE, axis=1, method="lower"), left))
    room = np.where(np.isnan(terms.max_stock), np.inf, terms.max_stock) - state.inventory_position - sent
    missing = np.floor(np.minimum(np.quantile(missed, NEEDED, axis=1, method="lower"), np.maximum(room, 0.0)))
    spare, missing = np.where(items.known, spare, 0.0), np.where(items.known, missing, 0.0)
    lost = np.maximum(spare[:, None] - lowest, 0.0).mean(axis=1) / np.maximum(spare, 1.0)
    met = np.minimum(missed, missing[:, None]).mean(axis=1) / np.maximum(missing, 1.0)
    return Balance(spare, worth * lost, missing, worth * met)
