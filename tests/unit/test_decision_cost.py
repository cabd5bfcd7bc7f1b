"""What forecasts cost by the orders that they lead to, and a choice of models by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from panels import daily
from parlevel.domain.forecast.choose import choose
from parlevel.domain.forecast.crossval import Spec, data_key, train_group
from parlevel.domain.forecast.decision import decision_cost
from parlevel.domain.forecast.scores import Backtest, loss_of, metrics
from parlevel.domain.stakes import COLUMNS, Stakes

LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])


def stakes(n: int, short: float, over: float, interval: int) -> Stakes:
    return Stakes(np.full(n, short), np.full(n, over), np.full(n, interval))


def backtest(quantiles: np.ndarray, actual: np.ndarray, at: Stakes | None) -> Backtest:
    n, horizon = actual.shape
    one = np.ones(n)
    known = np.ones((n, horizon), bool)
    return Backtest(0, 100, quantiles[:, :, 2], quantiles, actual, known, one, one, one, stakes=at)


def test_one_step_costs_what_the_newsvendor_pays() -> None:
    """Ratio 0.75 reads the quantile 8: 2 short at 3 a unit in one period, 1 left at 1 a unit in the other."""
    quantiles = np.tile(np.array([2.0, 4.0, 6.0, 8.0, 10.0]), (1, 2, 1))
    actual = np.array([[10.0, 7.0]])
    cost = decision_cost(quantiles[:, :, 2], quantiles, actual, np.ones((1, 2), bool), LEVELS, stakes(1, 3.0, 1.0, 1))
    assert cost == pytest.approx((2 * 3.0 + 1 * 1.0) / 2)


def test_an_interval_is_judged_whole_and_what_does_not_fit_is_left_out() -> None:
    """Ratio 0.5 orders the mean: 6 + 6 against 5 + 9, and the third period begins an interval that never ends."""
    quantiles = np.tile(np.array([6.0] * 5), (1, 3, 1))
    actual = np.array([[5.0, 9.0, 99.0]])
    known = np.ones((1, 3), bool)
    at = stakes(1, 2.0, 2.0, 2)
    assert decision_cost(quantiles[:, :, 2], quantiles, actual, known, LEVELS, at) == pytest.approx(2 * 2.0 / 2)
    known[0, 1] = False
    only_first = decision_cost(quantiles[:, :, 2], quantiles, actual, known, LEVELS, at)
    assert only_first == pytest.approx(2 * 1.0), "a closed day is left out of the interval, not the interval"
    known[0, :2] = False
    assert np.isnan(decision_cost(quantiles[:, :, 2], quantiles, actual, known, LEVELS, at))


def test_an_interval_longer_than_the_horizon_counts_as_the_horizon() -> None:
    quantiles = np.tile(np.array([6.0] * 5), (1, 2, 1))
    cost = decision_cost(quantiles[:, :, 2], quantiles, np.array([[7.0, 7.0]]), np.ones((1, 2), bool), LEVELS,
                         stakes(1, 5.0, 5.0, 9))  # fmt: skip
    assert cost == pytest.approx(2 * 5.0 / 2)


def test_the_true_distribution_costs_least() -> None:
    """On demand drawn from it, its quantiles cost less than quantiles that are too low, too high or too narrow."""
    rng = np.random.default_rng(3)
    actual = rng.poisson(8.0, (400, 12)).astype(float)
    true = np.quantile(rng.poisson(8.0, 100_000), LEVELS)
    at, known = stakes(400, 4.0, 1.0, 1), np.ones((400, 12), bool)

    def cost(values: np.ndarray) -> float:
        quantiles = np.tile(values, (400, 12, 1))
        return decision_cost(np.full((400, 12), values[2]), quantiles, actual, known, LEVELS, at)

    best = cost(true)
    assert best < min(cost(true - 3), cost(true + 3), cost(np.full(5, true[2])))


def test_stakes_come_from_the_terms_and_follow_their_series() -> None:
    rows = pa.table({
        "shortage_cost": [4.0, 4.0], "holding_cost": [0.5, 0.5], "backorder_cost": pa.array([None, 1.5], pa.float64()),
        "lead_time": pa.array([3, 0], pa.int32()), "review_period": pa.array([2, 7], pa.int32()),
        "frozen_periods": pa.nulls(2, pa.int32()), "order_weekdays": pa.nulls(2, pa.list_(pa.int32())),
    })  # fmt: skip
    found = Stakes.from_arrow(rows)
    assert found is not None
    assert set(rows.column_names) == set(COLUMNS)
    assert found.interval.tolist() == [5, 7]
    assert found.short.tolist() == [4.0, 10.5]  # lost once; waiting 1.5 a period over seven
    assert found.over.tolist() == [1.0, 3.5]
    assert found.take(np.array([1])).ratio.tolist() == [10.5 / 14.0]
    assert Stakes.from_arrow(rows.drop_columns(["lead_time"])) is None
    without = Stakes.from_arrow(pa.table({name: pa.nulls(1, rows[name].type) for name in COLUMNS}))
    assert without is not None
    assert without.matrix().tolist() == [[0.0, 0.0, 1.0]]  # in no supply_terms: nothing at stake


def test_order_days_stand_in_place_of_the_review_period_and_a_frozen_window_comes_before_the_lead_time() -> None:
    """Tuesday and Friday: four days at most between them; one day a week: seven."""
    rows = pa.table({
        "shortage_cost": [4.0] * 3, "holding_cost": [0.5] * 3, "backorder_cost": pa.nulls(3, pa.float64()),
        "lead_time": pa.array([3, 3, 3], pa.int32()), "review_period": pa.array([1, 1, 2], pa.int32()),
        "frozen_periods": pa.array([None, 2, 5], pa.int32()),
        "order_weekdays": pa.array([[2, 5], [1], None], pa.list_(pa.int32())),
    })  # fmt: skip
    found = Stakes.from_arrow(rows)
    assert found is not None
    assert found.interval.tolist() == [3 + 4, 2 + 3 + 7, 5 + 3 + 2]
    assert found.over.tolist() == [2.0, 3.5, 1.0]


def test_a_choice_by_money_may_differ_from_one_by_error() -> None:
    """Where a lost unit is dear, a forecast with an honest upper tail is chosen, though its median is worse."""
    rng = np.random.default_rng(5)
    actual = rng.exponential(10.0, (300, 8))
    true = -10.0 * np.log(1 - LEVELS)
    exact = np.tile(np.array([5.0, 6.0, true[2], 7.5, 8.0]), (300, 8, 1))  # right in the middle, far too sure
    wide = np.tile(np.array([1.0, 3.0, 9.5, true[3], true[4]]), (300, 8, 1))
    at = stakes(300, 9.0, 1.0, 1)
    folds = {"exact": [backtest(exact, actual, at)], "wide": [backtest(wide, actual, at)]}
    assert choose(folds, "exact", "wape", False, LEVELS).weights == {"exact": 1.0}
    assert choose(folds, "exact", "decision_cost", False, LEVELS).weights == {"wide": 1.0}


def test_without_terms_pinball_stands_in() -> None:
    made = backtest(np.tile(LEVELS * 10, (5, 4, 1)), np.full((5, 4), 6.0), None)
    found = metrics(made, LEVELS)
    assert "decision_cost" not in found
    assert loss_of([found], "decision_cost") == found["pinball_loss"]


def test_a_group_is_trained_by_it() -> None:
    """The models' metrics hold the money, and terms change what a group's training depends on."""
    panel = daily(12, 120)
    spec = Spec(horizon=14, levels=tuple(LEVELS.tolist()), candidates=(("croston", {}),), folds=2, fold_step=14,
                loss="decision_cost")  # fmt: skip
    judged = replace(panel, stakes=stakes(12, 4.0, 0.2, 5))
    result = train_group(judged, spec)
    assert all(row.metrics["decision_cost"] > 0 for row in result.models)
    assert "decision_cost" in result.choice.reason
    assert data_key(judged) != data_key(panel)
