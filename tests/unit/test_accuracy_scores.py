"""Scores of the accuracy benchmark: coverage with ties shared is right for counts, where plain coverage cannot be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom, norm

from accuracy_score import LEVELS, quantile_column, scales, score

N = 40_000


def scored(truth: np.ndarray, quantiles: np.ndarray) -> dict[str, float]:
    """Scores of one period of many series with the same quantiles."""
    names = [f"s{k}" for k in range(len(truth))]
    day = pd.Timestamp("2020-01-08")
    forecast = pd.DataFrame({"series_id": names, "date": day, "demand_mean": quantiles.mean()})
    forecast[[quantile_column(level) for level in LEVELS]] = quantiles
    actual = pd.DataFrame({"series_id": names, "level": 12, "date": day, "sales": truth})
    past = pd.concat([actual.assign(date=day - pd.Timedelta(days=k), sales=float(k % 3)) for k in range(1, 9)])
    return score(forecast, actual, scales(past.sort_values(["series_id", "date"]), 7))


def test_a_right_forecast_of_counts_covers_what_it_says_once_ties_are_shared() -> None:
    truth = nbinom.rvs(0.5, 0.4, size=N, random_state=np.random.default_rng(1)).astype(float)
    steps = np.arange(-1, 60)
    ends = nbinom.cdf(steps, 0.5, 0.4)
    smooth = np.maximum(np.interp(LEVELS, ends, steps + 0.5), 0.0)  # between k - 1/2 and k + 1/2 lies count k
    got = scored(truth, smooth)
    assert got["cover_50"] > 0.7
    for width in (50, 80, 95):
        assert got[f"pit_{width}"] == pytest.approx(width / 100, abs=0.02)


def test_where_there_are_no_ties_both_coverages_agree() -> None:
    truth = norm.rvs(5000.0, 700.0, size=N, random_state=np.random.default_rng(2))
    got = scored(truth, norm.ppf(LEVELS, 5000.0, 700.0))
    for width in (50, 80, 95):
        assert got[f"pit_{width}"] == pytest.approx(got[f"cover_{width}"], abs=0.002)
        assert got[f"cover_{width}"] == pytest.approx(width / 100, abs=0.01)


def test_intervals_that_are_too_narrow_are_seen() -> None:
    truth = nbinom.rvs(0.5, 0.4, size=N, random_state=np.random.default_rng(1)).astype(float)
    got = scored(truth, np.zeros(len(LEVELS)))
    assert got["pit_95"] < 0.75
