"""Prices and promotions on the panel's time axis, past and future."""

from __future__ import annotations

import numpy as np

from parlevel.domain.clean.grid import Floats, Grid, Ints, forward_fill
from parlevel.domain.periods import Period, to_date, to_index


def prices(grid: Grid, rows: Ints, index: Ints, price: Floats) -> Floats:
    """(n_series, width + future) price of each period: the newest row so far; NaN before the first.

    Args:
        grid: the time axes.
        rows: (m,) series of each price row.
        index: (m,) period index from which it holds, ascending within a series.
        price: (m,) money / unit.
    """
    columns = grid.width + grid.future
    out = np.full((grid.n_series, columns), np.nan)
    # a price from before the axis holds at its first column; the newest such row is written last
    column = np.maximum(grid.column(index), (grid.width - grid.lengths)[rows])
    keep = column < columns
    out[rows[keep], column[keep]] = price[keep]
    return forward_fill(out)


def promotions(
    grid: Grid, rows: Ints, first: Ints, last: Ints, intensity: Floats, period: Period, known_until: int
) -> Floats:
    """(n_series, width + future) strongest promotion of each period, times the share of it covered.

    Args:
        grid: the time axes.
        rows: (m,) series of each promotion.
        first: (m,) first day, days since 1970-01-01.
        last: (m,) last day, inclusive.
        intensity: (m,) 0 to 1.
        known_until: period index up to which promotions are known; later cells are NaN.
    """
    columns = grid.width + grid.future
    out = np.zeros((grid.n_series, columns))
    begin = grid.column(to_index(first.astype("datetime64[D]"), period))
    end = grid.column(to_index(last.astype("datetime64[D]"), period))
    begin, end = np.maximum(begin, 0), np.minimum(end, columns - 1)
    spans = np.maximum(end - begin + 1, 0)
    which = np.repeat(np.arange(len(rows)), spans)
    column = np.arange(len(which)) - np.repeat(np.cumsum(spans) - spans, spans) + begin[which]
    start = grid.cutoff - grid.width + 1
    opens = to_date(column + start, period).astype(np.int64)
    closes = to_date(column + start + 1, period).astype(np.int64)
    covered = np.minimum(last[which] + 1, closes) - np.maximum(first[which], opens)
    value = intensity[which] * covered / (closes - opens)
    order = np.argsort(value, kind="stable")
    out[rows[which][order], column[order]] = value[order]  # written last = strongest
    unknown = np.arange(columns) > max(int(grid.column(np.array([known_until]))[0]), grid.width - 1)
    out[:, unknown] = np.nan
    return out
