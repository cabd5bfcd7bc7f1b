"""Plans carried out along demand paths, orders revised at each review.

Arrays: n items, P paths, T periods, K opportunities; `interval` (n, 1 or P, T) and `arrival` (n, 1 or P, K + 1) as in
`Timeline`, the rule of revision as in `Revision`.
"""

from __future__ import annotations

import math

import numpy as np

from parlevel.domain.compiled import compiled
from parlevel.domain.replenish.base import Bools, Floats, Ints


@compiled
def follow(
    net: Floats, interval: Ints, count: Ints, review: Ints, stops: Bools, total: Floats, planned: Bools,
    allowed: Bools, usual: Floats, pack: Floats, smallest: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """What is ordered and lost along each path.

    Args:
        net: (n, P, T) stock without orders.
        interval: of each period.
        count, review: (n,) opportunities, and periods from one to the next.
        stops: (n,) whether what is short is lost.
        total, planned, allowed, usual, pack, smallest: the rule of revision.

    Returns: (n, P, K + 1) units ordered before each opportunity; (n, P, T) units lost up to the end of each period.
    """
    n, n_paths, periods = net.shape
    n_k = total.shape[1]
    ordered, gone = np.zeros((n, n_paths, n_k + 1)), np.zeros((n, n_paths, periods))
    lost = np.empty(n_paths)
    for i in range(n):
        lost[:] = 0.0
        for t in range(periods):
            k = t // review[i]
            if t % review[i] == 0 and k < count[i]:
                _review(
                    net[i], t, k, lost, ordered[i], total[i, k], planned[i, k], allowed[i, k], usual[i], pack[i],
                    smallest[i],
                )  # fmt: skip
            if stops[i]:
                for p in range(n_paths):
                    slot = min(interval[i, p if interval.shape[1] > 1 else 0, t] + 1, count[i])
                    lost[p] = max(lost[p], -(net[i, p, t] + ordered[i, p, slot]))
                    gone[i, p, t] = lost[p]
        for p in range(n_paths):
            for k in range(n_k):
                ordered[i, p, k + 1] = max(ordered[i, p, k + 1], ordered[i, p, k])
    return ordered, gone


@compiled
def _review(
    net: Floats, t: int, k: int, lost: Floats, ordered: Floats, total: float, planned: bool, allowed: bool,
    usual: float, pack: float, smallest: float,
) -> None:  # fmt: skip
    """The order of one item's opportunity k on every path, into `ordered` (P, K + 1)."""
    n_paths = len(lost)
    mean = 0.0
    if t > 0:
        for p in range(n_paths):
            mean += net[p, t - 1] + lost[p]
        mean /= n_paths
    for p in range(n_paths):
        before = ordered[p, k]
        known = net[p, t - 1] + lost[p] if t > 0 else 0.0
        gap = total + mean - known - before
        cases = math.floor(gap / pack + 0.5) * pack
        lot = cases if cases >= smallest else (smallest if gap >= smallest / 2 else 0.0)
        if k == 0:  # today's order is decided, not revised
            lot = total
        now = planned or (allowed and gap >= usual)
        ordered[p, k + 1] = before + (max(lot, 0.0) if now else 0.0)


@compiled
def carried_out(
    net: Floats, interval: Ints, count: Ints, stops: Bools, ordered: Floats, gone: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Stock, lost units and receipts of each period and orders of each opportunity, from what `follow` found.

    Returns: stock, lost and received (n, P, T), ordered (n, P, K).
    """
    n, n_paths, periods = net.shape
    n_k = ordered.shape[2] - 1
    stock, lost, received = np.empty(net.shape), np.empty(net.shape), np.empty(net.shape)
    lots = np.empty((n, n_paths, n_k))
    for i in range(n):
        for p in range(n_paths):
            q = p if interval.shape[1] > 1 else 0
            before, missed = 0.0, 0.0
            for t in range(periods):
                there = ordered[i, p, min(interval[i, q, t] + 1, count[i])]
                level = net[i, p, t] + there
                received[i, p, t] = there - before
                before = there
                if stops[i]:
                    lost[i, p, t] = gone[i, p, t] - missed
                    missed = gone[i, p, t]
                    level += missed
                else:
                    lost[i, p, t] = max(-level, 0.0)
                stock[i, p, t] = max(level, 0.0)
            for k in range(n_k):
                lots[i, p, k] = ordered[i, p, k + 1] - ordered[i, p, k]
    return stock, lost, received, lots


@compiled
def added(ordered: Floats, gone: Floats, planned: Floats, interval: Ints, arrival: Ints, count: Ints) -> Floats:
    """What revising a plan adds to stock by each period, with the units lost before its interval.

    Args:
        ordered, gone: from `follow`.
        planned: (n, K + 1) units that the plan has ordered before each opportunity.
        interval, arrival, count: of the timeline.

    Returns: (n, P, T) units; 0 before the first receipt.
    """
    n, n_paths, periods = gone.shape
    out = np.zeros(gone.shape)
    for i in range(n):
        for p in range(n_paths):
            q = p if interval.shape[1] > 1 else 0
            for t in range(periods):
                k = interval[i, q, t]
                if k < 0:
                    continue
                slot = min(k + 1, count[i])
                begin = min(arrival[i, q, min(k, arrival.shape[2] - 1)], periods - 1)
                before = gone[i, p, begin - 1] if begin > 0 else 0.0
                out[i, p, t] = ordered[i, p, slot] - planned[i, slot] + before
    return out


@compiled
def made_up(net: Floats, seen: Ints, interval: Ints, count: Ints) -> Floats:
    """What orders add that make up for all that is known when they are placed.

    Args:
        net: (n, P, T) stock without orders.
        seen: (n, K + 1) last period known at an opportunity; -1: none.
        interval, count: of the timeline.

    Returns: (n, P, T) units; 0 before the first receipt.
    """
    n, n_paths, periods = net.shape
    out = np.zeros(net.shape)
    mean = np.empty(seen.shape[1])
    for i in range(n):
        mean[:] = 0.0
        for k in range(seen.shape[1]):
            if seen[i, k] >= 0:
                for p in range(n_paths):
                    mean[k] += net[i, p, min(seen[i, k], periods - 1)]
        mean /= n_paths
        for p in range(n_paths):
            q = p if interval.shape[1] > 1 else 0
            for t in range(periods):
                if interval[i, q, t] >= 0:
                    k = min(interval[i, q, t], count[i] - 1)
                    if seen[i, k] >= 0:
                        out[i, p, t] = mean[k] - net[i, p, min(seen[i, k], periods - 1)]
    return out
