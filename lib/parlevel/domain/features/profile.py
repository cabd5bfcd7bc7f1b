"""What kind of series it is: intermittency class, age, recent level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.history import Floats, History, ratio
from parlevel.domain.periods import Period

ADI_LIMIT, CV2_LIMIT = 1.32, 0.49
"""Source: Syntetos, Boylan and Croston (2005), JORS 56."""

NEW: dict[str, int] = {"day": 56, "week": 8, "month": 3}
"""Fewer periods than this since the first sale: a new series."""

DEAD: dict[str, int] = {"day": 91, "week": 13, "month": 6}
"""At least this many periods without a sale, and six of the series' own intervals: a dead series."""

RECENT: dict[str, int] = {"day": 28, "week": 13, "month": 6}
DEAD_INTERVALS = 6.0


@dataclass(frozen=True)
class Profile:
    """Per series, each (n_series,); see the contract `series_profile`."""

    pattern: NDArray[np.str_]
    adi: Floats
    cv2: Floats
    n_positive: NDArray[np.int64]
    total: Floats
    recent_mean: Floats
    age: NDArray[np.int64]
    since_last_sale: NDArray[np.int64]


def profile(past: History, lengths: NDArray[np.int64], period: Period) -> Profile:
    """Describe every series at its last period.

    Args:
        past: the observed histories, right-aligned.
        lengths: (n_series,) periods of each history.
    """
    series = np.arange(len(lengths))
    stop = np.full(len(lengths), past.n_periods)
    positive = past.seen & (past.observed > 0)
    n_positive = positive.sum(axis=1)
    total = past.total[:, -1]
    adi = ratio(past.count[:, -1], n_positive.astype(np.float64))
    size = ratio(total, n_positive.astype(np.float64))
    spread = ratio(past.square[:, -1], n_positive.astype(np.float64)) - size**2
    cv2 = ratio(np.maximum(spread, 0.0), size**2)
    empty = n_positive == 0
    since = np.where(empty, lengths, past.since_sale(series, stop - 1)).astype(np.int64)
    age = np.where(empty, 0, past.age(series, stop - 1)).astype(np.int64)
    return Profile(
        pattern=patterns(adi, cv2, age, since, empty, period),
        adi=adi,
        cv2=cv2,
        n_positive=n_positive,
        total=total,
        recent_mean=np.nan_to_num(past.mean(series, stop, RECENT[period])),
        age=age,
        since_last_sale=since,
    )


def patterns(
    adi: Floats,
    cv2: Floats,
    age: NDArray[np.int64],
    since: NDArray[np.int64],
    empty: NDArray[np.bool_],
    period: Period,
) -> NDArray[np.str_]:
    """smooth, erratic, intermittent or lumpy; before that empty, dead or new.

    Args:
        adi: (n_series,) mean periods between sales.
        cv2: (n_series,) squared coefficient of variation of the non-zero demands.
        age: (n_series,) periods since the first sale.
        since: (n_series,) periods since the last sale.
        empty: (n_series,) never sold.
    """
    adi, cv2 = np.nan_to_num(adi, nan=np.inf), np.nan_to_num(cv2)
    dead = (since >= DEAD[period]) & (since >= DEAD_INTERVALS * adi)
    often, steady = adi < ADI_LIMIT, cv2 < CV2_LIMIT
    cases = [empty, dead, age < NEW[period], often & steady, often & ~steady, ~often & steady]
    words = ["empty", "dead", "new", "smooth", "erratic", "intermittent"]
    return np.select(cases, words, "lumpy")
