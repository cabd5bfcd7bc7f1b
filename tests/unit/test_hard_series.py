"""Each kind of hard series of daily retail through a group's training and forecast: what happens to it.

Cold starts have a file of their own (test_forecast_coldstart), damaged histories too (test_features_teaching).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from panels import CUTOFF, daily
from parlevel.domain.clean.pack import RAW, Rules, clean_batch
from parlevel.domain.forecast.apply import GroupForecast, Stored, forecast_group
from parlevel.domain.forecast.crossval import Spec, in_content_order, train_group
from parlevel.domain.panel import Panel

LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
H, N, DAYS = 14, 40, 200
BOOSTING = {"rounds": 60, "learning_rate": 0.15, "leaves": 15, "min_leaf": 20, "max_rows": 6000}
SHARED = {"lags": [1, 7, 14], "windows": [7, 28, 91], "halflives": [7.0]}


def forecasts(panel: Panel) -> GroupForecast:
    """What the two stages give for a group, rows in the panel's order."""
    models = (("seasonal_naive", {}), ("boosting", BOOSTING))
    spec = Spec(H, LEVELS, models, folds=2, fold_step=H, seed=1, shared=SHARED)
    result = train_group(panel, spec)
    stored = [
        Stored(m.model, m.chosen, m.weight, m.artifact, m.calibration, m.path_correlation, m.note or "")
        for m in result.models
    ]
    ordered = in_content_order(panel)
    made = forecast_group(ordered, stored, H, np.asarray(LEVELS), "seasonal_naive")
    assert not made.failed.any()
    assert (made.quantiles >= 0).all()
    back = {name: k for k, name in enumerate(ordered.series_id)}
    rows = np.array([back[name] for name in panel.series_id])
    return GroupForecast(*(values[rows] for values in vars(made).values()))


def generated(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Panel:
    """Good series of which the first four are replaced."""
    panel = daily(N, DAYS, seed=9, horizon=H)
    demand = panel.demand.copy()
    demand[:4] = change(demand[:4], np.random.default_rng(2))
    return replace(panel, demand=demand)


def test_intermittent_items_of_real_spare_parts_keep_their_zeros_and_their_level(data_dir: Path) -> None:
    """Car parts, 51 months: the level is right in sum, and the share of months without demand is foreseen."""
    rows = pd.read_parquet(data_dir / "carparts" / "sales_monthly.parquet")
    known = rows.pivot_table(index="part_id", columns="month", values="sales").dropna().to_numpy(np.float32)
    known = known[(known[:, :-6] > 0).sum(axis=1) >= 5][:300]
    names = np.array([f"p{k}" for k in range(len(known))], object)
    panel = Panel(names, known, np.ones_like(known, bool), 500, "month")
    past, (actual, _) = panel.at(494, 6), panel.after(494, 6)
    spec = Spec(6, LEVELS, (("seasonal_naive", {}), ("tsb", {}), ("sba", {})), folds=2, fold_step=6, seed=1)
    result = train_group(past, spec)
    ordered = in_content_order(past)
    stored = [Stored(m.model, m.chosen, m.weight, m.artifact, m.calibration, 0.1, "") for m in result.models]
    made = forecast_group(ordered, stored, 6, np.asarray(LEVELS), "seasonal_naive")
    assert 0.6 < made.mean.sum() / actual.sum() < 1.5
    zero = (made.quantiles < 0.5).mean(axis=(0, 1))
    foreseen = np.interp(0.5, zero[::-1], np.asarray(LEVELS)[::-1])
    assert (actual == 0).mean() == pytest.approx(foreseen, abs=0.2)


def test_a_dying_item_is_let_go() -> None:
    def stops(demand: np.ndarray, _: np.random.Generator) -> np.ndarray:
        demand[:, 90:] = 0.0
        return demand

    panel = generated(stops)
    made = forecasts(panel)
    before = panel.demand[:4, :90].mean(axis=1)
    assert (made.mean[:4].mean(axis=1) < 0.1 * before).all()
    assert (made.quantiles[:4, :, LEVELS.index(0.5)] < 0.1).all()


def test_a_new_item_is_forecast_at_its_own_level() -> None:
    panel = generated(lambda demand, rng: rng.poisson(20.0, demand.shape))
    demand, available = panel.demand.copy(), panel.available.copy()
    demand[:4, :-30], available[:4, :-30] = np.nan, False
    made = forecasts(replace(panel, demand=demand, available=available))
    np.testing.assert_allclose(made.mean[:4].mean(axis=1), 20.0, rtol=0.35)


@pytest.mark.parametrize("masked", [True, False])
def test_stockouts_are_no_demand_lost_once_they_are_masked(masked: bool) -> None:
    """Half of the days the shelf holds 2 of 10 wanted: masked days leave the forecast at what people want."""
    panel = generated(lambda demand, rng: rng.poisson(10.0, demand.shape))
    short = np.zeros(panel.demand.shape, bool)
    short[:4, ::2] = True
    demand = np.where(short, np.minimum(panel.demand, 2.0), panel.demand).astype(np.float32)
    made = forecasts(replace(panel, demand=demand, available=~short if masked else panel.available))
    level = made.mean[:4].mean()
    assert (8.0 < level < 12.0) if masked else (level < 7.5)


def test_the_demand_that_a_stockout_hid_is_estimated_and_never_below_its_sales() -> None:
    cut = clean({k: 2.0 if k % 2 else 10.0 for k in range(-59, 1)}, dict.fromkeys(range(-59, 1, 2), 0.0))
    hidden = cut["demand"][0::2]
    assert (hidden >= 8.0).all()
    assert (cut["available"][0::2] == 0).all()


def test_a_promotion_that_is_planned_lifts_its_day_and_only_that() -> None:
    panel = daily(N, DAYS, seed=9, horizon=H)
    promo = panel.channels["promo"].copy()
    promo[:, DAYS:] = 0.0
    promo[:, DAYS + 5] = 1.0
    made = forecasts(replace(panel, channels={"promo": promo}))
    plain = forecasts(replace(panel, channels={"promo": np.where(np.arange(DAYS + H) < DAYS, promo, 0.0)}))
    lift = made.mean.sum(axis=0) / plain.mean.sum(axis=0)
    assert 1.5 < lift[5] < 2.4  # promotions double demand
    np.testing.assert_allclose(np.delete(lift, 5), 1.0, atol=0.05)


def test_a_lower_price_ahead_raises_the_forecast() -> None:
    rng = np.random.default_rng(5)
    panel = daily(N, DAYS, seed=9, horizon=H)
    price = np.where(rng.random((N, DAYS + H)) < 0.15, 0.7, 1.0).astype(np.float32)
    level = rng.gamma(4.0, 3.0, (N, 1))
    demand = rng.poisson(level * price[:, :DAYS] ** -2.5).astype(np.float32)
    both = []
    for ahead in (1.0, 0.7):
        price[:, DAYS:] = ahead
        channels = {"price_ratio": price.copy()}
        both.append(forecasts(replace(panel, demand=demand, channels=channels, known_future=frozenset(channels))))
    lift = both[1].mean.sum() / both[0].mean.sum()
    assert 1.6 < lift < 2.9  # .7 ** -2.5 = 2.44


def test_a_holiday_ahead_is_known_from_earlier_ones() -> None:
    panel = daily(N, DAYS, seed=9, horizon=H)
    holiday = np.zeros((N, DAYS + H), np.float32)
    holiday[:, [12, 40, 71, 103, 131, 160, 188, DAYS + 3]] = 1.0
    demand = np.where(holiday[:, :DAYS] > 0, np.round(panel.demand * 0.2), panel.demand).astype(np.float32)
    made = forecasts(replace(panel, demand=demand, channels={"holiday": holiday}, known_future=frozenset({"holiday"})))
    day = made.mean.sum(axis=0)
    assert day[3] < 0.5 * np.median(day)


def test_a_level_shift_is_followed() -> None:
    def doubles(demand: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([rng.poisson(8.0, (4, DAYS - 60)), rng.poisson(24.0, (4, 60))], axis=1)

    made = forecasts(generated(doubles))
    np.testing.assert_allclose(made.mean[:4].mean(axis=1), 24.0, rtol=0.3)


def test_negative_sales_are_netted_and_no_forecast_is_negative() -> None:
    row = clean({-4: 5.0, -3: 3.0, -2: -2.0, -1: -5.0, 0: 4.0})
    assert row["demand"].tolist() == [1.0, 0.0, 0.0, 0.0, 4.0]
    assert (row["sales"] >= 0).all()
    slip = clean({-4: 5.0, -3: 3.0, -2: -2.0, -1: -9.0, 0: 4.0})  # more than was ever sold
    assert slip["demand"].tolist() == [5.0, 1.0, 0.0, 0.0, 4.0]


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.03), (4.0, 3.0, 5.5)])
def test_constant_and_all_zero_series_stay_what_they_are(value: float, low: float, high: float) -> None:
    made = forecasts(generated(lambda demand, _: np.full(demand.shape, value)))
    assert (made.mean[:4].mean(axis=1) >= low).all()
    assert (made.mean[:4].mean(axis=1) <= high).all()
    width = made.quantiles[:4, :, -1] - made.quantiles[:4, :, 0]
    assert width.mean() <= 3.0 * value + 0.05


