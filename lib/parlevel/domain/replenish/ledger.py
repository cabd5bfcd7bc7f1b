"""What a plan means: position, safety stock, chances of a stockout, the stock it leads to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.compiled import plain
from parlevel.domain.replenish.base import Floats, State, Terms
from parlevel.domain.replenish.batch import Batch, to_opportunities
from parlevel.domain.replenish.course import Course, arrivals, course, upto
from parlevel.domain.replenish.kernels.facts import stockout_chances, unmet_demand
from parlevel.domain.replenish.model import ItemModel


@dataclass(frozen=True)
class Facts:
    """About every order step of n items; h = order steps, T periods.

    Attributes:
        position: (n, h) inventory position expected before the order, units; exact at step 0.
        protection_demand: (n, h) mean demand over lead time + review period from the step on, units.
        target: (n, h) position that meets demand to the next receipt with the chance that costs ask for, units.
        risk: (n, h) probability of a stockout over the protection interval, with the plan.
        risk_without: (n,) the same at step 0 without an order.
        cover: (n,) periods of mean demand that the position lasts at step 0; at most T.
        receipts: (n, H) units received per period of the horizon, open orders and plan.
        stock_mean, stock_low, stock_high: (n, H) units at the end of each period; 5 % and 95 % quantiles.
        lost_mean: (n, H) units of a period's demand that are not served in it: lost, or served late.
        missed: (n,) the same before an order of today can arrive, together.
    """

    position: Floats
    protection_demand: Floats
    target: Floats
    risk: Floats
    risk_without: Floats
    cover: Floats
    receipts: Floats
    stock_mean: Floats
    stock_low: Floats
    stock_high: Floats
    lost_mean: Floats
    missed: Floats


class FactBook:
    """Facts of n items, written chunk by chunk.

    Args:
        batch: n items.
        units: (n, h) units ordered at each step.
    """

    def __init__(self, batch: Batch, units: Floats) -> None:
        self._batch, self._units = batch, units
        self._found: dict[str, Floats] = {}

    def add(self, number: int, run: Course) -> None:
        """Work the facts of a chunk out from its own demand paths and from the plan's course along them."""
        rows, n = self._batch.rows[number], self._batch.n
        for name, values in _chunk(self._batch, number, self._units[rows], run).items():
            self._found.setdefault(name, np.zeros((n, *values.shape[1:])))[rows] = values

    def facts(self) -> Facts:
        """All of them."""
        if not self._found:
            return Facts(*(np.zeros((0, self._units.shape[1])) for _ in Facts.__dataclass_fields__))
        return Facts(**self._found)


def _chunk(batch: Batch, number: int, units: Floats, run: Course) -> dict[str, Floats]:
    """Facts of one chunk by name."""
    rows, model = batch.rows[number], batch.models[number]
    h = units.shape[1]
    periods = model.net.shape[2]
    forecast = batch.forecast.take(rows).extend(periods, batch.settings.season)
    planned = to_opportunities(model, units[None])[0]
    nothing = planned.copy()
    nothing[:, 0] = 0.0
    near = upto(model, int(min(model.terms.protection_interval.max(), periods)))
    mean = np.concatenate([np.zeros((len(rows), 1)), forecast.mean.cumsum(axis=1)], axis=1)
    begin = np.tile(np.arange(h), (len(rows), 1))
    end = np.minimum(begin + model.terms.protection_interval[:, None], periods)
    demand = np.take_along_axis(mean, end, axis=1) - np.take_along_axis(mean, begin, axis=1)
    state = batch.state.take(rows)
    unmet = _unmet(model, state, batch.paths[number], run)
    position = _positions(state.inventory_position, units, forecast.mean, unmet, model.terms)
    ratio = _ratio(model)
    last = np.minimum(model.terms.protection_interval, periods) - 1
    at_end = np.take_along_axis(-model.net, last[:, None, None], axis=2)[..., 0]
    target = state.inventory_position + _linear_quantile(at_end, ratio)
    scale = demand / np.maximum(demand[:, :1], 1e-12)
    target = np.where(begin == 0, target[:, None], target[:, None] * np.where(demand[:, :1] > 0, scale, 1.0))
    horizon = batch.horizon
    # As planned, so that they add up to the order plan; the stock knows that later orders will follow what sells.
    arrived = arrivals(model, planned)
    stock = run.stock[:, :, :horizon]
    ordered = np.sort(stock, axis=1)
    low, high = (_between(ordered, share) for share in (0.05, 0.95))
    return {
        "position": position,
        "protection_demand": demand,
        "target": np.maximum(target, 0.0),
        "risk": stockout_chances(run.lost, begin, end),
        "risk_without": stockout_chances(course(near, nothing).lost, begin[:, :1].copy(), end[:, :1].copy())[:, 0],
        "cover": _cover(state.inventory_position, forecast.mean),
        "receipts": _due(state, horizon) + np.diff(arrived, axis=1, prepend=0.0)[:, :horizon],
        "stock_mean": stock.mean(axis=1),
        "stock_low": low,
        "stock_high": high,
        "lost_mean": unmet[:, :horizon],
        "missed": np.where(np.arange(periods) < model.terms.lead_time[:, None], unmet, 0.0).sum(axis=1),
    }


