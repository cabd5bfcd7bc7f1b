"""A group in its worker: series that are left out touch nobody, are forecast all the same, and say why."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from panels import HARD, daily, features_rows, with_hard
from parlevel.config import load
from parlevel.domain.forecast.drivers import steps_of
from parlevel.domain.panel import Panel
from parlevel.pipeline import train
from parlevel.pipeline.forecast_groups import MODEL_COLUMNS, Task, forecast_rows
from parlevel.pipeline.train_groups import IS_MODEL

N, H = 30, 7
FOREST = "{model: forest, parameters: {trees: 4, max_rows: 800}}"
BOOSTING = "{model: boosting, parameters: {rounds: 10, max_rows: 800}}"
CFG = load(
    sets=[
        f"calendar.horizon={H}", "train.folds=2", f"train.fold_step={H}", "features.lags=[1, 7]",
        "features.windows=[7, 28]", "features.halflives=[7.0]",
        f"train.candidates=[{{model: seasonal_naive}}, {FOREST}, {BOOSTING}]",
    ]
)  # fmt: skip
WHY = dict(zip(HARD, ["never sold", None, "short", "short", "masked", None, None], strict=True))


def group(panel: Panel) -> pa.Table:
    """The rows that a worker gets, with the hard ones left out."""
    rows = features_rows(panel)
    left_out = [WHY.get(name) for name in panel.series_id]
    return (
        rows.append_column("group_id", pa.array(["g"] * panel.n_series))
        .append_column("high_volume", pa.array([False] * panel.n_series))
        .append_column("left_out", pa.array(left_out, pa.string()))
    )


def forecast(table: pa.Table) -> dict[str, pa.Table]:
    """Train and forecast as the two stages do; rows by kind."""
    trained = train._train(table, plain=train.spec(CFG), deep=train.spec(CFG, deep=True), period="day")
    models = trained.filter(pc.equal(trained["kind"], "models"))
    models = models.filter(pc.or_(models["chosen"], pc.equal(models["model"], "seasonal_naive")))
    models = models.select(["group_id", *MODEL_COLUMNS]).append_column(IS_MODEL, pa.array([True] * len(models)))
    series = table.append_column(IS_MODEL, pa.array([False] * len(table)))
    task = Task(H, tuple(CFG.forecast.levels), "seasonal_naive", "day", True)
    made = forecast_rows(pa.concat_tables([series, models], promote_options="default"), task=task)
    return {kind: made.filter(pc.equal(made["kind"], kind)) for kind in pc.unique(made["kind"]).to_pylist()}


@cache
def everything() -> dict[str, pa.Table]:
    return forecast(group(with_hard(daily(N, 100, horizon=H))))


def numbers(made: dict[str, pa.Table], name: str) -> bytes:
    rows = made["forecast"].filter(pc.equal(made["forecast"]["series_id"], name)).sort_by("step")
    return np.column_stack([rows["demand_mean"].to_numpy(), np.stack(rows["demand_quantiles"].to_pylist())]).tobytes()


def test_what_is_left_out_moves_nobody() -> None:
    panel = with_hard(daily(N, 100, horizon=H))
    alone = forecast(group(panel.take(np.array([WHY.get(name) is None for name in panel.series_id]))))
    names = [name for name in panel.series_id if WHY.get(name) is None]
    assert len(names) == N - 4
    assert all(numbers(alone, name) == numbers(everything(), name) for name in names)


def test_what_is_left_out_may_hold_anything() -> None:
    panel = with_hard(daily(N, 100, horizon=H))
    demand, available = panel.demand.copy(), panel.available.copy()
    demand[0], demand[2, -1], demand[4] = 1e9, 1e6, np.nan
    other = forecast(group(replace(panel, demand=demand, available=available)))
    assert all(numbers(other, name) == numbers(everything(), name) for name in panel.series_id[len(HARD) :])


@pytest.mark.parametrize(
    ("name", "model"), [("one", "similar_items"), ("three", "similar_items"), ("masked", "seasonal_mean")]
)
def test_it_is_forecast_and_says_why(name: str, model: str) -> None:
    status = {row["series_id"]: row for row in everything()["forecast_status"].to_pylist()}
    assert set(status) == set(with_hard(daily(N, 100, horizon=H)).series_id)
    assert status[name]["model"] == model
    assert status[name]["reason"].endswith(f"its group does not learn from it: {WHY[name]}")
    assert "does not learn" not in status["s010"]["reason"]


def test_the_drivers_of_a_forecast_add_up_to_it() -> None:
    rows = everything()["forecast_drivers"].to_pandas()
    forecast = everything()["forecast"].to_pandas()
    assert not rows.duplicated(["series_id", "driver"]).any()
    whole = rows.groupby("series_id")["effect"].sum()
    mean = forecast[forecast["step"].isin(steps_of(H))].groupby("series_id")["demand_mean"].mean()
    np.testing.assert_allclose(whole[mean.index], mean, rtol=1e-3, atol=1e-4)
    others = rows[rows["rank"] > 0]
    np.testing.assert_allclose(others.groupby("series_id")["share"].sum(), 1.0, rtol=1e-3)
    assert set(rows.loc[rows["rank"] == 0, "driver"]) == {"sales level"}
    first = others[others["rank"] == 1].set_index("series_id")["driver"]
    assert first["three"] == "similar items"
    assert (first != "holidays and events").all()  # nothing is left for what the models did not say


def test_without_a_teacher_all_teach() -> None:
    panel = with_hard(daily(N, 100, horizon=H)).take(np.arange(len(HARD)))
    rows = group(panel).set_column(len(features_rows(panel).schema) + 2, "left_out", pa.array(["short"] * len(HARD)))
    made = forecast(rows)
    assert len(made["forecast_status"]) == len(HARD)
