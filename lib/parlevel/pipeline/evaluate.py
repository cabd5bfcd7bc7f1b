"""Stage evaluate: how good the forecasts were on held-back folds, and what the plans would have been worth."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.evaluate import accuracy
from parlevel.pipeline import evaluate_frontier, evaluate_service, train_kept
from parlevel.pipeline.evaluate_limits import BY_HAND, KEPT, play_limits
from parlevel.pipeline.evaluate_rows import CHOSEN, as_known_before, simulation_rows
from parlevel.pipeline.plays import MEASURES, PERFECT, Plays, Setting, parameters_of, season_of, simulate
from parlevel.pipeline.replenish_baskets import basket_terms
from parlevel.pipeline.replenish_decided import decided
from parlevel.schemas import contract, of_stage
from parlevel.spark.grouped import apply_groups, map_packed
from parlevel.spark.tables import Tables, spark_schema

log = logging.getLogger(__name__)


def run(tables: Tables, cfg: Config) -> str:
    """Measure; write accuracy, inventory_kpi, frontier and service.

    Raises:
        DataError: there is no backtest of the chosen forecasts to simulate on.
    """
    if told := _as_played(tables, cfg):
        return told
    backtest, profile = tables.read("backtest"), tables.read("series_profile")
    frames = {"accuracy": forecast_accuracy(backtest, profile)}
    terms, panel = basket_terms(tables, cfg), tables.read("panel")
    rows = decided(tables, simulation_rows(backtest, profile, terms, panel, cfg=cfg), cfg)
    n_series = profile.count()
    n_played = min(n_series, cfg.evaluate.max_series or n_series)
    varied = evaluate_frontier.settings(cfg, n_played)
    served = evaluate_service.settings(cfg, n_played)
    plays = {**own_plays(cfg), **{(each.entry, name): each for name, each in (varied | served).items()}}
    found = simulate(rows, plays, cfg.evaluate.segments, cfg=cfg)
    limited = play_limits(tables, terms, own_plays(cfg), cfg)
    by_hand = sum(row["n_series"] for row in limited if row["segment"] == BY_HAND)
    whole = [*found, *(row for row in limited if row["segment"] != BY_HAND)]
    frames["inventory_kpi"] = _frame(rows, "inventory_kpi", _kpi_rows(whole))
    if varied:
        curves = evaluate_frontier.rows([row for row in found if row["setting"] in varied], varied)
        frames["frontier"] = _frame(rows, "frontier", curves)
    if served or cfg.replenish.policy in MEASURES:
        reached = evaluate_service.rows(found, served, cfg)
        frames["service"] = _frame(rows, "service", reached)
    tables.write_all(frames, files=1)
    drawn = f" (drawn from {n_series:,}: evaluate.max_series)" if n_played < n_series else ""
    failed = f"; the solver found no plan for {by_hand} decisions with limits, made by hand instead" if by_hand else ""
    return _report(tables, cfg) + drawn + failed


def _as_played(tables: Tables, cfg: Config) -> str:
    """Take over what the run measured that fitted the models, with the same policies; empty where it measured nothing.

    The held-back folds and their forecasts are that run's: playing them again would tell the same.
    """
    kept = train_kept.taken_over(tables, cfg, ("replenish", "evaluate"))
    if kept is None:
        return ""
    found = {table.name: kept.read(table.name) for table in of_stage("evaluate") if kept.has(table.name)}
    measured = {name: frame for name, frame in found.items() if not frame.isEmpty()}
    if "inventory_kpi" not in measured:
        return ""
    tables.write_all(measured, files=1)
    return f"{_report(tables, cfg)} (measured by run {kept.run_id}, which fitted the models)"


def own_plays(cfg: Config) -> Plays:
    """What every series is played with: the policy in use, the baseline, and `optimal` told what came.

    A policy that is its own baseline is played once, with the parameters that it is used with.
    """
    sure = {"season": season_of(cfg), "n_paths": 8, "passes": 2}
    return {
        (cfg.evaluate.baseline, ""): Setting(cfg.evaluate.baseline, cfg.evaluate.baseline_parameters),
        (cfg.replenish.policy, ""): Setting(cfg.replenish.policy, parameters_of(cfg.replenish.policy, cfg)),
        (PERFECT, ""): Setting("optimal", sure),
    }


def _kpi_rows(found: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    names = [column.name for column in contract("inventory_kpi").data_columns]
    return [tuple(row[name] for name in names) for row in found if not row["setting"]]


def _frame(rows: DataFrame, table: str, values: list[tuple[Any, ...]]) -> DataFrame:
    return rows.sparkSession.createDataFrame(values, spark_schema(contract(table)))


def forecast_accuracy(backtest: DataFrame, profile: DataFrame) -> DataFrame:
    """Contract `accuracy`: the newest fold, which neither chose nor calibrated a model; segment `fold` has them all."""
    newest = backtest.agg(F.max("fold")).head(1)[0][0]
    labels = as_known_before(profile).select("series_id", "pattern", "velocity")
    rows = backtest.join(labels, "series_id", "left").fillna("unknown", ["pattern", "velocity"])
    held = ["all", "group", "step", "pattern", "velocity"]
    sums = map_packed(
        rows.where(F.col("fold") == newest), partial(accuracy.partial_sums, segments=held), accuracy.SUMS
    ).unionByName(map_packed(rows, partial(accuracy.partial_sums, segments=["fold"]), accuracy.SUMS))
    keys = ["model", "segment", "statistic"]
    totals = sums.groupBy(*keys).agg(F.sum("high").alias("high"), F.sum("low").alias("low"))
    columns = contract("accuracy").data_columns
    return apply_groups(totals, ["model", "segment"], accuracy.finish, columns, partitions=2)


def _report(tables: Tables, cfg: Config) -> str:
    """The plan against the baseline in one line."""
    kpi = tables.read("inventory_kpi").where(F.col("segment").isin("all", KEPT))
    rows = {(row["segment"], row["policy"]): row for row in kpi.collect()}  # bounded: policies
    wape = tables.read("accuracy").where(f"segment = 'all' and metric = 'wape' and model = '{CHOSEN}'").head(1)
    first = f"WAPE {wape[0]['value']:.1%} on the held-back fold; " if wape and wape[0]["value"] is not None else ""
    own, base = (rows["all", name] for name in (cfg.replenish.policy, cfg.evaluate.baseline))
    told = f"{first}{own['n_series']:,} series played over {own['n_periods']} periods: {_against(own, base)}"
    if (KEPT, own["policy"]) not in rows:
        return told
    own, base = (rows[KEPT, name] for name in (cfg.replenish.policy, cfg.evaluate.baseline))
    return f"{told}; with the limits of their groups kept, {own['n_series']:,} series: {_against(own, base)}"


def _against(own: Row, base: Row) -> str:
    saved = 1.0 - own["total_cost"] / base["total_cost"] if base["total_cost"] else 0.0
    return (
        f"{own['policy']} costs {own['total_cost']:,.0f} (fill rate {own['fill_rate'] or 0:.1%}), {base['policy']} "
        f"{base['total_cost']:,.0f} ({base['fill_rate'] or 0:.1%}): {saved:+.1%} saved"
    )