@pytest.mark.parametrize("n_known", [1, 3])
def test_one_or_three_observations_get_a_forecast_near_them_or_the_floor_with_its_reason(n_known: int) -> None:
    panel = generated(lambda demand, _: np.full(demand.shape, 6.0))
    demand, available = panel.demand.copy(), panel.available.copy()
    demand[:4, :-n_known], available[:4, :-n_known] = np.nan, False
    made = forecasts(replace(panel, demand=demand, available=available))
    assert ((made.mean[:4].mean(axis=1) > 2.0) & (made.mean[:4].mean(axis=1) < 12.0)).all()
    assert all(len(reason) > 0 for reason in made.reason[:4])


def clean(sales: dict[int, float], in_stock: dict[int, float] | None = None) -> dict[str, np.ndarray]:
    """One series through the rules of the clean stage; keys are days relative to the cutoff."""
    kinds = {name: pa.int64() if name.endswith(("index", "first", "last")) else pa.float64() for name in RAW}
    columns: dict[str, pa.Array] = {name: pa.array([[]], pa.list_(kind)) for name, kind in kinds.items()}
    columns["record_index"] = pa.array([[CUTOFF + k for k in sales]], pa.list_(pa.int64()))
    columns["record_sales"] = pa.array([list(sales.values())], pa.list_(pa.float64()))
    columns["record_in_stock"] = pa.array([[(in_stock or {}).get(k) for k in sales]], pa.list_(pa.float64()))
    names = {name: pa.array(["x"]) for name in ("series_id", "product_id", "location_id")}
    rules = Rules(period="day", cutoff=CUTOFF, horizon=2, promotions_until=CUTOFF)
    row = clean_batch(pa.table({**names, **columns}), rules).to_pylist()[0]
    return {name: np.array(value) if isinstance(value, list) else value for name, value in row.items()}
