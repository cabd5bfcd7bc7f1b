"""Statistics of each series at the cutoff, in units: what analysts read, and simple models start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from parlevel.domain.features.history import Floats, History


def names(lags: Sequence[int], windows: Sequence[int], halflives: Sequence[float]) -> list[str]:
    """Names of the statistics, in order."""
    return [
        *(f"lag_{lag}" for lag in lags),
        *(f"{what}_{window}" for window in windows for what in ("mean", "sd", "max", "zero_share")),
        *(f"exponential_{halflife:g}" for halflife in halflives),
        "since_sale",
        "age",
    ]


def at_cutoff(past: History, lags: Sequence[int], windows: Sequence[int], halflives: Sequence[float]) -> Floats:
    """The statistics of every series at its last period.

    Args:
        past: the observed histories.
        lags: periods; lag_1 is the last one.
        windows: periods of the rolling statistics.
        halflives: periods of the exponential means.

    Returns: (n_series, n_statistics) units (shares and periods where the name says so); NaN = unknown.
    """
    return np.column_stack(list(_columns(past, lags, windows, halflives)))


def _columns(
    past: History, lags: Sequence[int], windows: Sequence[int], halflives: Sequence[float]
) -> Iterator[Floats]:
    series = np.arange(len(past.observed))
    stop = np.full(len(series), past.n_periods)
    for lag in lags:
        yield past.value(series, stop - lag)
    for window in windows:
        yield past.mean(series, stop, window)
        yield past.sd(series, stop, window)
        yield past.maximum(series, stop - 1, window)
        yield past.zero_share(series, stop, window)
    for halflife in halflives:
        yield past.exponential(series, stop - 1, halflife)
    yield past.since_sale(series, stop - 1)
    yield past.age(series, stop - 1)
