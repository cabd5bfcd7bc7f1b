"""What courses of plans say: chances of a stockout, demand of an interval.

Arrays: n items, P paths, T periods, h steps, m order lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.compiled import compiled
from parlevel.domain.replenish.base import Bools, Floats, Ints


@compiled
def stockout_chances(lost: Floats, begin: Ints, end: Ints) -> Floats:
    """(n, h) share of paths with unmet demand in periods begin..end - 1.

    Args:
        lost: (n, P, T) units of unmet demand.
        begin, end: (n, h) periods.
    """
    n, n_paths, periods = lost.shape
    out = np.zeros(begin.shape)
    following = np.empty(periods + 1, np.int64)  # the next period with unmet demand
    following[periods] = periods
    for i in range(n):
        for p in range(n_paths):
            for t in range(periods - 1, -1, -1):
                following[t] = t if lost[i, p, t] > 1e-9 else following[t + 1]
            for step in range(begin.shape[1]):
                out[i, step] += following[begin[i, step]] < end[i, step]
    return out / n_paths


@compiled
def unmet_demand(
    net: Floats, due: Floats, level: Floats, paths: NDArray[np.float32], first: Ints, stops: Bools, lost: Floats
) -> Floats:
    """(n, T) units of a period's demand that are not served in it, on average over the paths.

    Args:
        net: (n, P, T) as in `ItemModel`: where unmet demand is lost, at zero until the first possible receipt.
        due: (n, T) units on order that arrive.
        level: (n,) net stock now.
        paths: (n, P, T) demand.
        first: (n, 1 or P) period of the first possible receipt.
        stops: (n,) whether what is short is lost.
        lost: (n, P, T) of the course: lost after the first possible receipt, or waiting at the end of the period.
    """
    n, n_paths, periods = net.shape
    out = np.zeros((n, periods))
    for i in range(n):
        for p in range(n_paths):
            begin = first[i, p if first.shape[1] > 1 else 0]
            for t in range(periods):
                if not stops[i]:
                    out[i, t] += min(lost[i, p, t], paths[i, p, t])
                elif t >= begin:
                    out[i, t] += lost[i, p, t]
                else:
                    before = net[i, p, t - 1] if t > 0 else level[i]
                    out[i, t] += max(net[i, p, t] - (before + due[i, t] - paths[i, p, t]), 0.0)
    return out / n_paths


@compiled
def line_chances(
    stock: Floats, lost: Floats, stops: Bools, ordered: Floats, arrival: Ints, item: Ints, step: Ints, interval: Ints,
    opened: Ints,
) -> tuple[Floats, Floats]:  # fmt: skip
    """((m,), (m,)) share of paths with a stockout over each line's interval, without and with the line.

    Within the interval the stock is what it would be if nothing were lost any more, plus what was lost before it: the
    first stockout does not depend on later ones.

    Args:
        stock, lost: (n, P, T) of the course.
        stops: (n,) whether what is short is lost.
        ordered: (n, P, K) units ordered at each opportunity.
        arrival: (n, 1 or P, K + 1) period in which each is received.
        item, step: (m,) of each line.
        interval: (m,) periods that it protects.
        opened: (m,) its opportunity.
    """
    n_paths, periods = stock.shape[1:]
    without, with_line = np.zeros(len(item)), np.zeros(len(item))
    for line in range(len(item)):
        i, k = item[line], opened[line]
        for p in range(n_paths):
            there = arrival[i, p if arrival.shape[1] > 1 else 0, k]
            gone, short, short_without = 0.0, False, False
            for t in range(step[line], min(step[line] + interval[line], periods)):
                level = stock[i, p, t] if stops[i] or lost[i, p, t] <= 0 else -lost[i, p, t]
                if stops[i]:
                    gone += lost[i, p, t]
                level -= gone
                short = short or level < -1e-9
                short_without = short_without or level - (ordered[i, p, k] if t >= there else 0.0) < -1e-9
            with_line[line] += short
            without[line] += short_without
    return without / n_paths, with_line / n_paths


@compiled
def interval_demand(paths: Floats, item: Ints, begin: Ints, end: Ints) -> Floats:
    """(m, P) demand of periods begin..end - 1 on each path of each line's item, in order of size.

    Args:
        paths: (n, P, T) units.
        item, begin, end: (m,) of each line.
    """
    out = np.empty((len(item), paths.shape[1]))
    for line in range(len(item)):
        for p in range(paths.shape[1]):
            total = 0.0
            for t in range(begin[line], end[line]):
                total += paths[item[line], p, t]
            out[line, p] = total
        out[line].sort()
    return out
