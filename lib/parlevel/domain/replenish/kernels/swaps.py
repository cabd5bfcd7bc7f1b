"""Choices of one plan an item, bettered by swapping single plans.

Arrays: n items, c plans (`item` says whose), r shared rows; a choice is the plan of each item, (n,). `limits` (5, r)
says what rows allow: the amount, a tolerance, whether it is a maximum, whether it is a minimum of what is not nothing,
and a unit that violations are compared in. `trucks` (2, r): their size, 0 where a row has none, and their cost.
"""

from __future__ import annotations

import math

import numpy as np

from parlevel.domain.compiled import compiled
from parlevel.domain.replenish.base import Bools, Floats, Ints


@compiled
def cheaper(item: Ints, cost: Floats, use: Floats, chosen: Ints, limits: Floats, trucks: Floats, swaps: int) -> Ints:
    """The choice after swaps, each the one that saves most among those that break nothing."""
    chosen, hauled = chosen.copy(), trucks[0].any()
    for _ in range(swaps):
        total = _total(use, chosen)
        best, least = -1, -1e-9
        paid = _paid(total, use, 0, 0, trucks)
        for c in range(len(item)):
            own = chosen[item[c]]
            change = cost[c] - cost[own]
            if hauled:
                change += _paid(total, use, c, own, trucks) - paid
            if change < least and _broken(total, use, c, own, limits) <= 0.0:
                best, least = c, change
        if best < 0:
            break
        chosen[item[best]] = best
    return chosen


@compiled
def mended(
    item: Ints, cost: Floats, use: Floats, chosen: Ints, allowed: Bools, limits: Floats, swaps: int
) -> tuple[Ints, bool]:
    """The choice after swaps to allowed plans, each the cheapest for what it makes less broken; whether nothing is."""
    chosen = chosen.copy()
    for _ in range(swaps):
        total = _total(use, chosen)
        now, best, least = _broken(total, use, 0, 0, limits), -1, np.inf
        if now <= 0:
            return chosen, True
        for c in range(len(item)):
            if not allowed[c]:
                continue
            own = chosen[item[c]]
            gain = now - _broken(total, use, c, own, limits)
            if gain > 1e-12:
                ratio = max(cost[c] - cost[own], -1e12) / gain
                if ratio < least:
                    best, least = c, ratio
        if best < 0:
            break
        chosen[item[best]] = best
    return chosen, False


@compiled
def _total(use: Floats, chosen: Ints) -> Floats:
    total = np.zeros(use.shape[1])
    for plan in chosen:
        total += use[plan]
    return total


@compiled
def _paid(total: Floats, use: Floats, plan: int, instead: int, trucks: Floats) -> float:
    """Cost of the trucks that total use needs with one plan instead of another."""
    cost = 0.0
    for k in range(len(total)):
        if trucks[0, k] > 0:
            cost += math.ceil((total[k] + use[plan, k] - use[instead, k]) / trucks[0, k] - 1e-9) * trucks[1, k]
    return cost


@compiled
def _broken(total: Floats, use: Floats, plan: int, instead: int, limits: Floats) -> float:
    """How far total use with one plan instead of another breaks the rows, each in its own unit."""
    found = 0.0
    for k in range(len(total)):
        here = total[k] + use[plan, k] - use[instead, k]
        over = here - limits[0, k]
        if limits[2, k] > 0 and over > limits[1, k]:
            found += over / limits[4, k]
        elif limits[3, k] > 0 and here > 1e-9 and over < -limits[1, k]:
            found -= over / limits[4, k]
    return found
