"""Stock along demand paths, and what holding or lacking it is expected to cost.

Arrays: n items, P paths, T periods, K opportunities; `interval` (n, 1 or P, T) as in `Timeline`.
"""

from __future__ import annotations

import math

import numpy as np

from parlevel.domain.compiled import compiled
from parlevel.domain.replenish.base import Bools, Floats, Ints


@compiled
def run_down(
    level: Floats, due: Floats, paths: Floats, first: Ints, stops: Bools, counts: Bools
) -> tuple[Floats, Floats]:
    """Stock at the end of each period if nothing more is ordered, and what is lost before the first possible receipt.

    Args:
        level: (n,) net stock now.
        due: (n, T) units that arrive.
        paths: (n, P, T) demand.
        first: (n, 1 or P) period of the first possible receipt.
        stops: (n,) whether stock stops at zero until then.
        counts: (T,) whether a lost unit of the period counts.

    Returns: net (n, P, T), lost (n, P).
    """
    n, n_paths, periods = paths.shape
    net, lost = np.empty((n, n_paths, periods)), np.zeros((n, n_paths))
    for i in range(n):
        for p in range(n_paths):
            here, begin = level[i], first[i, p if first.shape[1] > 1 else 0]
            for t in range(periods):
                here = here + due[i, t] - paths[i, p, t]
                if here < 0.0 and stops[i] and t < begin:
                    if counts[t]:
                        lost[i, p] -= here
                    here = 0.0
                net[i, p, t] = here
    return net, lost


@compiled
def extremes(net: Floats, need: Floats, interval: Ints, count: Ints, counts: Bools) -> tuple[Floats, Floats, Floats]:
    """The largest need, and what lies and waits before the first receipt.

    Args:
        net, need: (n, P, T) as in `ItemModel`.
        interval: of each period.
        count: (n,) opportunities.
        counts: (T,) whether a period counts.

    Returns: (n,) largest need of the periods that orders reach, at least 0; (n,) stock, and (n,) units waiting, of
        the periods before, summed over them and expected.
    """
    n, n_paths, periods = net.shape
    peak, stock, waiting = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        for p in range(n_paths):
            q = p if interval.shape[1] > 1 else 0
            for t in range(periods):
                k = interval[i, q, t]
                if not counts[t] or k >= count[i]:
                    continue
                if k >= 0:
                    peak[i] = max(peak[i], -need[i, p, t])
                elif net[i, p, t] > 0.0:
                    stock[i] += net[i, p, t]
                else:
                    waiting[i] -= net[i, p, t]
    return peak, stock / n_paths, waiting / n_paths


@compiled
def cost_tables(
    need: Floats, interval: Ints, count: Ints, counts: Bools, unit: Floats, display: Floats,
    holding: Floats, price: Floats, every_period: Bools, levels: int,
) -> Floats:  # fmt: skip
    """Expected holding plus shortage cost of every interval, at every level received by then.

    Args:
        need: (n, P, T) as in `ItemModel`.
        interval: of each period.
        count: (n,) opportunities.
        counts: (T,) whether a period counts.
        unit: (n,) units of a level.
        display: (n,) units that must stay on the shelf.
        holding: (n,) money per unit and period.
        price: (n, K) money per unit short at an interval's end.
        every_period: (n,) whether the end of every period counts, not the interval's alone.
        levels: of the tables.

    Returns: (n, K, levels) money.
    """
    n, n_paths, periods = need.shape
    n_k = price.shape[1]
    out = np.empty((n, n_k, levels))
    number, weight = np.empty((2, n_k, levels + 1)), np.empty((2, n_k, levels + 1))
    for i in range(n):
        number[:], weight[:] = 0.0, 0.0
        for p in range(n_paths):
            q = p if interval.shape[1] > 1 else 0
            for t in range(periods):
                k = interval[i, q, t]
                if k < 0 or k >= count[i] or not counts[t]:
                    continue
                wanted = -need[i, p, t] / unit[i]
                bin_ = int(min(max(math.ceil(wanted), 0.0), levels))
                number[0, k, bin_] += 1.0
                weight[0, k, bin_] += wanted
                if every_period[i] or t + 1 == periods or interval[i, q, t + 1] != k or not counts[t + 1]:
                    wanted += display[i] / unit[i]
                    bin_ = int(min(max(math.ceil(wanted), 0.0), levels))
                    number[1, k, bin_] += 1.0
                    weight[1, k, bin_] += wanted
        for k in range(n_k):
            _row(number[:, k], weight[:, k], holding[i] * unit[i] / n_paths, price[i, k] * unit[i] / n_paths, out[i, k])
    return out


@compiled
def _row(number: Floats, weight: Floats, holding: float, price: float, out: Floats) -> None:
    """Cost at every level, from how many samples lie below it and their sum: first of stock, then of what is short."""
    levels = len(out)
    above, missing = number[1].sum(), weight[1].sum()
    below, held = 0.0, 0.0
    for level in range(levels):
        below += number[0, level]
        held += weight[0, level]
        above -= number[1, level]
        missing -= weight[1, level]
        over, short = level * below - held, missing - level * above
        out[level] = holding * max(over, 0.0) + price * max(short, 0.0)
