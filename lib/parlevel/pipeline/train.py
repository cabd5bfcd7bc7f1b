"""Stage train: features and profile -> one trained, judged and calibrated forecaster per SKU group.

Every group is one call of a grouped function in one worker; the function returns models, scores and
backtests together, so that training runs once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.features.channels import with_known_future
from parlevel.domain.forecast.compress import smaller_rows
from parlevel.domain.forecast.crossval import (
    ON_A_FOLD,
    GroupResult,
    ModelRow,
    Spec,
    in_content_order,
    train_group,
)
from parlevel.domain.forecast.memory import Use, within_memory
from parlevel.domain.forecast.registry import SHARED
from parlevel.domain.forecast.tune import Clock
from parlevel.domain.panel import Panel
from parlevel.domain.periods import Period
from parlevel.domain.stakes import COLUMNS
from parlevel.errors import DataError, offenders
from parlevel.pipeline import train_kept, train_rows
from parlevel.pipeline.train_groups import (
    GroupSize,
    assignment,
    group_sizes,
    grouped,
    has_deep,
    pick,
    predictions,
    teachers,
    union_columns,
    union_rows,
)
from parlevel.pipeline.train_shared import hand_out, sample, shared_models, take_over
from parlevel.pipeline.train_tuning import TAIL, search_shared, shares, tuning_rows, with_found
from parlevel.schemas import contract
from parlevel.spark.grouped import apply_groups
from parlevel.spark.scratch import Scratch
from parlevel.spark.session import cores
from parlevel.spark.tables import Tables, spark_schema

log = logging.getLogger(__name__)

TOLD = 200  # groups whose choice the log tells one by one; of more, the table models does

KINDS = ("models", "cv_scores", "backtest", "group_work", "tuning")
OUTPUT = union_columns(*(contract(name).data_columns for name in KINDS))


def run(tables: Tables, cfg: Config) -> str:
    """Train every group; write models, cv_scores, backtest and group_work, and tuning where there is a budget of time.

    Groups whose models an earlier run fitted for this one too (`train.refit_every`) are taken over.

    Raises:
        DataError: a group came back without a model row, or no group could be trained.
    """
    clock = Clock(cfg.train.budget) if cfg.train.budget else None
    terms = tables.read("supply_terms").select("series_id", *COLUMNS) if cfg.train.loss == "decision_cost" else None
    rows = grouped(tables.read("features"), tables.read("series_profile"), cfg=cfg, terms=terms)
    sizes = group_sizes(rows)
    names = [name for name in KINDS if clock or name != "tuning"]
    kept = train_kept.taken_over(tables, cfg)
    old = train_kept.frames(kept, rows, names) if kept else {}
    served = train_kept.groups(old)
    due = [size for size in sizes if size.group_id not in served]
    with Scratch(tables.spark, cfg, "train") as scratch:
        new = _fresh(rows, due, bool(served), scratch, cfg, clock) if due else {}
        made = {name: [each[name] for each in (old, new) if name in each] for name in names}
        whole = {name: reduce(DataFrame.unionByName, frames) for name, frames in made.items() if frames}
        tables.write_all(whole, files=8)
    told = f"; models of run {kept.run_id} serve {len(sizes) - len(due):,} of them" if kept else ""
    if clock and clock.left() < 0:
        over = f"it took {clock.budget_s - clock.left():.0f} s, more than its budget of {clock.budget_s:.0f} s"
        log.warning("%s: trials keep the budget, the training itself is never cut short", over)
        told += f"; {over}"
    return _report(tables.read("models"), len(sizes), cfg) + told


def _fresh(
    rows: DataFrame, due: Sequence[GroupSize], some: bool, scratch: Scratch, cfg: Config, clock: Clock | None
) -> dict[str, DataFrame]:
    """Tables of the groups `due`, `some` or all of the rows; models learned from all groups learn from all `rows`."""
    widest, spark = spec(cfg, deep=True), rows.sparkSession
    found = search_shared(sample(rows, cfg), widest, period=cfg.calendar.period, clock=clock) if clock else []
    shared = shared_models(rows, with_found(widest, found), cfg=cfg)
    models = scratch.keep(shared) if shared is not None else None
    mine = rows.where(F.col("group_id").isin([size.group_id for size in due])) if some else rows
    trained = scratch.keep(transform(mine, due, models, cfg=cfg, found=found, clock=clock))
    frames = {name: pick(trained, name, contract(name).data_columns) for name in KINDS}
    foreseen = F.broadcast(predictions(spark, due))
    frames["group_work"] = frames["group_work"].drop(*foreseen.columns[1:]).join(foreseen, "group_id")
    if found:
        of_all = spark.createDataFrame(found, spark_schema(contract("tuning")))
        frames["tuning"] = frames["tuning"].unionByName(of_all)
    return frames


def transform(
    rows: DataFrame,
    sizes: Sequence[GroupSize],
    shared: DataFrame | None = None,
    *,
    cfg: Config,
    found: Sequence[Mapping[str, Any]] = (),
    clock: Clock | None = None,
) -> DataFrame:
    """Train every group: rows of all tables, with the table's name in `kind`.

    Args:
        rows: from `train_groups.grouped`.
        sizes: of their groups.
        shared: from `train_shared.shared_models`.
        cfg: the configuration.
        found: from `train_tuning.search_shared`.
        clock: of the stage; None: no hyperparameters are searched for.
    """
    bound = cfg.train.max_loss_pct if cfg.train.compress else None
    plain, deep = (with_found(each, found) for each in (spec(cfg), spec(cfg, deep=True)))
    work = [(size.group_id, size.work) for size in sizes]
    budget = clock.left() - TAIL * clock.budget_s if clock else 0.0
    fn = partial(
        _train,
        plain=plain,
        deep=deep,
        period=cfg.calendar.period,
        max_loss_pct=bound,
        seconds=shares(work, cores(rows.sparkSession), budget) if clock else {},
    )
    return apply_groups(hand_out(rows, shared), ["group_id"], fn, OUTPUT, assignment=assignment(sizes))


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
    with Use() as use:
        learning = teachers(table)[0]
        parts = _parts(learning, group, chosen_spec, period, max_loss_pct)
    parts["group_work"] = train_rows.work(group, learning.num_rows, use)
    log.info("group %s took %.1f s", group, use.seconds)
    out = union_rows(parts, OUTPUT)
    kinds = pa.array([kind.split()[0] for kind in out["kind"].to_pylist()], pa.string())
    return out.set_column(0, "kind", kinds)


def _parts(
    learning: pa.Table, group: str, chosen_spec: Spec, period: Period, max_loss_pct: float | None
) -> dict[str, pa.Table]:
    """A group's rows of models, cv_scores, tuning and, one table a forecast, of backtest."""
    panel = with_known_future(Panel.from_arrow(learning, period))
    try:
        fit = partial(_fitted, whole=panel.n_series, spec=chosen_spec, max_loss_pct=max_loss_pct)
        (result, models), short = within_memory(in_content_order(panel), fit)
    except Exception as error:  # one group's failure is a row; its series fall back in the forecast stage
        log.warning("group %s could not be trained: %s", group, error)
        return {"models": train_rows.models([_failed(chosen_spec.floor, error)], group, panel, "")}
    log.info("group %s: %s", group, result.choice.reason)
    models = [replace(row, note=f"{row.note}; {short}" if row.note else short) for row in models] if short else models
    parts = {"models": train_rows.models(models, group, result.panel, result.data_key)}
    parts["cv_scores"], parts["tuning"] = train_rows.scores(result, group), tuning_rows(result.trials, group)
    for k, row in enumerate(result.backtest):
        parts[f"backtest {k}"] = train_rows.backtest(row, result.panel, group, chosen_spec)
    return parts


