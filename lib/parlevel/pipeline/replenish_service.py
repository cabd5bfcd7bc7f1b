"""What a policy on service must be asked for so that it reaches its target: learned at past cutoffs, by segment.

Whole cases and minimums serve more than is asked for, a forecast that was too low less. The older folds are played at
several levels; what was reached at each, in the table service_curve, tells the level that reaches a series' target.
The newest held-back cutoff has no say: what it is worth is measured there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.pipeline.evaluate_rows import segment
from parlevel.pipeline.plays import MEASURES, SERVICE, Setting, season_of
from parlevel.pipeline.replenish_past import ALL, share, write_learned
from parlevel.spark.tables import Tables

TABLE = "service_curve"
LEVELS = (0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96, 0.99)
# Order cycles below which a segment's curve is too much chance: it takes the curve of all series.
LEAST = 400


def learn(tables: Tables, cfg: Config) -> None:
    """Play the levels over the older folds and write the table; nothing unless `replenish.hit_target`.

    Raises:
        DataError: there is no older fold to learn from.
    """
    if not cfg.replenish.hit_target:
        return
    name, part = asked_policy(cfg), share(tables, cfg)
    own = {**cfg.replenish.parameters} if name == cfg.replenish.policy else {}
    own = {"season": season_of(cfg), "seed": cfg.seed, **own}
    plays = {(name, f"{level:g}"): Setting(name, {**own, MEASURES[name]: level}, level, part) for level in LEVELS}
    write_learned(tables, cfg, TABLE, plays, partial(curves, measure=MEASURES[name]), "replenish.hit_target")


def asked_policy(cfg: Config) -> str:
    """The policy whose service is learned: the one in use, where it is asked for service."""
    return cfg.replenish.policy if cfg.replenish.policy in MEASURES else SERVICE


def curves(found: Sequence[Mapping[str, Any]], measure: str) -> list[dict[str, Any]]:
    """Rows of `service_curve`: what was reached at each level, in segments with enough order cycles.

    Args:
        found: a setting, segment and cutoff each, with its sums.
        measure: cycle_service_level or fill_rate.
    """
    made: dict[tuple[str, float], dict[str, Any]] = {}
    for row in found:
        key = (row["segment"].removeprefix("choice:"), float(row["setting"]))
        entry = made.setdefault(key, {"segment": key[0], "level": key[1], "n_cycles": 0.0, "met": 0.0, "of": 0.0})
        top, bottom = (
            (row["served"], row["cycles"]) if measure == "cycle_service_level"
            else (row["demand"] - row["unmet"], row["demand"])
        )  # fmt: skip
        entry["met"], entry["of"] = entry["met"] + top, entry["of"] + bottom
        entry["n_cycles"] += row["cycles"]
    known = [each for _, each in sorted(made.items()) if each["of"] > 0]
    enough = [each for each in known if each["segment"] == ALL or each["n_cycles"] >= LEAST]
    for each in enough:
        # More asked for serves no less; what says otherwise is chance.
        same = [one["met"] / one["of"] for one in enough if one["segment"] == each["segment"]
                and one["level"] <= each["level"]]  # fmt: skip
        each["realised"] = float(np.max(same))
        each["n_cycles"] = round(each["n_cycles"])
    return enough


def with_asked(rows: DataFrame, curve: DataFrame, profile: DataFrame, cfg: Config) -> DataFrame:
    """Packed rows with the service to ask for: where their segment's curve reaches their target.

    A target above or below all that was reached asks for the highest or lowest level; between two levels the line.

    Args:
        rows: columns `PACKED` and more.
        curve: contract `service_curve`.
        profile: contract `series_profile`.
        cfg: says what segments share.
    """
    points = F.array_sort(F.collect_list(F.struct("level", "realised")))
    packed = curve.groupBy("segment").agg(points.alias("points"))
    known = profile.select("series_id", segment(cfg).alias("segment"))
    whole = packed.where(F.col("segment") == ALL).select(F.col("points").alias("_all"))
    own = (
        known.join(F.broadcast(packed), "segment", "left")
        .crossJoin(F.broadcast(whole))
        .select("series_id", F.coalesce("points", "_all").alias("_points"))
    )
    return rows.join(own, "series_id").withColumn("asked", _level(F.col("_points"), F.col("target"))).drop("_points")


def _level(points: Column, target: Column) -> Column:
    """The level at which a curve reaches a target, on the line between two of its points."""
    below = F.size(F.filter(points, lambda point: point["realised"] < target))
    low = F.element_at(points, F.greatest(below, F.lit(1)))
    high = F.element_at(points, F.least(below + 1, F.size(points)))
    rise = high["realised"] - low["realised"]
    part = F.when(rise > 0, (target - low["realised"]) / rise).otherwise(F.lit(0.0))
    inside = low["level"] + F.greatest(F.least(part, F.lit(1.0)), F.lit(0.0)) * (high["level"] - low["level"])
    return F.when(below == 0, F.element_at(points, 1)["level"]).otherwise(inside)
