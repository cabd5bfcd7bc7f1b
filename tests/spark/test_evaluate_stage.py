"""Stage evaluate: accuracy of the newest fold, KPIs by policy and segment, the same whatever the partitions."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from stock_tables import limit, shop, written

from parlevel.config import load
from parlevel.errors import DataError
from parlevel.pipeline import evaluate, evaluate_limits, evaluate_rows, plays

pytestmark = pytest.mark.spark
SETS = ("calendar.horizon=14", "replenish.n_paths=16")


@pytest.fixture(scope="module")
def done(spark: SparkSession, tmp_path_factory):
    """A shop evaluated: (tables, note)."""
    cfg = load(sets=[f"paths.warehouse={tmp_path_factory.mktemp('shop')}", *SETS])
    tables = written(spark, cfg, shop(spark, 14, failed=0))
    return tables, evaluate.run(tables, cfg)


def test_accuracy_is_of_the_newest_fold_by_model(done) -> None:
    tables, _ = done
    newest = tables.read("backtest").where("fold = 1 and model = 'chosen'").collect()
    errors = [abs(m - a) for r in newest for m, a in zip(r["mean"], r["actual"], strict=True)]
    found = {
        (r["model"], r["segment"]): r
        for r in tables.read("accuracy").where("metric = 'mae'").collect()
    }  # fmt: skip
    assert found["chosen", "all"]["value"] == pytest.approx(np.mean(errors))
    assert found["chosen", "all"]["n"] == 12 * 14
    assert {"all", "pattern:smooth", "velocity:A", "step:1", "fold:0", "fold:1"} <= {s for _, s in found}
    assert {m for m, _ in found} == {"chosen", "seasonal_naive"}


def test_kpis_of_every_policy_add_up_over_segments(done) -> None:
    tables, note = done
    rows = {(r["policy"], r["segment"]): r for r in tables.read("inventory_kpi").collect()}
    assert {p for p, _ in rows} == {"optimal", "min_max", "perfect_forecast"}
    for policy in ("optimal", "min_max", "perfect_forecast"):
        whole = rows[policy, "all"]
        assert whole["n_series"] == 12
        assert whole["n_periods"] == 14
        for name in ("demand", "holding_cost", "shortage_cost", "order_cost", "n_series"):
            parts = rows[policy, "pattern:smooth"][name] + rows[policy, "pattern:lumpy"][name]
            assert parts == pytest.approx(whole[name])
        total = whole["holding_cost"] + whole["shortage_cost"] + whole["order_cost"]
        assert whole["total_cost"] == pytest.approx(total)
        assert 0 <= whole["fill_rate"] <= 1
    actual = tables.read("backtest").where("fold = 1 and model = 'chosen'").select(F.explode("actual").alias("a"))
    assert rows["optimal", "all"]["demand"] == pytest.approx(actual.agg(F.sum("a")).head(1)[0][0])
    assert rows["perfect_forecast", "all"]["total_cost"] < rows["optimal", "all"]["total_cost"]
    assert rows["optimal", "all"]["total_cost"] < rows["min_max", "all"]["total_cost"]
    assert "12 series played over 14 periods: optimal costs" in note


def test_the_frontier_asks_for_more_and_gets_more(done) -> None:
    tables, _ = done
    rows = {(r["setting"], r["segment"]): r for r in tables.read("frontier").collect()}
    weights = [rows[f"shortage_weight {w:g}", "all"] for w in (0.3, 0.6, 1.0, 2.0)]
    levels = [rows[f"cycle_service_level {q:g}", "all"] for q in (0.9, 0.95, 0.98)]
    for curve in (weights, levels):
        served, held = [r["fill_rate"] for r in curve], [r["holding_cost"] for r in curve]
        assert served == sorted(served)
        assert held == sorted(held)
        assert {r["n_series"] for r in curve} == {12}
    assert weights[0]["point_cost"] is None
    assert [r["service_asked"] for r in levels] == [0.9, 0.95, 0.98]


def test_service_is_set_beside_its_target(done) -> None:
    tables, _ = done
    rows = {r["segment"]: r for r in tables.read("service").collect()}
    assert set(rows) == {"all", "pattern:smooth", "pattern:lumpy", "velocity:A", "velocity:B"}
    whole = rows["all"]
    assert (whole["policy"], whole["measure"], whole["n_series"]) == ("safety_stock_csl", "cycle_service_level", 12)
    assert whole["target"] == pytest.approx(0.95)
    assert whole["points"] == pytest.approx(100 * (whole["realised"] - 0.95))
    assert whole["n_cycles"] == rows["velocity:A"]["n_cycles"] + rows["velocity:B"]["n_cycles"] > 0
    share = whole["realised"]
    assert whole["noise"] == pytest.approx(196 * np.sqrt(share * (1 - share) / whole["n_cycles"]))


def test_plans_are_steadier_when_the_future_is_known(done) -> None:
    tables, _ = done
    rows = {r["policy"]: r for r in tables.read("inventory_kpi").where("segment = 'all'").collect()}
    assert 0 <= rows["perfect_forecast"]["nervousness"] < rows["optimal"]["nervousness"]
    assert rows["min_max"]["nervousness"] > 0
    assert {r["leftover_cost"] for r in rows.values()} == {0.0}


def test_partitions_and_names_do_not_show(spark: SparkSession) -> None:
    cfg = load(sets=list(SETS))
    found = []
    for rename, parts in (("s", 1), ("zz", 3)):
        shown = shop(spark, 14, n=7, rename=rename)
        tables = (shown[k].repartition(parts) for k in ("backtest", "series_profile", "supply_terms", "panel"))
        rows = evaluate_rows.simulation_rows(*tables, cfg=cfg)
        played = plays.simulate(rows, evaluate.own_plays(cfg), cfg.evaluate.segments, cfg=cfg)
        found.append([str(row) for row in played])
    assert len(found[0]) > 3
    assert found[0] == found[1]


def test_a_backtest_without_chosen_forecasts_is_refused(spark: SparkSession) -> None:
    cfg = load(sets=list(SETS))
    shown = shop(spark, 14, n=3)
    old = shown["backtest"].where("model <> 'chosen'")
    with pytest.raises(DataError, match="must hold the forecasts of model 'chosen'"):
        evaluate_rows.simulation_rows(old, shown["series_profile"], shown["supply_terms"], shown["panel"], cfg=cfg)


def test_segments_are_those_known_before_what_is_judged(spark: SparkSession) -> None:
    cfg = load(sets=list(SETS))
    shown = shop(spark, 14, n=6)
    # at the cutoff all series look slow: that is made of the very periods that are played
    profile = shown["series_profile"].withColumns({"velocity": F.lit("C"), "pattern": F.lit("dead")})
    rows = evaluate_rows.simulation_rows(shown["backtest"], profile, shown["supply_terms"], shown["panel"], cfg=cfg)
    assert {(r.velocity, r.pattern) for r in rows.select("velocity", "pattern").collect()} == {
        ("A", "smooth"),
        ("B", "lumpy"),
    }
    judged = evaluate.forecast_accuracy(shown["backtest"], profile).select("segment").distinct().collect()
    assert {r.segment for r in judged if ":" in r.segment and r.segment[:4] in ("velo", "patt")} == {
        "velocity:A",
        "velocity:B",
        "pattern:smooth",
        "pattern:lumpy",
    }


def test_max_series_draws_by_content(spark: SparkSession) -> None:
    cfg = load(sets=[*SETS, "evaluate.max_series=4"])
    drawn = []
    for rename in ("s", "zz"):
        shown = shop(spark, 14, n=9, rename=rename)
        rows = evaluate_rows.simulation_rows(
            shown["backtest"], shown["series_profile"], shown["supply_terms"], shown["panel"], cfg=cfg
        )
        drawn.append(sorted(r["content_key"] for r in rows.select("content_key").collect()))
    assert len(drawn[0]) == 4
    assert drawn[0] == drawn[1]


def test_groups_are_played_with_their_limits(spark: SparkSession, tmp_path) -> None:
    cfg = load(sets=[f"paths.warehouse={tmp_path}", *SETS, "evaluate.limits_series=8", "evaluate.frontier_series=0"])
    limits = [
        limit("min:sup0", "supplier_min", "value", 30.0, supplier_id="sup0"),
        limit("truck:sup1", "truck", "units", 40.0, supplier_id="sup1", cost=5.0),
        limit("budget", "budget", "value", 120.0),
        limit("later", "budget", "value", 1.0, period=3),
    ]
    tables = written(spark, cfg, shop(spark, 14, failed=0, limits=limits))
    note = evaluate.run(tables, cfg)
    rows = {(r["policy"], r["segment"]): r for r in tables.read("inventory_kpi").collect()}
    for name in ("optimal", "min_max"):
        kept, free = rows[name, "limits:kept"], rows[name, "limits:ignored"]
        assert kept["n_series"] == free["n_series"] == 8  # four groups of two
        assert kept["demand"] == free["demand"] < rows[name, "all"]["demand"]
        assert kept["order_cost"] > 0.3 * kept["orders"] + 1e-9  # trucks are paid
        assert free["order_cost"] == pytest.approx(0.3 * free["orders"])
        assert kept["order_cost"] > free["order_cost"]
    # only who plans for the least cost pays for every limit: a rule that buys too much may gain by a budget
    assert rows["optimal", "limits:kept"]["total_cost"] > rows["optimal", "limits:ignored"]["total_cost"]
    assert ("perfect_forecast", "limits:kept") not in rows
    assert "with the limits of their groups kept, 8 series: optimal costs" in note
    # none of it is in the tables of service, and nothing is played where nothing is limited
    assert not tables.read("service").where("segment like 'limits%'").count()


def test_a_group_has_its_part_of_what_several_share(spark: SparkSession) -> None:
    cfg, shown = load(sets=list(SETS)), shop(spark, 14, failed=0)
    asked = [
        limit("budget", "budget", "value", 100.0),
        limit("cap:sup0", "inbound", "units", 50.0, supplier_id="sup0"),
        limit("min:sup0", "supplier_min", "value", 30.0, supplier_id="sup0"),
        limit("own", "budget", "value", 9.0, supplier_id="sup0", location_id="loc0"),
    ]
    whole = [{"supplier_id": None, "location_id": None, **row} for row in asked]
    some = (shown["backtest"], shown["series_profile"], shown["supply_terms"])
    found = evaluate_limits.groups(*some, whole, cfg).collect()
    assert {(r["supplier_id"], r["location_id"]) for r in found} == {(f"sup{k % 3}", f"loc{k % 2}") for k in range(6)}
    parts = {r["supplier_id"] + r["location_id"]: {x["resource_id"]: x for x in evaluate_limits.limits_of(r, whole)}
             for r in found}  # fmt: skip
    assert sum(each["budget"]["amount"] for each in parts.values()) == pytest.approx(100.0)
    assert parts["sup0loc0"]["cap:sup0"]["amount"] + parts["sup0loc1"]["cap:sup0"]["amount"] == pytest.approx(50.0)
    assert [parts[k]["min:sup0"]["amount"] for k in ("sup0loc0", "sup0loc1")] == [30.0, 30.0]
    assert parts["sup0loc0"]["own"] | {"amount": 9.0} == parts["sup0loc0"]["own"]
    assert set(parts["sup1loc0"]) == {"budget"}
    only = [row for row in whole if row["resource_id"] == "own"]
    assert evaluate_limits.groups(*some, only, cfg).count() == 1
    drawn = evaluate_limits.draw(evaluate_limits.groups(*some, whole, cfg), 5)
    assert [r["n"] for r in drawn] == [2, 2]
    assert evaluate_limits.draw(evaluate_limits.groups(*some, whole, cfg), 1) == []
