"""Nodes in their worker: batches' sums, the panel made of them, forecasts and errors."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa

from parlevel.config import load
from parlevel.domain.forecast.reconcile import Multipliers, adjusted
from parlevel.pipeline.forecast_levels import _adjust
from parlevel.pipeline.forecast_nodes import _forecast, add_up, node_panel
from parlevel.pipeline.train import spec

CUTOFF = datetime.date(2016, 7, 19)
CFG = load(
    sets=["calendar.horizon=7", "train.folds=2", "train.fold_step=7", "train.candidates=[{model: seasonal_naive}]"]
)


def batch(demand: list[list[float]], nodes: list[list[int]]) -> pa.Table:
    return pa.table(
        {
            "cutoff": pa.array([CUTOFF] * len(nodes), pa.date32()),
            "demand": pa.array(demand, pa.list_(pa.float32())),
            "nodes": pa.array(nodes, pa.list_(pa.int32())),
        }
    )


def test_histories_of_different_lengths_are_added_from_the_right_and_unknown_adds_nothing() -> None:
    found = add_up(batch([[1.0, 2.0, float("nan")], [5.0, 7.0]], [[0, 1], [0]]))
    assert found.to_pylist() == [
        {"at": 0, "cutoff": CUTOFF, "values": [1.0, 7.0, 7.0]}, {"at": 1, "cutoff": CUTOFF, "values": [1.0, 2.0, 0.0]}
    ]  # fmt: skip


def test_batches_together_are_the_whole() -> None:
    rng = np.random.default_rng(0)
    demand = [rng.poisson(3.0, n).astype(float).tolist() for n in (50, 60, 40, 60)]
    nodes = [[0, 1], [0, 1], [0, 2], [0, 2]]
    parts = pa.concat_tables([add_up(batch(demand[k::2], nodes[k::2])) for k in (0, 1)])
    whole, one = node_panel(parts, "day"), node_panel(add_up(batch(demand, nodes)), "day")
    np.testing.assert_array_equal(whole.demand, one.demand)
    assert whole.series_id.tolist() == ["0", "1", "2"]
    assert whole.cutoff == one.cutoff


def test_nodes_are_forecast_and_judged() -> None:
    rng = np.random.default_rng(1)
    demand = [rng.poisson(level, 120).astype(float).tolist() for level in (4.0, 6.0, 20.0)]
    found = _forecast(add_up(batch(demand, [[0], [0], [0, 1]])), settings=spec(CFG), period="day").to_pylist()
    mean = {row["at"]: np.mean(row["values"]) for row in found if row["cutoff"] is None}
    assert 25 < mean[0] < 35
    assert 16 < mean[1] < 24
    judged = [row for row in found if row["cutoff"] is not None]
    assert {row["cutoff"] for row in judged} == {CUTOFF - datetime.timedelta(7)}
    assert all(len(row["values"]) == 7 for row in judged)


def test_a_batch_of_series_is_moved_as_the_arrays_say() -> None:
    rng = np.random.default_rng(2)
    found = Multipliers(rng.normal(0, 0.1, (3, 2)), rng.normal(0, 0.1, (4, 2)), 0.6)
    mean, errors, variance = rng.gamma(3, 2, (5, 2)), rng.normal(0, 1, (5, 4)), rng.gamma(2, 1, 5)
    nodes = [[0, k % 3] if k % 3 else [0] for k in range(5)]
    columns = {"mean": mean.tolist(), "errors": errors.tolist(), "nodes": nodes, "variance": variance}
    table = pa.table({"series_id": [str(k) for k in range(5)], **columns})
    above = np.stack([found.node[each].sum(axis=0) for each in nodes])
    out = _adjust(table, found=found)
    np.testing.assert_allclose(out["moved"].to_pylist(), adjusted(mean, variance, errors, above, found))
