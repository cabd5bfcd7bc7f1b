"""The policy auto on Spark: chosen at older cutoffs, planned by segment, judged at the newest."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from stock_tables import frame, limit, shop, written

from parlevel.config import Config, load
from parlevel.errors import DataError
from parlevel.pipeline import evaluate, replenish
from parlevel.pipeline.evaluate_limits import play_limits
from parlevel.pipeline.replenish_choice import choose
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark
SETS = ("calendar.horizon=14", "replenish.n_paths=16", "replenish.policy=auto", "replenish.choose_by=[velocity]",
        "replenish.choose_from=[optimal, base_stock, min_max]", "evaluate.frontier_series=0")  # fmt: skip


@pytest.fixture(scope="module")
def done(spark: SparkSession, tmp_path_factory) -> tuple[Tables, Config]:
    cfg = load(sets=[f"paths.warehouse={tmp_path_factory.mktemp('shop')}", *SETS])
    tables = written(spark, cfg, shop(spark, 14, n=64, failed=0))
    replenish.run(tables, cfg)
    evaluate.run(tables, cfg)
    return tables, cfg


def test_segments_choose_at_older_cutoffs_and_plan_so(done) -> None:
    tables, _ = done
    rows = tables.read("policy_choice").collect()
    assert {r["segment"] for r in rows} == {"all", "A", "B"}
    assert {r["n_cutoffs"] for r in rows} == {1}  # of two folds the newer has no say
    best = {r["segment"]: r["policy"] for r in rows if r["chosen"]}
    for segment, policy in best.items():
        costs = {r["policy"]: r["total_cost"] for r in rows if r["segment"] == segment}
        assert set(costs) == {"optimal", "base_stock", "min_max"}
        assert costs[policy] == min(costs.values())
    profile = {r["series_id"]: r["velocity"] for r in tables.read("series_profile").collect()}
    plan = tables.read("order_plan").collect()
    assert len({r["series_id"] for r in plan}) == 64
    assert all(r["policy"] == best[profile[r["series_id"]]] for r in plan)


def test_the_choice_is_judged_at_the_newest_cutoff(done) -> None:
    tables, _ = done
    rows = {r["policy"]: r for r in tables.read("inventory_kpi").where("segment = 'all'").collect()}
    assert set(rows) == {"auto", "min_max", "perfect_forecast"}
    newest = tables.read("backtest").agg(F.max("cutoff")).head(1)[0][0]
    assert {r["cutoff"] for r in rows.values()} == {newest}
    assert rows["auto"]["total_cost"] < rows["min_max"]["total_cost"]


def test_what_came_after_the_newest_cutoff_does_not_move_the_choice(spark: SparkSession, done, tmp_path) -> None:
    tables, _ = done
    cfg = load(sets=[f"paths.warehouse={tmp_path}", *SETS])
    shown = shop(spark, 14, n=64, failed=0)
    last = F.col("fold") == 1
    later = F.transform("actual", lambda x: x * 9).cast("array<float>")
    shown["backtest"] = shown["backtest"].withColumn("actual", F.when(last, later).otherwise(F.col("actual")))
    other = written(spark, cfg, shown)
    choose(other, cfg)
    found = [sorted(map(str, t.read("policy_choice").collect())) for t in (tables, other)]
    assert found[0] == found[1]


def test_one_fold_is_not_enough_to_choose(spark: SparkSession, tmp_path) -> None:
    cfg = load(sets=[f"paths.warehouse={tmp_path}", *SETS])
    shown = shop(spark, 14, n=4, failed=0)
    shown["backtest"] = shown["backtest"].where("fold = 1")
    with pytest.raises(DataError, match=r"Set train\.folds to 3 or more"):
        choose(written(spark, cfg, shown), cfg)


def test_each_item_keeps_its_own_policy_where_groups_keep_their_limits(spark: SparkSession, done) -> None:
    tables, cfg = done
    limits = [limit("min", "supplier_min", "value", 25.0, supplier_id="sup0"), limit("all", "budget", "value", 400.0)]
    tables.write("resources", frame(spark, "resources", limits), files=1)
    found = play_limits(tables, tables.read("supply_terms"), evaluate.own_plays(cfg), cfg)
    rows = {(row["policy"], row["segment"]): row for row in found}
    assert set(rows) == {(name, f"limits:{how}") for name in ("auto", "min_max") for how in ("kept", "ignored")}
    assert {row["n_series"] for row in found} == {64}
    free = {r["policy"]: r for r in tables.read("inventory_kpi").where("segment = 'all'").collect()}
    assert rows["auto", "limits:ignored"]["total_cost"] == pytest.approx(free["auto"]["total_cost"])
    assert rows["auto", "limits:kept"]["total_cost"] > rows["auto", "limits:ignored"]["total_cost"]
