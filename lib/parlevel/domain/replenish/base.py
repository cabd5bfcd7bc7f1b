"""The problem that a replenishment policy solves, as arrays over the items of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class State:
    """Stock of n items at the cutoff; all units, each >= 0.

    Attributes:
        on_hand: (n,) stock at the end of the cutoff period.
        backorders: (n,) owed to customers.
        receipts: (n, horizon) open orders by the step in which they arrive and can be sold.
            Step 1 (column 0) is the first period after the cutoff.
    """

    on_hand: Floats
    backorders: Floats
    receipts: Floats

    @property
    def inventory_position(self) -> Floats:
        """(n,) on_hand + on_order - backorders."""
        return self.on_hand + self.receipts.sum(axis=1) - self.backorders


@dataclass(frozen=True)
class Forecast:
    """Demand distribution of n items over the horizon.

    Attributes:
        mean: (n, horizon) units per period.
        levels: (n_levels,) quantile levels.
        quantiles: (n, horizon, n_levels) units per period.
        path_correlation: (n,) dependence between the steps of one path, 0 to 1.
        history: (n, n_past) recent demand up to the cutoff, NaN where unknown; for history-based policies.
    """

    mean: Floats
    levels: Floats
    quantiles: Floats
    path_correlation: Floats
    history: Floats


@dataclass(frozen=True)
class Terms:
    """How n items are ordered and what they cost; see the contract `supply_terms` for units.

    An order decided at the cutoff (order step 0) arrives before the sales of step lead_time + 1;
    orders may be placed at steps 0, review_period, 2 x review_period ... `max_stock` and
    `backorder_cost` are NaN where there is none, `shelf_life` is 0 where nothing perishes.
    """

    lead_time: Ints
    lead_time_sd: Floats
    review_period: Ints
    min_order_qty: Floats
    case_pack: Floats
    max_stock: Floats
    min_stock: Floats
    shelf_life: Ints
    unit_cost: Floats
    unit_price: Floats
    holding_cost: Floats
    shortage_cost: Floats
    backorder_cost: Floats
    order_cost: Floats
    target: Floats
    unit_weight: Floats
    unit_volume: Floats

    @property
    def protection_interval(self) -> Ints:
        """(n,) lead_time + review_period, periods."""
        return self.lead_time + self.review_period


@runtime_checkable
class Policy(Protocol):
    """Decides today's order of many items; stateless, so that the simulator can call it every review."""

    def order(self, state: State, forecast: Forecast, terms: Terms) -> Floats:
        """(n,) units >= 0 to order at step 0: 0, or >= min_order_qty and a multiple of case_pack,
        never lifting the inventory position above max_stock."""
        ...
