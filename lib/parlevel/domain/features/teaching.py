"""Which series a group learns from: one damaged or empty history must not move its neighbours' forecasts.

A series that is left out is still forecast, by the model that the others taught. It takes part in nothing
that is shared: velocity limits, group sizes, training, the choice of a model, calibration.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.clean import flags as bits
from parlevel.domain.periods import Period

LEAST: dict[str, int] = {"day": 14, "week": 6, "month": 3}
"""Known periods below which a history says more about its accidents than about demand; such a series is cold."""

HOLE: dict[str, int] = {"day": 7, "week": 4, "month": 3}
"""Periods in a row without a record that are a hole, in a series that otherwise has them nearly always."""

DENSE = 0.9
"""Share of periods with a record from which on a hole is no run of days without sales: .1 ** 7 is no chance."""


def left_out(
    demand: NDArray[np.floating],
    available: NDArray[np.bool_],
    flags: NDArray[np.int32],
    period: Period,
) -> NDArray[np.object_]:
    """Why a series teaches its group nothing, in words; None where it does.

    Args:
        demand: (n_series, n_periods) units, NaN = unknown or before the series began.
        available: (n_series, n_periods) False = masked.
        flags: (n_series, n_periods) of `parlevel.domain.clean.flags`; 0 before the series began.
        period: length of a period.

    Returns: (n_series,) str or None.
    """
    known = available & ~np.isnan(demand)
    n_known, n_sold = known.sum(axis=1), (known & (demand > 0)).sum(axis=1)
    # filled because the configuration asks for it, or unknown because gaps are: neither is damage
    damaged = bits.has(flags, bits.MISSING) & ~bits.has(flags, bits.FILLED | bits.GAP)
    n_damaged = damaged.sum(axis=1)
    hole, share = _hole(flags)
    torn = (share >= DENSE) & (hole >= HOLE[period])
    out = np.full(len(demand), None, object)
    for k in range(len(demand)):
        if n_known[k] == 0:
            out[k] = "no period with known demand"
        elif n_known[k] < LEAST[period]:
            out[k] = f"only {n_known[k]} of the {LEAST[period]} known periods that it takes"
        elif n_sold[k] == 0:
            out[k] = "never sold"
        elif n_damaged[k]:
            out[k] = f"{n_damaged[k]} periods without a usable value"
        elif torn[k]:
            out[k] = f"{hole[k]} periods in a row without a record, though {share[k]:.0%} of the others have one"
    return out


def _hole(flags: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Longest run of gaps before the last record, and the share of periods outside it that have a record."""
    gap, record = bits.has(flags, bits.GAP), bits.has(flags, bits.RECORD)
    column = np.arange(flags.shape[1])[None, :]
    since = column - np.maximum.accumulate(np.where(gap, -1, column), axis=1)
    # a run that lasts to the cutoff may as well be an item that is no longer sold
    open_end = np.cumsum(record[:, ::-1], axis=1)[:, ::-1] == 0
    longest = np.where(gap & ~open_end, since, 0).max(axis=1, initial=0)
    others = np.maximum(((gap & ~open_end) | record).sum(axis=1) - longest, 1)
    return longest, record.sum(axis=1) / others
