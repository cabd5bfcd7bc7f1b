"""Greedy repair: swap single items' plans until everything shared is kept, then until nothing gets cheaper."""

from __future__ import annotations

import numpy as np

from parlevel.domain.compiled import plain
from parlevel.domain.replenish.base import Bools, Floats, Ints
from parlevel.domain.replenish.kernels.swaps import cheaper, mended
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
    return mended(*_plans(columns), plain(chosen, np.int64), allowed, master.limits, swaps)


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
    return cheaper(*_plans(columns), plain(chosen, np.int64), master.limits, master.trucks, swaps)


def _plans(columns: Columns) -> tuple[Ints, Floats, Floats]:
    return plain(columns.item, np.int64), plain(columns.cost), plain(columns.use)
