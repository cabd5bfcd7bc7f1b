"""What the synthetic source draws, without Spark."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.sources import draws
from parlevel.sources.draws import Plan

PLAN = Plan(
    seed=3, products=40, stores=2, past=300, future=28, days=1.0, weekday=0, year_day=2, closed=(5, 200),
    promotions=True, stockouts=True, new_share=0.2, dying_share=0.2,
)  # fmt: skip


def series(plan: Plan, number: int) -> tuple[dict, list, np.ndarray, np.ndarray, np.ndarray]:
    item = draws.product(plan, number % plan.products)
    deals = draws.promotions(plan, number % plan.products)
    price = draws.price_path(plan, number % plan.products, item, deals)
    mean = draws.expected(plan, number, item, price, deals)
    return item, deals, price, mean, draws.demand(plan, number, item, mean)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 79), st.integers(1, 60))
def test_history_does_not_depend_on_the_horizon(number: int, further: int) -> None:
    longer = replace(PLAN, future=PLAN.future + further)
    short, long = series(PLAN, number), series(longer, number)
    np.testing.assert_array_equal(long[4][: PLAN.past], short[4][: PLAN.past])
    np.testing.assert_array_equal(long[2][: PLAN.past], short[2][: PLAN.past])


def test_another_seed_draws_other_demand() -> None:
    assert not np.array_equal(series(PLAN, 1)[4], series(replace(PLAN, seed=4), 1)[4])


def test_closed_days_new_and_fading_items() -> None:
    items = [series(PLAN, number) for number in range(40)]
    assert all((mean[[5, 200]] == 0).all() for _, _, _, mean, _ in items)
    assert all((demand[: item["born"]] == 0).all() for item, _, _, _, demand in items)
    born = [item["born"] for item, *_ in items]
    assert 0 < sum(b > 0 for b in born) < 20
    faded = [mean for item, _, _, mean, _ in items if item["fades"] is not None and item["fades"] < 200]
    assert faded
    assert all(mean[-10:].mean() < 0.2 * mean.max() for mean in faded)


def test_speeds_reach_from_intermittent_to_fast() -> None:
    daily = np.array([draws.product(PLAN, number)["daily"] for number in range(40)])
    assert daily.min() < 0.3
    assert daily.max() > 3


def test_promotions_cut_the_price_and_lift_demand() -> None:
    number = next(n for n in range(40) if draws.promotions(PLAN, n) and not draws.product(PLAN, n)["born"])
    item = draws.product(PLAN, number)
    deals = draws.promotions(PLAN, number)
    with_deals = draws.price_path(PLAN, number, item, deals)
    without = draws.price_path(PLAN, number, item, [])
    first, last, depth, _ = deals[0]
    np.testing.assert_allclose(with_deals[first : last + 1], without[first : last + 1] * (1 - depth), atol=0.006)
    assert first % 7 == 0, "promotions start on Mondays"
    assert last - first == 6
    lifted = draws.expected(PLAN, number, item, with_deals, deals)[first]
    assert lifted > 1.3 * draws.expected(PLAN, number, item, without, [])[first]


def test_demand_has_the_mean_it_was_drawn_from() -> None:
    plan = replace(PLAN, past=40_000, closed=())
    item = {"dispersion": 4.0}
    for mean in (0.2, 5.0, 200.0):
        drawn = draws.demand(plan, 0, item, np.full(plan.span, mean))
        assert drawn.mean() == pytest.approx(mean, rel=0.05)
        assert drawn.var() == pytest.approx(mean + mean**2 / 4, rel=0.1)
        assert (drawn >= 0).all()
        assert (drawn == np.round(drawn)).all()


def simulate(plan: Plan, numbers: list[int]) -> tuple[draws.Stock, np.ndarray, list[dict]]:
    rows = [series(plan, number) for number in numbers]
    wanted = np.array([row[4] for row in rows])[:, : plan.past]
    means = np.array([row[3] for row in rows])[:, : plan.past]
    items = [row[0] for row in rows]
    return draws.simulate(plan, items, wanted, means, numbers), wanted, items


def test_sales_are_demand_capped_by_stock() -> None:
    stock, wanted, _ = simulate(PLAN, list(range(60)))
    assert (stock.sales <= wanted).all()
    short = stock.sales < wanted
    assert 0.005 < short.mean() < 0.3
    assert not stock.in_stock[short].any()
    np.testing.assert_array_equal(stock.sales[stock.in_stock], wanted[stock.in_stock])
    assert (stock.on_hand >= 0).all()


def test_open_orders_are_whole_cases_within_the_lead_time() -> None:
    stock, _, items = simulate(PLAN, list(range(60)))
    assert (stock.due > 0).any()
    for item, due in zip(items, stock.due, strict=True):
        assert (due % item["case"] == 0).all()
        assert not due[item["lead_time"] :].any()


def test_a_series_does_not_depend_on_the_others_of_its_batch() -> None:
    together, _, _ = simulate(PLAN, [3, 17, 55])
    alone, _, _ = simulate(PLAN, [17])
    np.testing.assert_array_equal(together.sales[1], alone.sales[0])
    assert together.on_hand[1] == alone.on_hand[0]


def test_without_stockouts_sales_are_demand() -> None:
    stock, wanted, _ = simulate(replace(PLAN, stockouts=False), [0, 1, 2])
    np.testing.assert_array_equal(stock.sales, wanted)
    assert stock.in_stock.all()
