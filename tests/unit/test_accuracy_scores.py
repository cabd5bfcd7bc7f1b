"""Scores of the accuracy benchmark: coverage with ties shared is right for counts, where plain coverage cannot be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom, norm

from accuracy import scored as score_rows
from accuracy import tables
from accuracy_peers import Task, drawn
from accuracy_score import LEVELS, quantile_column, scales, score

N = 40_000
CPU = SimpleNamespace(cpu_s=1.0, wall_s=1.0)


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


def test_a_peer_on_some_series_stands_beside_parlevel_on_the_same_ones() -> None:
    names, day = [f"s{k}" for k in range(6)], pd.Timestamp("2020-01-08")
    actual = pd.DataFrame({"series_id": names, "level": 12, "date": day, "sales": np.arange(1.0, 7.0)})
    past = pd.concat([actual.assign(date=day - pd.Timedelta(days=k), sales=float(k % 3)) for k in range(1, 9)])
    scale = scales(past.sort_values(["series_id", "date"]), 7)

    def forecast(error: np.ndarray, some: list[str]) -> dict[str, object]:
        made = actual[["series_id", "date"]].assign(demand_mean=actual["sales"] + error)
        made[[quantile_column(level) for level in LEVELS]] = np.repeat(made[["demand_mean"]], len(LEVELS), axis=1)
        return {"forecast": made[made["series_id"].isin(some)], "cost": CPU, "window": "2020-01-07"}

    ours = {"model": "parlevel", **forecast(np.array([0.0, 0, 0, 3, 3, 3]), names)}
    whole = {"model": "whole", **forecast(np.full(6, 2.0), names)}
    slow = {"model": "slow", **forecast(np.full(6, 1.0), names[3:])}
    rows = score_rows([ours, whole, slow], actual, scale, None)
    found = {(row["model"], row["series"]): row["score"]["wape"] for row in rows}
    assert found == pytest.approx(
        {("parlevel", 6): 9 / 21, ("whole", 6): 12 / 21, ("parlevel", 3): 9 / 15, ("slow", 3): 3 / 15}
    )
    lost = tables(SimpleNamespace(name="six"), rows)["lost"]
    assert {(row["peer"], row["series"]) for row in lost if row["loss"] == "wape"} == {("slow", 3)}


def test_the_series_that_a_slow_peer_gets_are_the_same_in_every_run() -> None:
    history = pd.DataFrame({"unique_id": np.repeat([f"s{k}" for k in range(50)], 2), "y": 1.0})
    given = Task(history, history.iloc[::-1], "day", 1, ())
    some = drawn(given, "lightgbm", 8)
    assert some.history["unique_id"].nunique() == some.future["unique_id"].nunique() == 8
    assert set(drawn(given, "autoets", 8).history["unique_id"]) == set(some.history["unique_id"])
    assert drawn(given, "lightgbm", 50) is given
    assert drawn(given, "autoarima") is given  # 100 observations are no work
    long = pd.concat([given.history] * 1_000)
    assert drawn(Task(long, long, "day", 1, ()), "autoarima").history["unique_id"].nunique() == 10
