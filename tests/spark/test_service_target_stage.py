"""Policies that ask for what reaches the target, on Spark: learned at older cutoffs, judged at the newest."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from stock_tables import shop, written

from parlevel.config import load
from parlevel.pipeline import evaluate, replenish
from parlevel.pipeline.replenish_decided import decided
from parlevel.pipeline.replenish_rows import packed
from parlevel.pipeline.replenish_service import LEVELS, learn

pytestmark = pytest.mark.spark
SETS = (
    "calendar.horizon=14", "replenish.n_paths=16", "replenish.policy=safety_stock_csl", "evaluate.frontier_series=0",
    "replenish.choose_by=[velocity]", "replenish.hit_target=true",
)  # fmt: skip


def test_the_level_that_reached_the_target_is_asked_for(spark: SparkSession, tmp_path) -> None:
    cfg = load(sets=[f"paths.warehouse={tmp_path}", *SETS])
    shown = shop(spark, 14, n=64, failed=0)
    spread = 0.5 + 0.49 * F.rand(3)
    shown["supply_terms"] = shown["supply_terms"].withColumn("target", F.round(spread, 2))
    tables = written(spark, cfg, shown)
    learn(tables, cfg)
    curve = sorted((r["level"], r["realised"]) for r in tables.read("service_curve").collect())
    assert tuple(level for level, _ in curve) == LEVELS  # too few cycles for segments: all series alone
    levels, reached = np.array(curve).T
    assert (np.diff(reached) >= 0).all()
    rows = decided(tables, packed(tables, cfg), cfg).select("target", "asked").collect()
    assert len(rows) == 64
    for row in rows:
        below = int((reached < row["target"]).sum())
        if 0 < below < len(levels):
            assert row["asked"] == pytest.approx(np.interp(row["target"], reached[below - 1 : below + 1],
                                                           levels[below - 1 : below + 1]))  # fmt: skip
        else:
            assert row["asked"] == (levels[0] if below == 0 else levels[-1])
    assert len({row["asked"] for row in rows}) > 1


def test_plan_and_judgement_use_it(spark: SparkSession, tmp_path) -> None:
    found = {}
    for name, hit in (("plain", "false"), ("hit", "true")):
        cfg = load(sets=[f"paths.warehouse={tmp_path}/{name}", *SETS, f"replenish.hit_target={hit}"])
        tables = written(spark, cfg, shop(spark, 14, n=64, failed=0))
        replenish.run(tables, cfg)
        evaluate.run(tables, cfg)
        whole = tables.read("service").where("segment = 'all'").collect()
        assert [(r["policy"], r["n_series"]) for r in whole] == [("safety_stock_csl", 64)]
        units = tables.read("order_plan").agg(F.sum("order_qty")).head(1)[0][0]
        found[name] = (whole[0]["target"], whole[0]["realised"], units)
    assert found["hit"][0] == found["plain"][0] == pytest.approx(0.95)  # judged by the same target
    if found["plain"][1] > 0.95:
        assert found["hit"][1] <= found["plain"][1]
        assert found["hit"][2] <= found["plain"][2]
