"""What named events did to a series so far: its demand on their days, days before and days after, over the usual.

A flag says that a day is a holiday, not which; a tree cannot read the number of a name. What Thanksgiving, or the
day after it, did to this very series in earlier years is a number that it can use.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.history import Floats, History, Ints

SHIFTS: dict[str, int] = {"event_lift": 0, "event_eve_lift": 1, "event_wake_lift": -1}
"""Feature -> days from the target to the event: on its day, the day before it, the day after."""

USUAL_WEEKS = 8
"""Earlier days of the same weekday that an event's day is compared with."""

PRIOR_UNITS = 20.0
"""Usual units beside which a lift is halfway to 1: one event day of a slow item says next to nothing."""

WEEK = 7


def lifts(past: History, codes: NDArray[np.floating], series: Ints, origins: Ints, target: Ints, shift: int) -> Floats:
    """Demand on a target's event over what was usual, from the event's occurrences up to the origin; 1 without any.

    Args:
        past: the histories.
        codes: (n_series, n_periods or more) number of each day's event, 0 = none; known for the targets.
        series, origins, target: (m,) row; column of the last period that may be seen; column asked about.
        shift: days from the target to its event.

    Returns: (m,) ratio > 0.
    """
    known = np.nan_to_num(codes)
    at = target + shift
    inside = (at >= 0) & (at < known.shape[1])
    mine = np.where(inside, known[series, np.clip(at, 0, known.shape[1] - 1)], 0.0) if len(series) else np.zeros(0)
    out = np.ones(len(series))
    for code in np.unique(mine[mine > 0]):
        asked = np.flatnonzero(mine == code)
        columns, sold, usual = _so_far(past, known == code, shift)
        before = np.searchsorted(columns, origins[asked], side="right")
        row = series[asked]
        out[asked] = (sold[row, before] + PRIOR_UNITS) / (usual[row, before] + PRIOR_UNITS)
    return out


def _so_far(past: History, on: NDArray[np.bool_], shift: int) -> tuple[Ints, Floats, Floats]:
    """Columns of an event, and per series the sums of demand and usual demand over the first 0, 1, ... of them."""
    columns = np.flatnonzero(on.any(axis=0)) - shift
    columns = columns[(columns >= WEEK) & (columns < past.n_periods)]
    n = len(on)
    rows, days = np.repeat(np.arange(n), len(columns)), np.tile(columns, n)
    demand, usual = past.value(rows, days), past.seasonal_mean(rows, days - WEEK, WEEK, USUAL_WEEKS)
    counts = on[rows, days + shift] & ~np.isnan(demand) & ~np.isnan(usual)
    sold, expected = (np.where(counts, each, 0.0).reshape(n, -1).cumsum(axis=1) for each in (demand, usual))
    nothing = np.zeros((n, 1))
    return columns, np.concatenate([nothing, sold], axis=1), np.concatenate([nothing, expected], axis=1)
