"""The policy auto: which policy a segment gets, and what a group of items with different policies does."""

from __future__ import annotations

import numpy as np
import pytest
from test_replenish_group import item, limit, packed, plan_group, plans

from packed_items import HORIZON, job
from parlevel.config import load
from parlevel.domain.replenish.packed import unpack
from parlevel.errors import ConfigError, RegistryError
from parlevel.pipeline.check import check
from parlevel.pipeline.replenish_choice import LEAST, cheapest

PARAMETERS = {"optimal": {}, "base_stock": {}, "min_max": {}}


def played(segment: str, policy: str, cost: float, n: int = LEAST, unmet: float = 1.0) -> dict:
    return {"segment": segment, "policy": policy, "total_cost": cost, "n_series": n, "demand": 10.0, "unmet": unmet}


def test_a_segment_takes_what_cost_least_over_all_cutoffs() -> None:
    rows = [
        played("all", "optimal", 10.0), played("all", "min_max", 12.0),
        played("choice:a", "optimal", 3.0, 20), played("choice:a", "min_max", 9.0, 20),
        played("choice:a", "optimal", 8.0, 20), played("choice:a", "min_max", 1.0, 20, unmet=4.0),
        played("choice:few", "optimal", 9.0, 3), played("choice:few", "min_max", 1.0, 3),
    ]  # fmt: skip
    made = {(row["segment"], row["policy"]): row for row in cheapest(rows)}
    assert {key for key, row in made.items() if row["chosen"]} == {
        ("all", "optimal"), ("a", "min_max"), ("few", "optimal"),  # of three series a cheap one says nothing
    }  # fmt: skip
    assert made["a", "min_max"]["total_cost"] == 10.0
    assert made["a", "min_max"]["n_cutoffs"] == 2
    assert made["a", "min_max"]["n_played"] == 40
    assert made["a", "min_max"]["fill_rate"] == pytest.approx(0.75)


def test_items_of_a_group_follow_their_own_policy() -> None:
    rows = [item("a", policy="optimal"), item("b", 3.0, policy="base_stock"), item("c", 2.0, policy="min_max")]
    made = plan_group(packed(*rows), job(policy="auto", parameters=PARAMETERS))
    got = plans(made)
    assert {name: row["policy"] for name, row in got.items()} == {"a": "optimal", "b": "base_stock", "c": "min_max"}
    for name, own in (("b", "base_stock"), ("c", "min_max")):
        alone = plans(plan_group(packed(*rows), job(policy=own)))[name]
        assert got[name]["order_qty"] == alone["order_qty"]
    assert got["a"]["order_qty"] == plans(plan_group(packed(rows[0]), job()))["a"]["order_qty"]
    report = made.plan_report.to_pylist()[0]
    assert report["status"] == "heuristic"
    assert report["reason"] == "1 by base_stock, 1 by min_max, 1 by optimal, chosen by cost at past cutoffs"
    assert report["objective"] >= report["bound"]


def test_a_group_that_chose_optimal_alone_keeps_its_certificate() -> None:
    rows = [item("a", policy="optimal"), item("b", 3.0, policy="optimal")]
    auto = plan_group(packed(*rows), job(policy="auto", parameters=PARAMETERS))
    plain = plan_group(packed(item("a"), item("b", 3.0)), job())
    assert auto.order_plan.drop_columns(["policy"]).equals(plain.order_plan.drop_columns(["policy"]))
    assert auto.plan_report.to_pylist()[0]["status"] == "optimal"


def test_what_rules_order_counts_against_a_limit() -> None:
    rows = [item("a", 4.0, policy="optimal"), item("b", 3.0, policy="base_stock")]
    free = plans(plan_group(packed(*rows), job(policy="auto", parameters=PARAMETERS)))
    taken = free["b"]["order_qty"] * 2.0
    assert taken > 0
    tight = [limit("budget", "budget", "value", taken + 12.0, period=1)]
    made = plans(plan_group(packed(*rows, resources=tight), job(policy="auto", parameters=PARAMETERS)))
    assert made["b"]["order_qty"] == free["b"]["order_qty"]
    assert made["a"]["order_qty"] <= 6.0 < free["a"]["order_qty"]


def test_rows_carry_the_policy_through_sorting() -> None:
    items = unpack(packed(item("z", 1.0, policy="min_max"), item("a", 9.0), item("m", 4.0, policy="optimal")), HORIZON)
    assert dict(zip(items.names["series_id"], items.policies, strict=True)) == {
        "z": "min_max", "a": "", "m": "optimal",
    }  # fmt: skip
    assert np.array(items.policies).shape == (3,)


def test_auto_is_checked_before_anything_starts() -> None:
    source = ["source.name=synthetic", "replenish.policy=auto"]
    check(load(sets=source))
    with pytest.raises(ConfigError, match=r"train\.folds >= 3"):
        check(load(sets=[*source, "train.folds=2"]))
    with pytest.raises(ConfigError, match=r"takes no replenish\.parameters"):
        check(load(sets=[*source, "replenish.parameters={window: 7}"]))
    with pytest.raises(ConfigError, match=r"train\.folds >= 3"):
        check(load(sets=["source.name=synthetic", "replenish.hit_target=true", "train.folds=2"]))
    with pytest.raises(RegistryError, match="base_stock"):
        check(load(sets=[*source, "replenish.choose_from=[base_stok]"]))
