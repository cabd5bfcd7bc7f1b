"""The policy auto: each segment gets the policy that cost least after past cutoffs, in the table policy_choice.

The newest held-back cutoff has no say: what the choice is worth is measured there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.replenish.registry import AUTO
from parlevel.pipeline.evaluate_rows import segment
from parlevel.pipeline.plays import Setting, parameters_of
from parlevel.pipeline.replenish_past import ALL, share, write_learned
from parlevel.spark.tables import Tables

TABLE = "policy_choice"
# Series-cutoffs below which a segment's costs are too much chance: it takes the choice of all series.
LEAST = 30
PAST = "past cutoffs"


def choose(tables: Tables, cfg: Config) -> None:
    """Play the policies over the older folds and write the table; nothing unless `replenish.policy` is auto.

    Raises:
        DataError: there is no older fold to choose on.
    """
    if cfg.replenish.policy != AUTO:
        return
    part = share(tables, cfg)
    plays = {(name, PAST): Setting(name, parameters_of(name, cfg), share=part) for name in cfg.replenish.choose_from}
    write_learned(tables, cfg, TABLE, plays, cheapest, "replenish.policy auto")


def cheapest(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `policy_choice`: the costs of each policy in each segment, and which is chosen.

    Args:
        found: a policy, segment and cutoff each, with sums and ratios.
    """
    keys = sorted({(row["segment"], row["policy"]) for row in found})
    made = []
    for name, policy in keys:
        own = [row for row in found if (row["segment"], row["policy"]) == (name, policy)]
        demand = sum(row["demand"] for row in own)
        made.append({
            "segment": name.removeprefix("choice:"), "policy": policy, "n_cutoffs": len(own),
            "n_played": sum(row["n_series"] for row in own), "total_cost": sum(row["total_cost"] for row in own),
            "fill_rate": 1.0 - sum(row["unmet"] for row in own) / demand if demand else None, "chosen": False,
        })  # fmt: skip
    for name in {row["segment"] for row in made}:
        own = [row for row in made if row["segment"] == (name if _enough(made, name) else ALL)]
        best = min(own, key=lambda row: (row["total_cost"], row["policy"]))["policy"]
        for row in made:
            row["chosen"] |= row["segment"] == name and row["policy"] == best
    return made


def _enough(made: Sequence[Mapping[str, Any]], name: str) -> bool:
    return all(row["n_played"] >= LEAST for row in made if row["segment"] == name)


def with_policies(rows: DataFrame, chosen: DataFrame, profile: DataFrame, cfg: Config) -> DataFrame:
    """Packed rows with the policy of their segment; what was never played has that of all series.

    Args:
        rows: columns `PACKED` and more; of series, or of nodes, which are in no segment.
        chosen: contract `policy_choice`.
        profile: contract `series_profile`.
        cfg: says what segments share.
    """
    best = chosen.where("chosen").select("segment", F.col("policy").alias("_own"))
    other: Column = F.lit(best.where(F.col("segment") == ALL).head(1)[0]["_own"])
    known = profile.select("series_id", segment(cfg).alias("segment"))
    own = known.join(F.broadcast(best), "segment").select("series_id", "_own")
    return rows.join(own, "series_id", "left").withColumn("policy", F.coalesce("_own", other)).drop("_own")