def _due(state: State, periods: int) -> Floats:
    """(n, periods) units on order by the period in which they arrive."""
    due = np.zeros((len(state.on_hand), periods))
    width = min(periods, state.receipts.shape[1])
    due[:, :width] = state.receipts[:, :width]
    return due


def _unmet(model: ItemModel, state: State, paths: NDArray[np.float32], run: Course) -> Floats:
    """(n, T) units of each period's demand that are not served in it, expected, also before any order can arrive."""
    due, level = _due(state, model.net.shape[2]), plain(state.on_hand - state.backorders)
    first, drawn = plain(model.time.first, np.int64), np.ascontiguousarray(paths, np.float32)
    return unmet_demand(model.net, due, level, drawn, first, model.terms.lost_sales, run.lost)


def _between(ordered: Floats, share: float) -> Floats:
    """(n, T) quantile over paths that are already sorted along axis 1, linear between two."""
    place = share * (ordered.shape[1] - 1)
    low = int(place)
    high = min(low + 1, ordered.shape[1] - 1)
    return ordered[:, low] + (place - low) * (ordered[:, high] - ordered[:, low])


def _linear_quantile(samples: Floats, share: Floats) -> Floats:
    """(n,) quantile of each row of (n, p) at its own share, linear between two samples."""
    ordered = np.sort(samples, axis=1)
    place = share * (ordered.shape[1] - 1)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, ordered.shape[1] - 1)
    rows = np.arange(len(ordered))
    return ordered[rows, low] + (place - low) * (ordered[rows, high] - ordered[rows, low])


def _ratio(model: ItemModel) -> Floats:
    """(n,) chance of no shortage that holding and shortage costs ask for over one review period."""
    t = model.terms
    price = np.where(t.lost_sales, t.shortage_cost, np.nan_to_num(t.backorder_cost) * t.review_period)
    held = t.holding_cost * t.review_period
    return np.clip(price / np.maximum(price + held, 1e-12), 0.0, 1.0)


def _positions(now: Floats, units: Floats, mean: Floats, unmet: Floats, terms: Terms) -> Floats:
    """(n, h) inventory position expected before each step's order; what customers wait for counts against it."""
    h, lost = units.shape[1], terms.lost_sales[:, None]
    sold = (mean - np.where(lost, unmet, 0.0)).cumsum(axis=1)[:, : h - 1]
    ordered = units.cumsum(axis=1)[:, : h - 1]
    later = now[:, None] + ordered - sold
    later = np.where(lost, np.maximum(later, 0.0), later)
    return np.concatenate([now[:, None], later], axis=1)


def _cover(position: Floats, mean: Floats) -> Floats:
    """(n,) periods of mean demand that a position lasts, with the part of the last one; at most all periods."""
    total = mean.cumsum(axis=1)
    whole = (total <= position[:, None]).sum(axis=1)
    at = np.minimum(whole, mean.shape[1] - 1)
    rows = np.arange(len(position))
    before = total[rows, at] - mean[rows, at]
    part = (position - before) / np.maximum(mean[rows, at], 1e-12)
    return np.where(whole >= mean.shape[1], float(mean.shape[1]), at + np.clip(part, 0.0, 1.0))
