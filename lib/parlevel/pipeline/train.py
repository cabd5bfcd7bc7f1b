"""Stage train: features and profile -> one trained, judged and calibrated forecaster per SKU group.

Every group is one call of a grouped function in one worker; the function returns models, scores and
backtests together, so that training runs once.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.features.channels import with_known_future
from parlevel.domain.forecast.build import libraries
from parlevel.domain.forecast.compress import smaller_rows
from parlevel.domain.forecast.crossval import BacktestRow, GroupResult, ModelRow, Spec, train_group
from parlevel.domain.forecast.registry import SHARED
from parlevel.domain.forecast.tune import Clock
from parlevel.domain.panel import Panel, rows_to_lists
from parlevel.domain.periods import Period, to_date
from parlevel.errors import DataError, offenders
from parlevel.pipeline.train_groups import (
    MAX_TASKS,
    grouped,
    has_deep,
    pick,
    predicted_work,
    teachers,
    union_columns,
    union_rows,
)
from parlevel.pipeline.train_shared import hand_out, sample, shared_models, take_over
from parlevel.pipeline.train_tuning import TAIL, search_shared, shares, tuning_rows, with_found
from parlevel.schemas import contract
from parlevel.spark.balance import longest_first
from parlevel.spark.grouped import apply_groups
from parlevel.spark.scratch import Scratch
from parlevel.spark.session import cores
from parlevel.spark.tables import Tables, spark_schema

log = logging.getLogger(__name__)

TOLD = 200  # groups whose choice the log tells one by one; of more, the table models does

KINDS = ("models", "cv_scores", "backtest", "tuning")
OUTPUT = union_columns(*(contract(name).data_columns for name in KINDS))


def run(tables: Tables, cfg: Config) -> str:
    """Train every group; write models, cv_scores and backtest, and tuning where there is a budget of time.

    Raises:
        DataError: a group came back without a model row, or no group could be trained.
    """
    clock = Clock(cfg.train.budget) if cfg.train.budget else None
    rows = grouped(tables.read("features"), tables.read("series_profile"), cfg=cfg)
    n_groups = rows.select("group_id").distinct().count()
    with Scratch(tables.spark, cfg, "train") as scratch:
        found = (
            search_shared(sample(rows, cfg), spec(cfg, deep=True), period=cfg.calendar.period, clock=clock)
            if clock
            else []
        )
        shared = shared_models(rows, with_found(spec(cfg, deep=True), found), cfg=cfg)
        models = scratch.keep(shared) if shared is not None else None
        trained = scratch.keep(transform(rows, models, cfg=cfg, found=found, clock=clock))
        frames = {name: pick(trained, name, contract(name).data_columns) for name in KINDS if clock or name != "tuning"}
        if found:
            of_all = tables.spark.createDataFrame(found, spark_schema(contract("tuning")))
            frames["tuning"] = frames["tuning"].unionByName(of_all)
        for name, frame in frames.items():
            tables.write(name, frame, files=8)
    return _report(tables.read("models"), n_groups, cfg)


def transform(
    rows: DataFrame,
    shared: DataFrame | None = None,
    *,
    cfg: Config,
    found: Sequence[Mapping[str, Any]] = (),
    clock: Clock | None = None,
) -> DataFrame:
    """Train every group: rows of all tables, with the table's name in `kind`.

    Args:
        rows: from `train_groups.grouped`.
        shared: from `train_shared.shared_models`.
        cfg: the configuration.
        found: from `train_tuning.search_shared`.
        clock: of the stage; None: no hyperparameters are searched for.
    """
    bound = cfg.train.max_loss_pct if cfg.train.compress else None
    plain, deep = (with_found(each, found) for each in (spec(cfg), spec(cfg, deep=True)))
    work = predicted_work(rows)
    budget = clock.left() - TAIL * clock.budget_s if clock else 0.0
    fn = partial(
        _train,
        plain=plain,
        deep=deep,
        period=cfg.calendar.period,
        max_loss_pct=bound,
        seconds=shares(work, cores(rows.sparkSession), budget) if clock else {},
    )
    return apply_groups(hand_out(rows, shared), ["group_id"], fn, OUTPUT, assignment=longest_first(work, MAX_TASKS))


def spec(cfg: Config, deep: bool = False) -> Spec:
    """What training needs of the configuration; `deep`: with the models that only high-volume series get.

    Raises:
        ConfigError: a candidate is unknown or has a parameter that it does not know.
    """
    offered = [c for c in cfg.train.candidates if c.only == "all" or (deep and has_deep(cfg))]
    made = Spec(
        horizon=cfg.calendar.horizon,
        levels=tuple(cfg.forecast.levels),
        candidates=tuple((SHARED * (c.scope == "all") + c.model, dict(c.parameters)) for c in offered),
        floor=cfg.train.floor,
        folds=cfg.train.folds,
        fold_step=cfg.train.fold_step,
        loss=cfg.train.loss,
        blend=cfg.train.blend,
        seed=cfg.seed,
        shared={
            "lags": list(cfg.features.lags),
            "windows": list(cfg.features.windows),
            "halflives": list(cfg.features.halflives),
        },
    )
    for name in made.offered():
        made.build(name)
    return made


def _train(
    table: pa.Table,
    *,
    plain: Spec,
    deep: Spec,
    period: Period,
    max_loss_pct: float | None = None,
    seconds: Mapping[str, float] | None = None,
) -> pa.Table:
    """One group's rows in, rows of all tables out; a group that fails becomes a row that says so.

    Args:
        table: the group's rows.
        plain, deep: what to train: a usual group, one of high-volume series.
        period: length of a period.
        max_loss_pct: loss that a smaller variant may cost, percent; None: none is made.
        seconds: group -> its part of the budget of time; none: no hyperparameters are searched for.
    """
    table, ready = take_over(table)
    group, high = table["group_id"][0].as_py(), bool(table["high_volume"][0].as_py())
    chosen_spec = replace(deep if high else plain, ready=ready, budget_s=(seconds or {}).get(group, 0.0))
    started = time.perf_counter()
    panel = with_known_future(Panel.from_arrow(teachers(table)[0], period))
    try:
        result = train_group(panel, chosen_spec)
        models = smaller_rows(result, chosen_spec, max_loss_pct) if max_loss_pct is not None else result.models
    except Exception as error:  # one group's failure is a row; its series fall back in the forecast stage
        log.warning("group %s could not be trained: %s", group, error)
        rows = [_failed(chosen_spec.floor, error)]
        return union_rows({"models": _models(rows, group, panel, "")}, OUTPUT)
    log.info("group %s: %s, %.1f s", group, result.choice.reason, time.perf_counter() - started)
    parts = {"models": _models(models, group, result.panel, result.data_key)}
    parts["cv_scores"], parts["tuning"] = _scores(result, group), tuning_rows(result.trials, group)
    for k, row in enumerate(result.backtest):
        parts[f"backtest {k}"] = _backtest(row, result.panel, group, chosen_spec)
    out = union_rows(parts, OUTPUT)
    kinds = pa.array([kind.split()[0] for kind in out["kind"].to_pylist()], pa.string())
    return out.set_column(0, "kind", kinds)


def _failed(floor: str, error: Exception) -> ModelRow:
    note = f"the group could not be trained: {type(error).__name__}: {error}"
    return ModelRow(floor, False, 0.0, "json", b"", 0.0, [], {}, {}, "", 0.0, note)


def _models(rows: list[ModelRow], group: str, panel: Panel, key: str) -> pa.Table:
    """Rows of the contract `models`."""
    cutoff = _date(panel, panel.cutoff)
    return pa.table(
        {
            "group_id": [group] * len(rows),
            "model": [row.model for row in rows],
            "cutoff": [cutoff] * len(rows),
            "chosen": [row.chosen for row in rows],
            "weight": [row.weight for row in rows],
            "format": [row.format for row in rows],
            "artifact": pa.array([row.artifact for row in rows], pa.binary()),
            "size_bytes": pa.array([len(row.artifact) for row in rows], pa.int64()),
            "n_series": [panel.n_series] * len(rows),
            "fit_seconds": [row.fit_seconds for row in rows],
            "features": pa.array([row.features for row in rows], pa.list_(pa.string())),
            "importances": _map([row.importances for row in rows], pa.float64()),
            "hyperparameters": [json.dumps(row.hyperparameters, sort_keys=True) for row in rows],
            "metrics": _map([row.metrics for row in rows], pa.float64()),
            "calibration": [row.calibration for row in rows],
            "path_correlation": [row.path_correlation for row in rows],
            "data_key": [key] * len(rows),
            "libraries": _map([libraries(row.format) for row in rows], pa.string()),
            "note": pa.array([row.note for row in rows], pa.string()),
        }
    )


def _scores(result: GroupResult, group: str) -> pa.Table:
    """Rows of the contract `cv_scores`."""
    rows = result.scores
    n_series = [int((each.available & ~np.isnan(each.mean)).any(axis=1).sum()) for _, each, _ in rows]
    return pa.table(
        {
            "group_id": [group] * len(rows),
            "model": pa.array([name for name, _, _ in rows], pa.string()),
            "fold": pa.array([each.fold for _, each, _ in rows], pa.int32()),
            "cutoff": pa.array([_date(result.panel, each.cutoff) for _, each, _ in rows], pa.date32()),
            "n_series": pa.array(n_series, pa.int32()),
            "metrics": _map([found for _, _, found in rows], pa.float64()),
            "seconds": pa.array([each.seconds for _, each, _ in rows], pa.float64()),
        }
    )


def _backtest(row: BacktestRow, panel: Panel, group: str, spec: Spec) -> pa.Table:
    """Rows of the contract `backtest`: the group's series that the model forecast at one past cutoff."""
    each = row.result
    keep = np.flatnonzero(~np.isnan(each.mean).any(axis=1) & ~np.isnan(each.quantiles).any(axis=(1, 2)))
    n = len(keep)
    levels = np.tile(np.asarray(spec.levels, np.float64), (n, 1))
    return pa.table(
        {
            "series_id": pa.array(panel.series_id[keep], pa.string()),
            "group_id": pa.array([group] * n, pa.string()),
            "model": pa.array([row.model] * n, pa.string()),
            "cutoff": pa.array([_date(panel, each.cutoff)] * n, pa.date32()),
            "fold": pa.array([each.fold] * n, pa.int32()),
            "actual": _lists(each.actual[keep]),
            "available": _lists(each.available[keep]),
            "mean": _lists(each.mean[keep]),
            "levels": rows_to_lists(levels, pa.float64()),
            "quantiles": _lists(each.quantiles[keep].reshape(n, spec.horizon * len(spec.levels))),
            "naive_mae": pa.array(each.naive_mae[keep], pa.float64()),
            "naive_mse": pa.array(each.naive_mse[keep], pa.float64()),
            "path_correlation": pa.array([row.path_correlation] * n, pa.float64()),
        }
    )


