"""What a plan means, period by period, where shelves are empty or customers wait; against hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from parlevel.domain.replenish.base import Forecast
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.explain import explain
from parlevel.domain.replenish.ledger import Facts
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.text import Wording, reasons
from stock import LEVELS, states, terms

H = 12


def sure(rate: float, n: int = 1) -> Forecast:
    """Demand of exactly so many units in every period."""
    return Forecast(
        np.full((n, H), rate), LEVELS, np.full((n, H, len(LEVELS)), rate), np.zeros(n), np.full((n, 20), rate)
    )


def told(on_hand: float, ordered: dict[int, float], **given: object) -> tuple[Facts, str]:
    """Facts and the first line's reason of a plan for demand of 5 a period."""
    t, units = terms(1, **{"review_period": 4, "lead_time": 4, **given}), np.zeros((1, H))
    for step, quantity in ordered.items():
        units[0, step] = quantity
    batch = Batch(states([on_hand]), sure(5.0), t, Settings(H, 7, n_paths=8))
    facts, lines = explain(batch, units)
    return facts, reasons(Wording(facts, t, units[:, 0], [""], "day"), lines)[0]


def test_what_an_empty_shelf_misses_before_any_order_can_arrive_is_told():
    facts, reason = told(0.0, {0: 20.0, 4: 20.0})
    assert facts.lost_mean[0, :4] == pytest.approx(5.0)
    assert facts.lost_mean[0, 4:8] == pytest.approx(0.0, abs=1e-6)
    assert facts.missed[0] == pytest.approx(20.0)
    assert "from then on. About 20 will be missing before an order can arrive." in reason
    assert "will be missing" not in told(20.0, {0: 20.0})[1]


def test_a_line_without_an_order_says_when_the_next_is_foreseen():
    assert "The next order is foreseen in 4 days." in told(60.0, {4: 20.0})[1]
    assert "foreseen" not in told(60.0, {})[1]  # of a policy that plans today alone nothing is known
    assert "foreseen" not in told(20.0, {0: 20.0, 4: 20.0})[1]


def test_what_is_lost_before_the_first_receipt_is_not_sold_from_the_position():
    facts, _ = told(0.0, {0: 20.0, 4: 20.0})
    assert facts.position[0, :5] == pytest.approx([0.0, 20.0, 20.0, 20.0, 20.0])  # nothing to sell until then
    assert facts.position[0, 5:9] == pytest.approx([35.0, 30.0, 25.0, 20.0])
    part, _ = told(8.0, {0: 20.0})
    assert part.lost_mean[0, :4] == pytest.approx([0.0, 2.0, 5.0, 5.0])
    assert part.position[0, :5] == pytest.approx([8.0, 23.0, 20.0, 20.0, 20.0])


def test_a_position_counts_what_customers_wait_for_once():
    facts, _ = told(0.0, {0: 20.0, 4: 20.0}, backorder_cost=0.5)
    assert facts.position[0, :6] == pytest.approx([0.0, 15.0, 10.0, 5.0, 0.0, 15.0])
    # five a period are served late, however long they wait
    assert facts.lost_mean[0] == pytest.approx(5.0)
    none, _ = told(0.0, {}, backorder_cost=0.5)
    assert none.position[0, 3] == pytest.approx(-15.0)
