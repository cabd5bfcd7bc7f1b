"""Groups that take turns at what they share: limits kept, costs no more than at the prices, names without weight."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from packed_items import HORIZON, item, job
from parlevel.domain.replenish.group import WITHIN, Group, plan_group
from parlevel.domain.replenish.in_turn import take_turns
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.packed import PACKED
from parlevel.schemas import Column, arrow_schema


def shared(amount: float) -> dict[str, object]:
    return {"resource_id": "cash", "period": 0, "kind": "budget", "measure": "value", "amount": amount, "cost": 0.0,
            "supplier_id": None, "location_id": None}  # fmt: skip


def minimum(amount: float) -> dict[str, object]:
    return {**shared(amount), "resource_id": "min", "kind": "supplier_min"}


def shops(names: str, least: float | None = None) -> pa.Table:
    """A group a name, of two items that sell the more the later its name comes in the list."""
    own = json.dumps([minimum(least)]) if least else None
    columns = (*PACKED, *(Column(name, "string", "") for name in ("resources", "grants", "turn")))
    rows = [
        {**item(f"{name}{k}", 2.0 + at + 0.1 * k, on_hand=0.0, content_key=f"{at}{k}"),
         "supplier_id": name, "solve_group": f"{name} @ store", "resources": own}
        for at, name in enumerate(names) for k in range(2)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=arrow_schema(columns))


def at_prices(rows: pa.Table, asked: Job) -> tuple[pa.Table, dict[str, dict[str, float]], float]:
    """(rows with their `turn`, group -> use of each day, cost) of the plans by themselves."""
    used, turn, cost = {}, {}, 0.0
    for name in sorted(set(rows["solve_group"].to_pylist())):
        made = plan_group(rows.filter(pa.compute.equal(rows["solve_group"], name)), asked)
        use = made.shared_use.to_pylist()
        used[name] = {r["label"]: r["used"] for r in use}
        turn[name] = {"used": used[name], "objective": use[0]["objective"]}
        cost += use[0]["objective"]
    column = pa.array([json.dumps(turn[name]) for name in rows["solve_group"].to_pylist()])
    return rows.set_column(rows.schema.get_field_index("turn"), "turn", column), used, cost


def spent(used: dict[str, dict[str, float]]) -> np.ndarray:
    """(HORIZON,) money that all groups spend each day."""
    return np.sum([[use[f"cash@{t + 1}"] for t in range(HORIZON)] for use in used.values()], axis=0)


def after_turns(rows: pa.Table, asked: Job) -> tuple[dict[str, dict[str, float]], float, list[str]]:
    rows, used, _ = at_prices(rows, asked)
    costs = {name: json.loads(turn)["objective"]
             for name, turn in zip(rows["solve_group"].to_pylist(), rows["turn"].to_pylist(), strict=True)}  # fmt: skip
    reasons = []
    for made in take_turns(rows, asked, 0.0):
        use = made.shared_use.to_pylist()
        used[use[0]["solve_group"]] = {r["label"]: r["used"] for r in use}
        costs[use[0]["solve_group"]] = use[0]["objective"]
        reasons.append(made.plan_report["reason"][0].as_py())
    return used, sum(costs.values()), reasons


def test_a_budget_that_plans_at_the_prices_pass_is_kept_and_what_is_idle_used():
    asked = job(shared=(shared(60.0),), prices={})
    rows, free, cheapest = at_prices(shops("abcd"), asked)
    assert spent(free).max() > 60.0
    used, cost, reasons = after_turns(rows, asked)
    assert spent(used).max() <= 60.0 + 1e-6
    assert spent(used).max() > 45.0
    assert cost >= cheapest - 1e-6
    assert reasons
    assert all(WITHIN in reason for reason in reasons)
    # planned in the other order of urgency nobody gets more: one who waits can only take what others leave
    shares = job(shared=(shared(15.0),), prices={})
    alone = sum(plan_group(part, shares).plan_report["objective"][0].as_py() for part in equal_shares(shops("abcd")))
    assert cost < alone


def equal_shares(rows: pa.Table) -> list[pa.Table]:
    """The groups with a quarter of the budget each."""
    grant = pa.array([json.dumps([{**shared(15.0), "resource_id": "cash (share)"}])] * 2)
    parts = [rows.filter(pa.compute.equal(rows["solve_group"], f"{name} @ store")) for name in "abcd"]
    return [part.set_column(part.schema.get_field_index("grants"), "grants", grant) for part in parts]


def test_whole_minimums_share_a_budget_that_has_room_for_one_at_a_time():
    asked = job(shared=(shared(60.0),), prices={})
    rows, free, _ = at_prices(shops("ab", least=40.0), asked)
    assert spent(free).max() > 60.0
    used, _, _ = after_turns(rows, asked)
    assert spent(used).max() <= 60.0 + 1e-6
    assert all(v == 0 or v >= 40.0 for use in used.values() for v in use.values())
    assert all(sum(use.values()) > 0 for use in used.values())


def test_nothing_moves_where_plans_fit_and_are_close_to_their_bound():
    asked = job(shared=(shared(1e4),), prices={})
    rows, _, cost = at_prices(shops("ab"), asked)
    assert take_turns(rows, asked, cost) == []


@pytest.mark.parametrize("names", ["zyxw", "badc"])
def test_names_do_not_decide_who_comes_first(names):
    asked = job(shared=(shared(60.0),), prices={})
    there, cost, _ = after_turns(shops("abcd"), asked)
    here, again, _ = after_turns(shops(names), asked)
    assert again == pytest.approx(cost)
    for one, other in zip("abcd", names, strict=True):
        assert there[f"{one} @ store"] == here[f"{other} @ store"]


def test_a_known_plan_is_where_the_search_begins():
    asked = job(shared=(shared(60.0),), prices={})
    group = Group(shops("a"), asked)
    rest = {f"cash@{t + 1}": 14.0 for t in range(HORIZON)}
    first = group.plan(rest)
    again = group.plan(rest, start=first.units)
    assert again.objective <= first.objective + 1e-9
    assert (group.use(again) <= 14.0).all()