def _lists(matrix: np.ndarray) -> pa.Array:
    return rows_to_lists(matrix.astype(np.float32), pa.float32())


def _map(rows: Sequence[Mapping[str, object]], kind: pa.DataType) -> pa.Array:
    return pa.array([sorted(row.items()) for row in rows], pa.map_(pa.string(), kind))


def _date(panel: Panel, cutoff: int) -> object:
    return to_date(np.array([cutoff]), panel.period)[0].item()


def _report(models: DataFrame, n_groups: int, cfg: Config) -> str:
    """Check that every group has its models, and say which were chosen."""
    found = (
        models.groupBy("group_id")
        .agg(
            F.array_join(F.sort_array(F.collect_list(F.when(F.col("chosen"), F.col("model")))), "+").alias("chosen"),
            F.max(F.when(F.col("model") == cfg.train.floor, F.length("artifact"))).alias("floor"),
            F.first("note").alias("note"),
        )
        .orderBy("group_id")
        .collect()  # bounded: one row a group
    )
    if len(found) != n_groups:
        raise DataError(f"every group must have a model row. Got {len(found)} of {n_groups} groups. Run train again.")
    lost = [f"{row['group_id']}: {row['note']}" for row in found if not row["floor"]]
    if lost and len(lost) == n_groups:
        raise DataError(f"no group could be trained: {offenders(lost, n_groups)}. Look at the notes in table models.")
    counts: dict[str, int] = {}
    level = logging.INFO if n_groups <= TOLD else logging.DEBUG
    for row in found:
        log.log(level, "group=%s: %s", row["group_id"], row["chosen"] or row["note"])
        counts[row["chosen"] or "nothing"] = counts.get(row["chosen"] or "nothing", 0) + 1
    words = ", ".join(f"{name} in {n}" for name, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    tail = f"; not trained: {offenders(lost, n_groups)}" if lost else ""
    return f"{n_groups} groups: {words}{tail}"
