"""The budget of stage train without Spark: a group's part of it, the shared search, the rows that come out."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from panels import QUICK_TRAINING, one_group
from parlevel.config import load
from parlevel.domain.forecast.tune import Plan
from parlevel.errors import ConfigError
from parlevel.pipeline import train
from parlevel.pipeline.train_tuning import ALL, _together, shares, walk, with_found
from parlevel.schemas import contract

N, HORIZON = 24, 7
SETTINGS = [
    *QUICK_TRAINING,
    "train.candidates=[{model: seasonal_naive}, {model: forest, parameters: {trees: 5, max_rows: 600}}, "
    "{model: boosting, scope: all, parameters: {rounds: 20, max_rows: 900}}]",
]  # fmt: skip


def group() -> pa.Table:
    return one_group(N, 150, HORIZON)


@pytest.mark.parametrize(("said", "seconds"), [("90", 90), ("90s", 90), ("20m", 1200), ("1.5h", 5400), ("0", 0)])
def test_a_budget_is_said_as_people_say_times(said: str, seconds: float) -> None:
    assert load(sets=[f"train.budget={said}"]).train.budget == seconds


@pytest.mark.parametrize("said", ["soon", "-5m", "20 parsecs", "-1"])
def test_a_budget_that_is_no_time_is_refused(said: str) -> None:
    with pytest.raises(ConfigError, match=r"train\.budget"):
        load(sets=[f"train.budget={said}"])


def test_the_parts_of_a_core_add_up_to_the_time() -> None:
    found = shares([("a", 5.0), ("b", 4.0), ("c", 3.0), ("d", 2.0)], 2, 70.0)
    assert sum(found.values()) == pytest.approx(2 * 70.0)
    assert found["a"] > found["b"] > found["d"]
    assert shares([("a", 1.0)], 2, -3.0) == {"a": 0.0}


def test_a_group_writes_what_it_tried_and_offers_what_was_found_for_all() -> None:
    cfg = load(sets=[*SETTINGS, "train.candidates=[{model: seasonal_naive}, {model: forest, parameters: {trees: 5}}]"])
    spec = train.spec(cfg)
    rows = train._train(group(), plain=spec, deep=spec, period="day", seconds={"g": 20.0}).to_pylist()
    tried = [row for row in rows if row["kind"] == "tuning"]
    assert tried[0]["trial"] == 0
    assert json.loads(tried[0]["parameters"]) == {"trees": 5}
    assert len(tried) > 1
    assert {row["group_id"] for row in tried} == {"g"}
    found = {row["model"] for row in tried if row["chosen"]}
    offered = {row["model"] for row in rows if row["kind"] == "models"}
    assert offered == {"seasonal_naive", "forest"} | {f"tuned_{name}" for name in found}


def test_a_group_without_a_part_of_a_budget_tries_nothing() -> None:
    spec = train.spec(load(sets=[*SETTINGS, "train.candidates=[{model: seasonal_naive}]"]))
    rows = train._train(group(), plain=spec, deep=spec, period="day").to_pylist()
    assert not [row for row in rows if row["kind"] == "tuning"]


def test_a_model_of_all_groups_is_searched_on_the_sample() -> None:
    spec, names = (
        train.spec(load(sets=SETTINGS), deep=True),
        [column.name for column in contract("tuning").data_columns],
    )
    rows = group().append_column("shared_name", pa.array(["global_boosting"] * N))
    rows = rows.append_column("walk", pa.array([0] * N))
    made = walk(rows, spec=spec, period="day", seconds=6.0, plan=Plan(refits=3.0))
    assert made.column_names == names
    assert set(made["group_id"].to_pylist()) == {ALL}
    assert made.num_rows > 1


def row(trial: int, loss: float, chosen: bool = False, **parameters: Any) -> dict[str, Any]:
    return {
        "model": "global_boosting", "trial": trial, "loss": loss, "chosen": chosen,
        "parameters": json.dumps(parameters, sort_keys=True),
    }  # fmt: skip


def test_the_walks_of_all_cores_become_one_list_with_one_choice() -> None:
    start = {"rounds": 20}
    found = _together(
        [row(0, 1.0, **start), row(1, 0.9, True, rounds=80), row(0, 1.0, **start), row(1, 0.8, True, rounds=300)]
    )
    assert [(each["trial"], json.loads(each["parameters"])["rounds"]) for each in found] == [(0, 20), (1, 300), (2, 80)]
    assert [each["trial"] for each in found if each["chosen"]] == [1]
    spec = with_found(train.spec(load(sets=SETTINGS), deep=True), found)
    assert spec.offered()["global_tuned_boosting"] == {"rounds": 300, "max_rows": 900}
    assert with_found(train.spec(load(sets=["train.candidates=[{model: forest}]"])), found).offered().keys() == {
        "seasonal_naive",
        "forest",
    }
