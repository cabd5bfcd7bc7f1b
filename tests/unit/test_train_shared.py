"""The workers of models learned from all groups, without Spark: one fit in, one group's training out."""

from __future__ import annotations

import pyarrow as pa

from panels import QUICK_TRAINING, one_group
from parlevel.config import load
from parlevel.domain.forecast.registry import SHARED
from parlevel.pipeline import train
from parlevel.pipeline.train_groups import IS_MODEL
from parlevel.pipeline.train_shared import learn, take_over

HORIZON, N, NAME = 7, 24, f"{SHARED}boosting"
SETTINGS = [
    *QUICK_TRAINING,
    "train.candidates=[{model: seasonal_naive}, "
    "{model: boosting, scope: all, parameters: {rounds: 30, max_rows: 2000}}]",
]  # fmt: skip


def group() -> pa.Table:
    return one_group(N, 100, HORIZON)


def learned() -> pa.Table:
    """The shared model at the last cutoff and at those of two folds."""
    spec = train.spec(load(sets=SETTINGS), deep=True)
    made = []
    for back in range(3):
        rows = group().append_column("shared_name", pa.array([NAME] * N)).append_column("back", pa.array([back] * N))
        made.append(learn(rows, spec=spec, period="day"))
    return pa.concat_tables(made)


def test_a_group_takes_over_what_was_learned_from_all() -> None:
    models = learned()
    assert [a - b for a, b in zip([17_000] * 3, models["shared_cutoff"].to_pylist(), strict=True)] == [0, 7, 14]
    given = models.append_column("group_id", pa.array(["g"] * 3)).append_column(IS_MODEL, pa.array([True] * 3))
    rows = group().append_column(IS_MODEL, pa.array([False] * N))
    together = pa.concat_tables([given, rows], promote_options="default")
    series, ready = take_over(together)
    assert series.num_rows == N
    assert sorted(series.column_names) == sorted(group().column_names)
    assert {cutoff for _, cutoff in ready} == set(models["shared_cutoff"].to_pylist())
    cfg = load(sets=SETTINGS)
    out = train._train(together, plain=train.spec(cfg), deep=train.spec(cfg, deep=True), period="day").to_pylist()
    row = next(row for row in out if row["kind"] == "models" and row["model"] == NAME)
    assert row["chosen"]
    assert row["artifact"] in models["shared_artifact"].to_pylist()
    assert sum(row["kind"] == "cv_scores" and row["model"] == NAME for row in out) == 2


def test_a_shared_model_that_cannot_be_learned_costs_no_group() -> None:
    spec = train.spec(load(sets=[*SETTINGS, "train.folds=40"]), deep=True)
    rows = group().append_column("shared_name", pa.array([NAME] * N)).append_column("back", pa.array([40] * N))
    made = learn(rows, spec=spec, period="day")  # 280 periods back in 100
    assert made["shared_artifact"].to_pylist() == [b""]
