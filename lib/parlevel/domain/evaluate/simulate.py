"""Play stock forward over demand that really came: receipts, sales, lost sales, orders by a policy at each review.

Order of events in a period: decide (on the stock of the period before), receive, sell, throw away what perished, count.
Lead times are kept as agreed. Unmet demand is lost, or waits where the terms say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from parlevel.domain.evaluate.perish import Batches
from parlevel.domain.evaluate.planned import decide, decide_now
from parlevel.domain.replenish.base import Floats, Forecast, Ints, Policy, Rows, State, Terms
from parlevel.domain.replenish.rounding import packs_down, packs_up

Foresee = Callable[[int], Forecast]
"""What is known at the start of period t: a forecast whose first step is period t."""


@runtime_checkable
class Joint(Protocol):
    """A policy that was made for certain items and must know which of them are asked for."""

    def take(self, rows: Rows) -> Policy:
        """The policy of some of the items, by position or mask."""
        ...


@dataclass(frozen=True)
class Played:
    """What happened to n items over P periods; (n, P) where not said otherwise.

    Attributes:
        demand: units wanted; NaN periods count as none.
        sales: units sold, late deliveries of backorders included.
        unmet: units lost (or newly waiting) in the period.
        stock: units at the end of the period.
        waiting: units owed at the end of the period.
        ordered: units ordered at the period's start.
        judged: (n,) units ordered at the decisions whose protection interval ends within the periods played.
        needed: (n,) units that perfect knowledge would have ordered at those decisions in total.
        leftover: units that were left when the season was over and left the shelf.
        perished: units thrown away at the end of the period because their shelf life was over.
        planned: units that were planned for the period at the review before it; NaN where no review planned it.
    """

    demand: Floats
    sales: Floats
    unmet: Floats
    stock: Floats
    waiting: Floats
    ordered: Floats
    judged: Floats
    needed: Floats
    leftover: Floats
    perished: Floats
    planned: Floats


def start_state(history: Floats, terms: Terms) -> State:
    """The stock that every policy starts from, by rule: what sold over one protection interval, in whole cases.

    What perishes sooner is there for its shelf life.

    Args:
        history: (n, n_past) demand up to the start, NaN where unknown; the last 28 periods are averaged.
        terms: of the items; a maximum stock is kept.
    """
    mean = recent_mean(history, 28)
    lasts = np.where(terms.shelf_life > 0, terms.shelf_life, terms.protection_interval)
    cases = packs_up(mean * np.minimum(lasts, terms.protection_interval) + terms.min_stock, terms.case_pack)
    most = np.where(np.isnan(terms.max_stock), np.inf, terms.max_stock)
    fits = np.where(np.isfinite(most), packs_down(np.nan_to_num(most, posinf=0.0), terms.case_pack), np.inf)
    n = len(mean)
    return State(np.minimum(cases, fits) * terms.case_pack, np.zeros(n), np.zeros((n, 1)))


def recent_mean(history: Floats, window: int) -> Floats:
    """(n,) mean of the last known periods; 0 where none is known."""
    recent = history[:, -window:]
    known = ~np.isnan(recent)
    return np.where(known, recent, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def play(
    policy: Policy, start: State, demand: Floats, foresee: Foresee, terms: Terms, season: int = 7, ahead: bool = False
) -> Played:
    """Simulate a policy.

    Args:
        policy: decides every item's order at its reviews, periods 0, R, 2R ...; or `Joint`, for exactly these items.
        start: stock before the first period.
        demand: (n, P) what was wanted; NaN = unknown, nobody comes.
        foresee: the forecast at the start of a period.
        terms: of the n items; with a frozen window what is decided today is an order of the first period after it.
        season: periods that a forecast repeats beyond its horizon.
        ahead: also ask what is planned for the next review.
    """
    n, periods = demand.shape
    terms = terms.at_once()
    last = _last_periods(foresee(0), n)
    wanted = np.where(np.arange(periods) <= last[:, None], np.nan_to_num(demand), 0.0)
    pipe = _pipe(start, periods + int(terms.lead_time.max(initial=0)) + 1)
    on_hand, waiting = start.on_hand.copy(), start.backorders.copy()
    batches = Batches(on_hand, terms.shelf_life, periods)
    out = _blank(n, periods)
    keeps = ~terms.lost_sales
    for t in range(periods):
        today = terms.after(t)
        due = np.flatnonzero((t % terms.review_period == 0) & today.open(np.zeros((n, 1), np.int64))[:, 0])
        if len(due):
            state = State(on_hand[due], waiting[due], pipe[due, t:])
            known = _seen(foresee(t), out, wanted, t).take(due)
            made = decide if ahead else decide_now
            rule = policy.take(due) if isinstance(policy, Joint) else policy
            quantity, then, step = made(rule, state, known, today.take(due), season)
            inside = t + step < periods
            out["planned"][due[inside], t + step[inside]] = then[inside]
            np.add.at(pipe, (due, t + terms.lead_time[due]), quantity)
            out["ordered"][due, t] = quantity
        on_hand = on_hand + pipe[:, t]
        batches.receive(pipe[:, t])
        asked = wanted[:, t] + waiting
        sold = np.minimum(on_hand, asked)
        out["leftover"][:, t] = np.where(t >= last, on_hand - sold, 0.0)
        out["perished"][:, t] = batches.close(sold + out["leftover"][:, t])
        on_hand = np.maximum(on_hand - sold - out["leftover"][:, t] - out["perished"][:, t], 0.0)
        short = asked - sold
        out["sales"][:, t], out["stock"][:, t] = sold, on_hand
        out["unmet"][:, t] = np.where(keeps, np.minimum(short, wanted[:, t]), short)
        waiting = np.where(keeps, short, 0.0)
        out["waiting"][:, t] = waiting
    judged, needed = _needed(start.inventory_position, wanted, out["ordered"], terms)
    return Played(demand=wanted, judged=judged, needed=needed, **out)


def _blank(n: int, periods: int) -> dict[str, Floats]:
    """(n, periods) each: nothing has happened, nothing was planned."""
    names = ("sales", "unmet", "stock", "waiting", "ordered", "leftover", "perished")
    return {name: np.zeros((n, periods)) for name in names} | {"planned": np.full((n, periods), np.nan)}


def _pipe(start: State, width: int) -> Floats:
    """(n, width) units that arrive in each period from what is on order at the start."""
    pipe = np.zeros((len(start.on_hand), width))
    pipe[:, : min(width, start.receipts.shape[1])] = start.receipts[:, :width]
    return pipe


def _last_periods(forecast: Forecast, n: int) -> Ints:
    """(n,) last period, 0-based, in which an item is sold."""
    return forecast.ends - 1 if len(forecast.ends) else np.full(n, np.iinfo(np.int64).max)


def _seen(forecast: Forecast, out: dict[str, Floats], wanted: Floats, t: int) -> Forecast:
    """The forecast with the history that a shop would see: demand of served periods, nothing of stockouts."""
    if t == 0:
        return forecast
    seen = np.where(out["unmet"][:, :t] > 0, np.nan, wanted[:, :t])
    return replace(forecast, history=np.concatenate([forecast.history, seen], axis=1))


def _needed(position: Floats, wanted: Floats, ordered: Floats, terms: Terms) -> tuple[Floats, Floats]:
    """(ordered (n,), needed (n,)) over the decisions whose protection interval ends within the periods played.

    Orders are compared in total, not one by one: buying a case today instead of two halves in turn is no mistake.
    """
    n, periods = wanted.shape
    last = (periods - terms.protection_interval) // terms.review_period * terms.review_period
    decided = last >= 0
    total = np.concatenate([np.zeros((n, 1)), wanted.cumsum(axis=1)], axis=1)
    until = np.where(decided, last + terms.protection_interval, 0)
    needed = np.where(decided, np.maximum(total[np.arange(n), until] - position, 0.0), 0.0)
    placed = np.where(np.arange(periods) <= last[:, None], ordered, 0.0).sum(axis=1)
    return placed, needed
