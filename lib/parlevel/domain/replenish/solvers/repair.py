"""Greedy repair: swap single items' plans until everything shared is kept, then until nothing gets cheaper."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Bools, Ints
from parlevel.domain.replenish.solvers.master import Columns, Master


def repair(master: Master, columns: Columns, chosen: Ints, swaps: int = 2000) -> Ints:
    """A choice of columns that keeps every row.

    Swaps the plan that costs least per unit of violation removed; where swaps cannot mend a supplier minimum, nothing
    is ordered at its step, and the swaps go on among the plans that keep to that. All items without any order keep
    every row, so the end is always feasible.

    Args:
        master: rows.
        columns: plans, among them one without orders for every item.
        chosen: (n,) column of each item to start from.
        swaps: at most.

    Returns: (n,) column of each item.
    """
    open_ = np.ones(len(columns.item), bool)
    for _ in range(len(master.minimum) + 1):
        chosen, kept = _swap(master, columns, chosen, open_, swaps)
        if kept:
            return improve(master, columns, chosen, swaps)
        step = _hopeless(master, columns, chosen)
        if step is None:
            break
        open_ &= columns.use[:, step] <= 0
        chosen = np.where(open_[chosen], chosen, cheapest_of(columns, open_, chosen))
    return improve(master, columns, _stop_orders(master, columns, chosen, open_), swaps)


def _swap(master: Master, columns: Columns, chosen: Ints, allowed: Bools, swaps: int) -> tuple[Ints, bool]:
    """(n,) the choice once no swap to an allowed plan makes it break less, and whether it keeps every row."""
    chosen = chosen.copy()
    scale = np.array([max(abs(row.amount), 1e-9) for row in master.rows])
    for _ in range(swaps):
        total = columns.use[chosen].sum(axis=0)
        now = (master.violation(total) / scale).sum()
        if now <= 0:
            return chosen, True
        after = total + columns.use - columns.use[chosen[columns.item]]
        gain = now - (master.violation(after) / scale).sum(axis=1)
        worse = columns.cost - columns.cost[chosen[columns.item]]
        useful = allowed & (gain > 1e-12)
        if not useful.any():
            break
        ratio = np.where(useful, np.maximum(worse, -1e12) / np.maximum(gain, 1e-12), np.inf)
        best = int(ratio.argmin())
        chosen[columns.item[best]] = best
    return chosen, False


def _hopeless(master: Master, columns: Columns, chosen: Ints) -> int | None:
    """The row of the supplier minimum that is shortest of what it asks for; None where none is broken."""
    over = master.violation(columns.use[chosen].sum(axis=0))
    short = [k for k in master.minimum if over[k] > 0]
    return max(short, key=lambda k: float(over[k]) / max(master.rows[k].amount, 1e-9), default=None)


def _stop_orders(master: Master, columns: Columns, chosen: Ints, allowed: Bools) -> Ints:
    """Take the cheapest allowed plan that orders nothing from rows still broken; at worst no orders at all."""
    out = chosen.copy()
    for _ in range(len(master.rows) + 1):
        broken = np.flatnonzero(master.violation(columns.use[out].sum(axis=0)) > 0)
        if not len(broken):
            return out
        silent = np.all(columns.use[:, broken] <= columns.use.min(axis=0)[broken] + 1e-12, axis=1)
        out = cheapest_of(columns, silent & allowed, out)
    return without_orders(columns, out)


def without_orders(columns: Columns, fallback: Ints) -> Ints:
    """(n,) each item's plan without orders, which keeps every row; the fallback where it has none."""
    return cheapest_of(columns, np.all(columns.units <= 0, axis=1), fallback)


def cheapest_of(columns: Columns, allowed: Bools, fallback: Ints) -> Ints:
    """(n,) each item's cheapest allowed column; the fallback where none is."""
    order = np.lexsort((columns.cost, columns.item))
    order = order[allowed[order]]
    out = fallback.copy()
    items, first = np.unique(columns.item[order], return_index=True)
    out[items] = order[first]
    return out


def improve(master: Master, columns: Columns, chosen: Ints, swaps: int) -> Ints:
    """Swap while that lowers the cost and breaks nothing."""
    chosen = chosen.copy()
    for _ in range(swaps):
        total, own = columns.use[chosen].sum(axis=0), chosen[columns.item]
        change = columns.cost - columns.cost[own]
        if master.truck:
            after = total + columns.use - columns.use[own]
            change = change + master.extra_cost(after) - master.extra_cost(total)
        # few plans are cheaper: whether they fit is asked of them alone
        cheaper = np.flatnonzero(change < -1e-9)
        after = total + columns.use[cheaper] - columns.use[own[cheaper]]
        fits = cheaper[~master.violation(after).any(axis=1)]
        if not len(fits):
            break
        best = int(fits[change[fits].argmin()])
        chosen[columns.item[best]] = best
    return chosen
