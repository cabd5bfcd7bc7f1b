"""The time budget of stage train: what each group may use of it, and the search for models that all groups share."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.domain.features.channels import with_known_future
from parlevel.domain.forecast.crossval import in_content_order
from parlevel.domain.forecast.shared import is_shared
from parlevel.domain.forecast.spec import Spec
from parlevel.domain.forecast.tune import Clock, Plan, Trial, older_cuts, search, tunable, tuned_name
from parlevel.domain.forecast.tune_group import judge_on
from parlevel.domain.panel import Panel
from parlevel.domain.periods import Period
from parlevel.schemas import contract
from parlevel.spark.balance import longest_first
from parlevel.spark.grouped import apply_groups
from parlevel.spark.session import cores

log = logging.getLogger(__name__)

ALL = "all"
"""What stands for the group where one model is learned from all groups."""

SHARED_PART = 0.5
"""Share of the budget in which the models of all groups are searched for and fitted."""

TAIL = 0.15
"""Share of the budget kept for starting workers and writing tables."""

FOUND = contract("tuning").data_columns


def shares(work: Sequence[tuple[str, float]], n_cores: int, seconds: float) -> dict[str, float]:
    """Seconds of each group, so that the groups of a core together keep the time.

    Args:
        work: (group, predicted work) pairs.
        n_cores: tasks at once.
        seconds: wall time for all groups.

    >>> shares([("a", 3.0), ("b", 2.0), ("c", 2.0)], 2, 60.0)
    {'a': 60.0, 'b': 30.0, 'c': 30.0}
    """
    placed = longest_first(work, n_cores)
    load: dict[int, float] = {}
    for group, each in work:
        load[placed.task[group]] = load.get(placed.task[group], 0.0) + each
    return {group: max(0.0, seconds) * each / load[placed.task[group]] for group, each in work}


def search_shared(sample: DataFrame, spec: Spec, *, period: Period, clock: Clock) -> list[dict[str, Any]]:
    """Search for better hyperparameters of the models learned from all groups; rows of the contract `tuning`.

    Every core walks a way of its own from what the configuration says, on its own copy of the sample.

    Args:
        sample: series to learn from.
        spec: the widest spec.
        period: length of a period.
        clock: of the stage.
    """
    names = [name for name in spec.offered() if is_shared(name) and tunable(name)]
    if not names:
        return []
    spark = sample.sparkSession
    n_cores = cores(spark)
    walks = max(1, n_cores // len(names))
    made = [(f"{name}/{k}", name, k) for name in names for k in range(walks)]
    tasks = spark.createDataFrame(made, "task string, shared_name string, walk int")
    begun = -(-len(made) // n_cores)
    seconds = SHARED_PART * clock.budget_s - (clock.budget_s - clock.left())
    # the model as it is and the one found, at every fold's cutoff and the last
    plan = Plan(refits=2.0 * len(names) * (spec.folds + 1) / n_cores)
    fn = partial(walk, spec=spec, period=period, seconds=max(0.0, seconds) / begun, plan=plan)
    work = longest_first([(task, 1.0) for task, _, _ in made], len(made))
    rows = apply_groups(sample.crossJoin(F.broadcast(tasks)), ["task"], fn, FOUND, assignment=work)
    found = [row.asDict() for row in rows.collect()]  # bounded: trials of a few models
    return _together(found)


def walk(table: pa.Table, *, spec: Spec, period: Period, seconds: float, plan: Plan) -> pa.Table:
    """One search in its worker.

    Args:
        table: the sample's rows with `shared_name` and `walk`.
        spec: the widest spec.
        period: length of a period.
        seconds: budget.
        plan: what must fit in it after the search.

    Returns: rows of the contract `tuning`.
    """
    clock = Clock(seconds)
    name, number = table["shared_name"][0].as_py(), table["walk"][0].as_py()
    levels = np.asarray(spec.levels, np.float64)
    panel = in_content_order(with_known_future(Panel.from_arrow(table, period)))
    at = older_cuts(panel, spec.horizon, spec.folds, spec.fold_step)
    given = {name: spec.offered()[name]}
    trials = search(given, at, judge_on(panel, spec, levels), clock, plan, spec.seed + number)
    return tuning_rows(trials, ALL)


def with_found(spec: Spec, rows: Sequence[Mapping[str, Any]]) -> Spec:
    """The spec with the models found as further candidates, where it offers the models that they came from."""
    known = spec.offered()
    better = {
        tuned_name(row["model"]): {**known[row["model"]], **json.loads(row["parameters"])}
        for row in rows
        if row["chosen"] and row["model"] in known
    }
    return replace(spec, candidates=(*spec.candidates, *better.items())) if better else spec


def tuning_rows(trials: Sequence[Trial], group: str) -> pa.Table:
    """Rows of the contract `tuning`."""
    return pa.table(
        {
            "group_id": pa.array([group] * len(trials), pa.string()),
            "model": pa.array([trial.model for trial in trials], pa.string()),
            "trial": pa.array([trial.number for trial in trials], pa.int32()),
            "parameters": [json.dumps(dict(trial.parameters), sort_keys=True) for trial in trials],
            "losses": pa.array([list(trial.losses) for trial in trials], pa.list_(pa.float64())),
            "loss": pa.array([trial.loss if np.isfinite(trial.loss) else None for trial in trials], pa.float64()),
            "seconds": pa.array([trial.seconds for trial in trials], pa.float64()),
            "chosen": pa.array([trial.chosen for trial in trials], pa.bool_()),
            "stopped": pa.array([trial.stopped for trial in trials], pa.string()),
        }
    )


def _together(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Trials of all walks of a model, numbered through, the configuration's first, the best of the best chosen."""
    out = []
    for name in sorted({row["model"] for row in found}):
        mine = sorted((row for row in found if row["model"] == name), key=lambda row: (row["trial"], row["parameters"]))
        first = [row for row in mine if row["trial"] == 0][:1]
        mine = first + [row for row in mine if row["trial"] > 0]
        best = min((row for row in mine if row["chosen"]), key=lambda row: row["loss"], default=None)
        out += [{**row, "trial": k, "chosen": row is best} for k, row in enumerate(mine)]
    return out
