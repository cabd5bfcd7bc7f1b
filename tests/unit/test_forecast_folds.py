"""Rolling origins and fold losses against hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from panels import CUTOFF, daily
from parlevel.domain.evaluate.folds import Cut, cuts, naive_errors
from parlevel.domain.forecast.scores import Backtest, combine, loss_of, metrics

LEVELS = np.array([0.1, 0.5, 0.9])


def backtest(mean: list, quantiles: list, actual: list, available: list | None = None, **more: list) -> Backtest:
    n = len(mean)
    return Backtest(
        fold=0,
        cutoff=0,
        mean=np.array(mean, float),
        quantiles=np.array(quantiles, float),
        actual=np.array(actual, float),
        available=np.ones((n, len(mean[0])), bool) if available is None else np.array(available),
        spread=np.ones(n),
        naive_mae=np.array(more.get("mae", [1.0] * n)),
        naive_mse=np.array(more.get("mse", [1.0] * n)),
    )


def test_cuts_end_where_the_panel_ends_oldest_first() -> None:
    assert cuts(daily(2, 100), 14, 3, 10) == [Cut(0, CUTOFF - 34), Cut(1, CUTOFF - 24), Cut(2, CUTOFF - 14)]


def test_folds_without_enough_history_or_with_nothing_to_score_are_left_out() -> None:
    assert cuts(daily(2, 40), 14, 3, 10) == [Cut(0, CUTOFF - 24), Cut(1, CUTOFF - 14)]
    assert cuts(daily(2, 20), 14, 3, 10) == []
    masked = daily(2, 100)
    masked.available[:, -14:] = False
    assert [cut.cutoff for cut in cuts(masked, 14, 2, 14)] == [CUTOFF - 28]


def test_naive_errors_by_hand() -> None:
    panel = daily(1, 16)
    # leading zeros do not count; then one week of 1, and a week of 3
    panel.demand[0] = [0, 0, *[1] * 7, *[3] * 7]
    mae, mse = naive_errors(panel)
    assert mae[0] == pytest.approx(2.0)
    assert mse[0] == pytest.approx(4 / 13)


def test_naive_errors_skip_masked_periods_and_are_zero_where_nothing_sold() -> None:
    panel = daily(2, 10)
    panel.demand[0] = [1, 1, 1, 1, 9, 1, 1, 1, 1, 1]
    panel.available[0, 4] = False
    panel.demand[1] = 0.0
    mae, mse = naive_errors(panel)
    np.testing.assert_allclose(mae, 0.0)
    np.testing.assert_allclose(mse, 0.0)


def test_metrics_by_hand() -> None:
    made = backtest(
        mean=[[2.0, 4.0], [1.0, 1.0]],
        quantiles=[[[1, 2, 3], [1, 4, 5]], [[0, 1, 2], [0, 1, 2]]],
        actual=[[3.0, 4.0], [0.0, 9.0]],
        available=[[True, True], [True, False]],
        mae=[2.0, 0.0],
        mse=[0.5, 0.0],
    )
    got = metrics(made, LEVELS)
    assert got["wape"] == pytest.approx(2 / 7)
    assert got["bias"] == pytest.approx((-1 + 0 + 1) / 7)
    assert got["mae"] == pytest.approx(2 / 3)
    # pinball of the three cells: (.1*2 + .5*1 + 0) / 3, (.1*3 + 0 + .1*1) / 3, (0 + .5*1 + .1*2) / 3
    assert got["pinball_loss"] == pytest.approx((0.7 / 3 + 0.4 / 3 + 0.7 / 3) / 3)
    assert got["wql"] == pytest.approx(2 * (0.7 / 3 + 0.4 / 3 + 0.7 / 3) / 7)
    assert got["mase"] == pytest.approx(0.5 / 2.0)
    assert got["rmsse"] == pytest.approx(np.sqrt(0.5 / 0.5))
    assert got["coverage_80"] == pytest.approx(1.0)


def test_series_without_forecast_are_not_scored_and_nothing_scored_is_no_metric() -> None:
    made = backtest(mean=[[np.nan], [2.0]], quantiles=[[[np.nan] * 3], [[1, 2, 3]]], actual=[[5.0], [2.0]])
    assert metrics(made, LEVELS)["wape"] == 0.0
    assert metrics(backtest([[np.nan]], [[[np.nan] * 3]], [[1.0]]), LEVELS) == {}
    assert loss_of([{}], "wape") == float("inf")


def test_where_nothing_sold_units_stand_in_for_shares() -> None:
    made = backtest(mean=[[0.5]], quantiles=[[[0, 0.5, 1]]], actual=[[0.0]])
    assert loss_of([metrics(made, LEVELS)], "wape") == pytest.approx(0.5)


def test_a_combination_blends_means_and_quantiles() -> None:
    first = backtest(mean=[[2.0]], quantiles=[[[1, 2, 3]]], actual=[[2.0]])
    second = backtest(mean=[[4.0]], quantiles=[[[3, 4, 9]]], actual=[[2.0]])
    got = combine({"a": first, "b": second}, {"a": 0.5, "b": 0.5})
    np.testing.assert_allclose(got.mean, [[3.0]])
    np.testing.assert_allclose(got.quantiles, [[[2.0, 3.0, 6.0]]])
