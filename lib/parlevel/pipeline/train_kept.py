"""Models that serve for some periods: the run that fitted all of them, and what a later run takes over of it.

With `train.refit_every` above 1, a run whose cutoff lies less than that many periods after that of a run which trained
every group keeps that run's groups and models, where code, settings, channels and the vocabulary of codes are the same;
it forecasts from its own, newer histories. Groups that came up since are trained. The run after that trains all anew.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.pipeline.identity import code_version
from parlevel.spark.periods import period_index
from parlevel.spark.tables import Tables

log = logging.getLogger(__name__)

SAME = ("source", "calendar", "seed", "clean", "features", "signals", "train", "forecast")
"""Sections of the configuration that make models what they are; the cutoff in `calendar` may differ."""

NUMBERED = {"products": ("category", "department", "brand"), "locations": ("location_id",)}
"""Columns whose sorted values are numbered: a value more would shift the numbers that models have learned."""


def find(tables: Tables, cfg: Config) -> Tables | None:
    """The newest run that trained every group and whose models serve this one; None where there is none.

    Args:
        tables: of the run; its panel, products, locations and features are written.
        cfg: its configuration.
    """
    if cfg.train.refit_every == 1 or not (tables.has("runs") and tables.has("models")):
        return None
    now = tables.read("panel").select("cutoff").head(1)[0]["cutoff"]
    for row in _serving(tables, cfg, now):
        found = of_run(tables, cfg, row["run_id"])
        reason = _moved(tables, found)
        if reason is None:
            log.info(
                "models of run=%s, fitted at %s, serve until they are %d periods old",
                row["run_id"],
                row["cutoff"],
                cfg.train.refit_every,
            )
            return found
        log.info("models of run=%s cannot serve: %s", row["run_id"], reason)
    return None


def of_run(tables: Tables, cfg: Config, run_id: str) -> Tables:
    """The tables of another run, with the runs whose output its stages stand for."""
    rows = tables.read_all("runs").where(F.col("run_id") == run_id).select("stage", "output_run_id")
    return Tables(
        tables.spark, cfg, run_id, {row["stage"]: row["output_run_id"] for row in rows.collect()}
    )  # bounded: stages


def assign(profile: DataFrame, kept: Tables | None) -> DataFrame:
    """`series_profile` with groups as they were when the models were fitted, and `kept_from`.

    Args:
        profile: contract `series_profile` without `kept_from`, grouped anew.
        kept: from `find`.

    Returns: series that were known keep their group; others join the group that they fall into, which is trained if
        it has no models; `kept_from` is the run whose models serve, null where the group is trained.
    """
    if kept is None:
        return profile.withColumn("kept_from", F.lit(None).cast("string"))
    known = kept.read("series_profile").select(
        "series_id", F.col("group_id").alias("_group"), F.col("high_volume").alias("_high")
    )
    served = kept.read("series_profile").select("group_id").distinct().withColumn("kept_from", F.lit(kept.run_id))
    return (
        profile.join(known, "series_id", "left")
        .withColumn("group_id", F.coalesce("_group", "group_id"))
        .withColumn("high_volume", F.coalesce("_high", "high_volume"))
        .drop("_group", "_high")
        .join(F.broadcast(served), "group_id", "left")
    )


def taken_over(tables: Tables, cfg: Config, also: Sequence[str] = ()) -> Tables | None:
    """The tables of the run whose models serve this one, as `series_profile` says; None where there is none.

    Args:
        tables: of the run.
        cfg: its configuration.
        also: sections of the configuration that must be the same beside those of the models.
    """
    named = tables.read("series_profile").where("kept_from IS NOT NULL").select("kept_from").head(1)
    if not named:
        return None
    if also:
        log_row = tables.read_all("runs").where(
            (F.col("run_id") == named[0]["kept_from"]) & (F.col("stage") == "train")
        )
        then, now = json.loads(log_row.select("config").head(1)[0]["config"]), cfg.model_dump(mode="json")
        if any(then.get(section) != now[section] for section in also):
            return None
    return of_run(tables, cfg, named[0]["kept_from"])


def frames(kept: Tables, rows: DataFrame, names: Sequence[str]) -> dict[str, DataFrame]:
    """The earlier run's rows of tables of stage train, for the groups and series that there still are.

    Args:
        kept: from `taken_over`.
        rows: from `train_groups.grouped`.
        names: the tables.
    """
    groups = F.broadcast(rows.select("group_id").distinct())
    out = {name: kept.read(name).join(groups, "group_id", "left_semi") for name in names if kept.has(name)}
    if "backtest" in out:
        out["backtest"] = out["backtest"].join(rows.select("series_id"), "series_id", "left_semi")
    return out


def groups(frames: Mapping[str, DataFrame]) -> set[str]:
    """Names of the groups that rows of `frames` have models of."""
    if "models" not in frames:
        return set()
    names = frames["models"].select("group_id").distinct().collect()  # bounded: one row a group
    return {row["group_id"] for row in names}


def _serving(tables: Tables, cfg: Config, now: date) -> list[Row]:
    """Rows of `runs` that trained every group, young enough and with the same settings, the newest first."""
    trained = tables.read_all("runs").where("stage = 'train' AND status = 'done'")
    period = cfg.calendar.period
    age = period_index(F.lit(now), period) - period_index(F.col("cutoff"), period)
    rows = trained.where(
        (F.col("code_version") == code_version())
        & (F.col("source") == cfg.source.name)
        & (F.col("cutoff") < F.lit(now))
        & (age < cfg.train.refit_every)
    ).select("run_id", "cutoff", "config", "started_at")
    wanted = _settings(cfg.model_dump(mode="json"))
    # bounded: runs of the last refit_every periods
    young = [row for row in rows.collect() if _settings(json.loads(row["config"])) == wanted]
    if not young:
        return []
    oldest = tables.read_all("models").where(F.col("run_id").isin([row["run_id"] for row in young]))
    fitted = {
        row["run_id"]: row["oldest"]
        for row in oldest.groupBy("run_id").agg(F.min("cutoff").alias("oldest")).collect()  # bounded: the runs above
    }
    whole = [row for row in young if fitted.get(row["run_id"]) == row["cutoff"]]
    return sorted(whole, key=lambda row: (row["cutoff"], row["started_at"]), reverse=True)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same of a configuration."""
    found = {name: config.get(name) for name in SAME}
    return {**found, "calendar": {k: v for k, v in (config.get("calendar") or {}).items() if k != "cutoff"}}


def _moved(tables: Tables, kept: Tables) -> str | None:
    """Why the models would misread this run's features; None where they would not."""
    if _channels(tables) != _channels(kept):
        return "the channels of features have changed"
    for name, columns in NUMBERED.items():
        for column in columns:
            if _values(tables.read(name), column) != _values(kept.read(name), column):
                return f"{name}.{column} has other values than when they were fitted"
    return None


def _channels(tables: Tables) -> list[str]:
    return list(tables.read("features").select("channels").head(1)[0]["channels"])


def _values(frame: DataFrame, column: str) -> tuple[int, int]:
    """(number, hash) of a column's values."""
    values = frame.select(column).where(F.col(column).isNotNull()).distinct()
    row = values.agg(F.count("*").alias("n"), F.bit_xor(F.xxhash64(column)).alias("hash")).head(1)[0]
    return int(row["n"]), int(row["hash"] or 0)
