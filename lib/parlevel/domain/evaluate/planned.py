"""What a policy plans to order at its next review, so that a simulation can tell how steady its plans are."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, Ints, Policy, State, Terms
from parlevel.domain.replenish.constraints.season import closing


@runtime_checkable
class Planner(Protocol):
    """A policy that plans later orders together with today's."""

    def plan(self, state: State, forecast: Forecast, terms: Terms) -> Floats:
        """(n, h) units to order at step 0 (as `Policy.order`) and expected to be ordered at each later step."""
        ...


def decide(policy: Policy, state: State, forecast: Forecast, terms: Terms, season: int) -> tuple[Floats, Floats, Ints]:
    """Today's order, and what the policy plans for the next review.

    A policy that decides today's order alone is asked again on the stock that mean demand leads to.

    Args:
        policy: decides.
        state, forecast: of n items, now.
        terms: of the items, without a frozen window.
        season: periods that a forecast repeats beyond its horizon.

    Returns: units now (n,); units planned for the next review (n,), NaN where it lies beyond the plan; periods until
        that review (n,).
    """
    gap = terms.next_open()
    limited = closing(state, forecast, terms, season)
    if isinstance(policy, Planner):
        units = policy.plan(state, forecast, limited)
        rows = np.flatnonzero(gap < units.shape[1])
        planned = np.full(len(gap), np.nan)
        planned[rows] = units[rows, gap[rows]]
        return units[:, 0], planned, gap
    quantity = policy.order(state, forecast, limited)
    planned = np.zeros(len(gap))
    for wait in np.unique(gap).tolist():
        rows = np.flatnonzero(gap == wait)
        own = terms.take(rows)
        then, seen = after_mean(state.take(rows), forecast.take(rows), own, quantity[rows], wait, season)
        later = own.after(wait)
        planned[rows] = policy.order(then, seen, closing(then, seen, later, season))
    return quantity, planned, gap


def decide_now(
    policy: Policy, state: State, forecast: Forecast, terms: Terms, season: int
) -> tuple[Floats, Floats, Ints]:
    """The same without looking ahead: nothing is known of the next review."""
    n = len(state.on_hand)
    quantity = policy.order(state, forecast, closing(state, forecast, terms, season))
    return quantity, np.full(n, np.nan), np.zeros(n, np.int64)


def after_mean(
    state: State, forecast: Forecast, terms: Terms, quantity: Floats, wait: int, season: int
) -> tuple[State, Forecast]:
    """Stock and forecast of n items `wait` periods later, if mean demand comes and `quantity` is ordered now."""
    n, known = state.receipts.shape
    width = max(known, wait, int(terms.lead_time.max(initial=0)) + 1) + 1
    due = np.zeros((n, width))
    due[:, :known] = state.receipts
    due[np.arange(n), terms.lead_time] += quantity
    longer = forecast.extend(forecast.horizon + wait, season)
    level = state.on_hand - state.backorders
    for step in range(wait):
        level = level + due[:, step] - longer.mean[:, step]
        level = np.where(terms.lost_sales, np.maximum(level, 0.0), level)
    then = State(np.maximum(level, 0.0), np.maximum(-level, 0.0), due[:, wait:])
    history = np.concatenate([forecast.history, longer.mean[:, :wait]], axis=1)
    return then, replace(longer.after(wait), history=history)
