"""Pairs of products from counts of baskets: measures by hand, kinds by rule."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlevel.domain.signals.baskets import COMPLEMENT, NEITHER, SUBSTITUTE, Pairs, Rules
from parlevel.pipeline.features_baskets import judge


def pairs(together, product=200.0, other=300.0, alike=True, baskets=1000.0) -> Pairs:
    return Pairs(*(np.array([float(x)]) for x in (together, product, other)), np.array([alike]), baskets)


def test_measures_are_shares_of_baskets() -> None:
    found = pairs(120)
    assert found.support[0] == pytest.approx(0.12)
    assert found.confidence[0] == pytest.approx(0.6)
    assert found.lift[0] == pytest.approx(2.0)
    assert found.attached()[0] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("together", "given", "kind"),
    [
        (120, {}, COMPLEMENT),
        (60, {}, NEITHER),  # what chance gives
        (29, {"product": 40, "other": 40}, NEITHER),  # lift 18, but too few baskets
        (12, {}, SUBSTITUTE),
        (12, {"alike": False}, NEITHER),  # of two departments: they just do not meet
        (0, {"product": 50, "other": 50}, NEITHER),  # 2.5 expected: seeing none says nothing
        (0, {}, SUBSTITUTE),
    ],
)
def test_a_kind_needs_enough_baskets(together, given, kind) -> None:
    assert pairs(together, **given).kinds(Rules())[0] == kind


@given(st.integers(0, 50), st.integers(50, 400), st.integers(50, 400))
def test_lift_looks_the_same_from_both_sides(together, product, other) -> None:
    one, two = pairs(together, product, other), pairs(together, other, product)
    assert one.lift[0] == pytest.approx(two.lift[0])
    assert one.kinds(Rules())[0] == two.kinds(Rules())[0]
    assert one.attached()[0] >= 0
    # what a product's baskets hold beyond chance is the same number of baskets from both sides
    assert one.attached()[0] * product == pytest.approx(two.attached()[0] * other)


def test_pairs_that_say_nothing_are_left_out() -> None:
    table = pa.table({"product_id": ["a", "a"], "other_id": ["b", "c"], "together": [120, 60], "n_product": [200, 200],
                      "n_other": [300, 300], "alike": [True, True]})  # fmt: skip
    found = judge(table, baskets=1000.0, rules=Rules())
    assert found["other_id"].to_pylist() == ["b"]
    assert found["kind"].to_pylist() == [COMPLEMENT]
