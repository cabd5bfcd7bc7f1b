"""Asking for the service that reaches the target: curves from past cutoffs, and the rows that say so."""

from __future__ import annotations

import numpy as np
import pytest
from test_replenish_group import item, packed, plan_group, plans

from packed_items import HORIZON, job
from parlevel.config import load
from parlevel.domain.replenish.packed import unpack
from parlevel.pipeline.evaluate_service import rows as service_rows
from parlevel.pipeline.replenish_service import ALL, LEAST, curves


def played(segment: str, level: float, served: float, cycles: float = LEAST) -> dict:
    own = {"served": served, "cycles": cycles, "demand": 50.0, "unmet": 5.0}
    return {"segment": segment, "setting": f"{level:g}", **own}


def test_a_curve_adds_cutoffs_up_and_never_falls() -> None:
    found = curves(
        [
            played("all", 0.5, 300), played("all", 0.5, 340), played("all", 0.9, 310), played("all", 0.9, 320),
            played("choice:a", 0.5, 0.9 * LEAST), played("choice:few", 0.5, 9, 10),
        ],
        "cycle_service_level",
    )  # fmt: skip
    by = {(row["segment"], row["level"]): row for row in found}
    assert set(by) == {(ALL, 0.5), (ALL, 0.9), ("a", 0.5)}  # ten cycles say nothing of a segment
    assert by[ALL, 0.5]["realised"] == pytest.approx(640 / (2 * LEAST))
    assert by[ALL, 0.9]["realised"] == by[ALL, 0.5]["realised"]  # 630 served is less only by chance
    assert by["a", 0.5]["n_cycles"] == LEAST


def test_fill_rates_are_of_units() -> None:
    assert curves([played("all", 0.5, 0.0)], "fill_rate")[0]["realised"] == pytest.approx(0.9)


def test_a_policy_asks_for_the_level_and_the_terms_keep_their_target() -> None:
    rows = [item("a", target=0.9, asked=0.55), item("b", 3.0, target=0.9)]
    items = unpack(packed(*rows), HORIZON)
    of = {name: k for k, name in enumerate(items.names["series_id"])}
    assert items.terms.target.tolist() == [0.9, 0.9]
    assert items.for_policies().target[of["a"]] == 0.55
    assert items.for_policies().target[of["b"]] == 0.9
    plain = [item("a", target=0.9, case_pack=1.0), item("a", target=0.9, case_pack=1.0, asked=0.2)]
    orders = [plans(plan_group(packed(row), job(policy="safety_stock_csl")))["a"]["order_qty"] for row in plain]
    assert orders[1] < orders[0]
    none = unpack(packed(item("a")), HORIZON)
    assert none.for_policies() is none.terms


def test_the_table_judges_by_the_target() -> None:
    row = {
        "policy": "safety_stock_csl", "setting": "", "segment": "all", "cutoff": None, "n_series": 5, "cycles": 400.0,
        "service_asked": 0.9, "fill_rate_asked": 0.9, "cycle_service_level": 0.91, "fill_rate": 0.99,
    }  # fmt: skip
    cfg = load(sets=["replenish.policy=safety_stock_csl"])
    made = service_rows([row, {**row, "policy": "min_max"}], {}, cfg)
    assert len(made) == 1
    assert made[0][:3] == ("safety_stock_csl", "cycle_service_level", "all")
    assert made[0][6:9] == (0.9, 0.91, pytest.approx(1.0))
    assert made[0][9] == pytest.approx(196 * np.sqrt(0.91 * 0.09 / 400))
    filled = load(sets=["replenish.policy=safety_stock_fill_rate"])
    made = service_rows([{**row, "policy": "safety_stock_fill_rate"}], {}, filled)
    assert made[0][6:9] == (0.9, 0.99, pytest.approx(9.0))