def _fitted(
    panel: Panel, stop_short: bool, *, whole: int, spec: Spec, max_loss_pct: float | None
) -> tuple[GroupResult, list[ModelRow]]:
    """A group's training, and the models that are kept of it; a further attempt has no time left to search in."""
    first = stop_short and panel.n_series == whole
    spec = replace(spec, stop_short=stop_short, budget_s=spec.budget_s if first else 0.0)
    result = train_group(panel, spec)
    return result, result.models if max_loss_pct is None else smaller_rows(result, spec, max_loss_pct)


def _failed(floor: str, error: Exception) -> ModelRow:
    note = f"the group could not be trained: {type(error).__name__}: {error}"
    return ModelRow(floor, False, 0.0, "json", b"", 0.0, [], {}, {}, "", 0.0, note)


def _report(models: DataFrame, n_groups: int, cfg: Config) -> str:
    """Check that every group has its models, and say which were chosen."""
    found = (
        models.groupBy("group_id")
        .agg(
            F.array_join(F.sort_array(F.collect_list(F.when(F.col("chosen"), F.col("model")))), "+").alias("chosen"),
            F.max(F.when(F.col("model") == cfg.train.floor, F.length("artifact"))).alias("floor"),
            F.first("note").alias("note"),
            F.max(F.when(F.col("note").startswith(ON_A_FOLD), F.concat_ws(" ", "model", "note"))).alias("failed"),
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
    failed = [f"{row['group_id']}: {row['failed']}" for row in found if row["failed"]]
    tail += f"; candidates that failed: {offenders(failed, n_groups)}" if failed else ""
    return f"{n_groups} groups: {words}{tail}"
