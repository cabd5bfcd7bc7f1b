"""Items with plain terms for tests of replenishment; everything can be set by name."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Forecast, State, Terms

PLAIN = {
    "lead_time": 0,
    "lead_time_sd": 0.0,
    "review_period": 1,
    "min_order_qty": 0.0,
    "case_pack": 1.0,
    "max_stock": np.nan,
    "min_stock": 0.0,
    "shelf_life": 0,
    "unit_cost": 1.0,
    "unit_price": 2.0,
    "holding_cost": 1.0,
    "shortage_cost": 10.0,
    "backorder_cost": np.nan,
    "order_cost": 0.0,
    "target": 0.95,
    "unit_weight": 1.0,
    "unit_volume": 1.0,
}
WHOLE = {"lead_time", "review_period", "shelf_life"}
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])


def terms(n: int = 1, **given: object) -> Terms:
    """Terms of n items; a number holds for all, an array for each."""
    kinds = {name: np.int64 if name in WHOLE else np.float64 for name in PLAIN}
    rules = {k: np.asarray(given.pop(k)) for k in ("order_days", "frozen", "leftover_value") if k in given}
    values = {k: np.broadcast_to(np.asarray(v, kinds[k]), n).copy() for k, v in {**PLAIN, **given}.items()}
    return Terms(**values, **rules)


def state(on_hand: float = 0.0, receipts: list[float] | None = None, backorders: float = 0.0) -> State:
    """One item's stock."""
    return State(np.array([on_hand]), np.array([backorders]), np.array([receipts or [0.0]]))


def states(on_hand: list[float], periods: int = 1) -> State:
    """The stock of several items with nothing on order."""
    n = len(on_hand)
    return State(np.array(on_hand, float), np.zeros(n), np.zeros((n, periods)))


def forecast(mean: list[float], horizon: int = 14, spread: float = 1.0, correlation: float = 0.0) -> Forecast:
    """A forecast with quantiles mean + spread x sqrt(mean) x z, and a flat history at the mean."""
    from scipy.special import ndtri

    m = np.array(mean, float)
    curve = np.maximum(m[:, None] + spread * np.sqrt(m)[:, None] * ndtri(LEVELS), 0.0)
    wide = np.repeat(m[:, None], horizon, axis=1)
    quantiles = np.repeat(curve[:, None, :], horizon, axis=1)
    return Forecast(wide, LEVELS, quantiles, np.full(len(m), correlation), np.repeat(m[:, None], 30, axis=1))
