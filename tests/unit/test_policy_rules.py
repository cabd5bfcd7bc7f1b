"""The rule-based policies: what each promises, on numbers worked by hand, and the terms that all of them obey."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from parlevel.domain.forecast.paths import content_keys, sample_paths
from parlevel.domain.replenish.base import Forecast, State, Terms
from parlevel.domain.replenish.cover import cover, row_quantile
from parlevel.domain.replenish.policies.sampled import critical_ratio
from parlevel.domain.replenish.registry import policy
from parlevel.domain.replenish.rounding import orderable, round_order
from parlevel.errors import ConfigError

SAMPLED = (
    "base_stock",
    "newsvendor",
    "safety_stock_csl",
    "safety_stock_fill_rate",
    "s_S",
    "r_Q",
    "eoq",
    "wagner_whitin",
)
LEVELS = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])


def terms_of(n: int = 1, **changes: object) -> Terms:
    whole = {"lead_time": 2, "review_period": 3, "shelf_life": 0}
    real = {
        "lead_time_sd": 0.0,
        "min_order_qty": 0.0,
        "case_pack": 1.0,
        "max_stock": np.nan,
        "min_stock": 0.0,
        "unit_cost": 2.0,
        "unit_price": 5.0,
        "holding_cost": 0.1,
        "shortage_cost": 3.0,
        "backorder_cost": np.nan,
        "order_cost": 8.0,
        "target": 0.9,
        "unit_weight": 1.0,
        "unit_volume": 1.0,
    }
    values = {name: np.full(n, value, np.int64) for name, value in whole.items()}
    values |= {name: np.full(n, value, np.float64) for name, value in real.items()}
    values |= {name: np.broadcast_to(np.asarray(value), (n,)).copy() for name, value in changes.items()}
    return Terms(**values)


def forecast_of(mean: object, sd: float = 3.0, horizon: int = 12, correlation: float = 0.0) -> Forecast:
    level = np.atleast_1d(np.asarray(mean, np.float64))
    quantiles = np.maximum(level[:, None, None] + sd * stats.norm.ppf(LEVELS), 0.0) * np.ones((1, horizon, 1))
    n = len(level)
    return Forecast(
        level[:, None] * np.ones(horizon), LEVELS, quantiles, np.full(n, correlation), np.full((n, 5), np.nan)
    )


def state_of(on_hand: object, horizon: int = 12, backorders: object = 0.0) -> State:
    stock = np.atleast_1d(np.asarray(on_hand, np.float64))
    return State(
        stock, np.broadcast_to(np.asarray(backorders, np.float64), stock.shape).copy(), np.zeros((len(stock), horizon))
    )


def simulated_sum(forecast: Forecast, periods: int, n_paths: int = 256) -> np.ndarray:
    """Oracle: demand over the protection interval, added up path by path."""
    longer = forecast.extend(periods, 7)
    keys = content_keys(forecast.quantiles)
    return sample_paths(longer.quantiles, LEVELS, n_paths, forecast.path_correlation, 0, keys)[0].sum(axis=1)


def test_with_backorders_the_service_level_is_a_quantile_of_demand_less_the_position() -> None:
    terms, forecast = terms_of(backorder_cost=1.0), forecast_of(20.0)
    state = state_of(15.0)
    state = replace(state, receipts=np.eye(1, 12, 1) * 7.0)
    order = policy("safety_stock_csl").order(state, forecast, terms)
    wanted = np.quantile(simulated_sum(forecast, 5), 0.9, method="median_unbiased") - 22.0
    assert order[0] == pytest.approx(np.ceil(wanted))


def test_what_is_lost_before_the_arrival_is_not_ordered() -> None:
    lost, owed = terms_of(), terms_of(backorder_cost=1.0)
    forecast, state = forecast_of(20.0), state_of(0.0)
    assert policy("safety_stock_csl").order(state, forecast, lost)[0] < 75
    assert policy("safety_stock_csl").order(state, forecast, owed)[0] > 100


def test_the_service_level_is_reached_on_other_paths() -> None:
    terms, forecast, state = terms_of(target=0.9), forecast_of(20.0, sd=8.0, correlation=0.4), state_of(45.0)
    order = policy("safety_stock_csl", n_paths=1000).order(state, forecast, terms)
    fresh = cover(state, forecast, terms, 4000, 7, seed=9)
    assert (fresh.need[0] <= order[0]).mean() == pytest.approx(0.9, abs=0.02)


def test_the_fill_rate_is_reached_and_one_unit_less_misses_it() -> None:
    terms, forecast, state = terms_of(), forecast_of(20.0, sd=9.0), state_of(40.0)
    order = policy("safety_stock_fill_rate", fill_rate=0.97).order(state, forecast, terms)[0]
    needs = cover(state, forecast, terms, 256, 7, 0)

    def fill(quantity: float) -> float:
        return 1 - np.maximum(needs.need[0] - quantity, 0).mean() / needs.demand[0].mean()

    assert fill(order) >= 0.97 > fill(order - 1)


def test_the_fill_rate_needs_less_stock_than_the_same_cycle_service_level() -> None:
    terms, forecast, state = terms_of(), forecast_of(20.0, sd=6.0), state_of(40.0)
    by_fill = policy("safety_stock_fill_rate", fill_rate=0.95).order(state, forecast, terms)
    by_cycle = policy("safety_stock_csl", cycle_service_level=0.95).order(state, forecast, terms)
    assert by_fill[0] < by_cycle[0]


def test_the_critical_ratio_by_hand() -> None:
    kept, perishing = terms_of(), terms_of(shelf_life=np.array([3]))
    owed = terms_of(backorder_cost=0.4)
    assert critical_ratio(kept) == pytest.approx([3.0 / 3.3])
    assert critical_ratio(perishing) == pytest.approx([3.0 / 5.3])
    assert critical_ratio(owed) == pytest.approx([0.4 / 0.5])


def test_newsvendor_reads_the_critical_ratio() -> None:
    terms, forecast, state = terms_of(backorder_cost=0.4), forecast_of(20.0), state_of(10.0)
    wanted = np.quantile(simulated_sum(forecast, 5), 0.8, method="median_unbiased") - 10.0
    assert policy("newsvendor").order(state, forecast, terms)[0] == np.ceil(wanted)


@pytest.mark.parametrize("backorder_cost", [np.nan, 0.7])
def test_base_stock_is_the_cheapest_of_all_quantities(backorder_cost: float) -> None:
    terms, forecast, state = terms_of(backorder_cost=backorder_cost), forecast_of(20.0, sd=8.0), state_of(40.0)
    needs = cover(state, forecast, terms, 256, 7, 0)

    def cost(quantity: float) -> float:
        stock = needs.stock[0] + quantity
        held = terms.holding_cost[0] * np.maximum(stock, 0).sum(axis=1)
        once = 3.0 * np.maximum(needs.need[0] - quantity, 0)
        late = backorder_cost * np.maximum(-stock, 0).sum(axis=1)
        return float((held + (once if np.isnan(backorder_cost) else late)).mean())

    every = np.array([cost(q) for q in range(200)])
    order = policy("base_stock").order(state, forecast, terms)[0]
    assert cost(order) <= every.min() * 1.002


def test_s_s_orders_a_lot_on_top_and_only_below_s() -> None:
    terms, forecast = terms_of(), forecast_of(20.0)
    lot = np.sqrt(2 * 8.0 * 20.0 / 0.1)
    gap = policy("safety_stock_csl").order(state_of(60.0), forecast, terms)[0]
    order = policy("s_S", cycle_service_level="target").order(state_of(60.0), forecast, terms)[0]
    assert gap - 1 + lot < order <= gap + lot + 1
    assert policy("s_S", cycle_service_level=0.9).order(state_of(160.0), forecast, terms)[0] == 0


def test_r_q_orders_whole_lots() -> None:
    terms, forecast = terms_of(), forecast_of(20.0)
    rule = policy("r_Q", lot_periods=2.0, cycle_service_level=0.95)
    few, many = rule.order(state_of(90.0), forecast, terms), rule.order(state_of(0.0), forecast, terms)
    assert few[0] == 40.0
    assert many[0] == 80.0


def test_the_reorder_point_with_backorders_balances_its_uniform_position() -> None:
    terms, forecast, state = terms_of(backorder_cost=0.9), forecast_of(20.0, sd=9.0), state_of(50.0)
    needs = cover(state, forecast, terms, 256, 7, 0)
    rule = policy("s_S")
    lot = np.array([60.0])
    gap = rule.gap(needs, terms, lot)[0]
    spots = gap + (np.arange(2000) + 0.5) / 2000 * 60.0
    assert np.mean([(needs.need[0] <= spot).mean() for spot in spots]) == pytest.approx(0.9, abs=1e-3)


def test_eoq_by_hand_and_the_need_where_that_is_more() -> None:
    forecast, state = forecast_of(20.0), state_of(95.0)
    assert policy("eoq").order(state, forecast, terms_of(order_cost=40.0))[0] == np.ceil(np.sqrt(16000))
    need = policy("safety_stock_csl").order(state, forecast, terms_of())
    assert policy("eoq").order(state, forecast, terms_of(order_cost=0.0)) == pytest.approx(need)


def test_wagner_whitin_covers_more_periods_when_an_order_costs_more() -> None:
    forecast, state = forecast_of(20.0, sd=0.0), state_of(0.0)
    orders = [
        policy("wagner_whitin").order(state, forecast, terms_of(order_cost=cost))[0] for cost in (0.0, 30.0, 1000.0)
    ]
    assert orders == pytest.approx([60.0, 120.0, 240.0])


def test_a_shelf_life_ends_the_lot() -> None:
    forecast, state = forecast_of(20.0, sd=0.0), state_of(0.0)
    for name in ("wagner_whitin", "eoq", "s_S", "r_Q"):
        order = policy(name).order(state, forecast, terms_of(order_cost=1000.0, shelf_life=np.array([5])))
        assert order[0] == pytest.approx(100.0), name


def test_a_spread_of_the_lead_time_asks_for_more() -> None:
    forecast, state = forecast_of(20.0), state_of(60.0)
    sure = policy("safety_stock_csl").order(state, forecast, terms_of(lead_time=np.array([4])))
    spread = policy("safety_stock_csl").order(
        state, forecast, terms_of(lead_time=np.array([4]), lead_time_sd=np.array([1.5]))
    )
    assert spread[0] > sure[0] + 10


def test_display_stock_is_added() -> None:
    forecast, state = forecast_of(20.0), state_of(60.0)
    for name in ("safety_stock_csl", "newsvendor"):
        plain = policy(name).order(state, forecast, terms_of())
        shown = policy(name).order(state, forecast, terms_of(min_stock=12.0))
        assert shown[0] == pytest.approx(plain[0] + 12), name


@pytest.mark.parametrize("name", SAMPLED)
def test_an_item_is_decided_alone(name: str) -> None:
    terms = terms_of(
        3, lead_time=np.array([0, 2, 5]), review_period=np.array([1, 7, 2]), lead_time_sd=np.array([0.0, 0.8, 0.0])
    )
    forecast, state = forecast_of([4.0, 20.0, 50.0]), state_of([3.0, 40.0, 100.0])
    together = policy(name).order(state, forecast, terms)
    for row in range(3):
        one = np.array([row])
        alone = policy(name).order(state.take(one), forecast.take(one), terms.take(one))
        assert alone[0] == together[row]


@pytest.mark.parametrize("name", SAMPLED)
def test_no_demand_no_order(name: str) -> None:
    assert policy(name).order(state_of(0.0), forecast_of(0.0, sd=0.0), terms_of())[0] == 0


def test_row_quantile_is_numpys() -> None:
    samples = np.random.default_rng(0).normal(size=(3, 50))
    expected = [np.quantile(samples[i], q, method="median_unbiased") for i, q in enumerate((0.1, 0.5, 0.99))]
    assert row_quantile(samples, np.array([0.1, 0.5, 0.99])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "key"), [("safety_stock_csl", "cycle_service_level"), ("safety_stock_fill_rate", "fill_rate")]
)
def test_a_service_level_outside_its_range_is_refused(name: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} must be inside"):
        policy(name, **{key: 1.5}).order(state_of(0.0), forecast_of(2.0), terms_of())


quantity = st.floats(0, 400)
ITEM = st.fixed_dictionaries(
    {
        "on_hand": quantity,
        "mean": st.floats(0, 60),
        "case_pack": st.sampled_from([1.0, 0.5, 6.0, 24.0]),
        "min_order_qty": st.floats(0, 100),
        "max_stock": st.one_of(st.just(np.nan), quantity),
        "lead_time": st.integers(0, 4),
        "review_period": st.integers(1, 5),
        "shelf_life": st.integers(0, 6),
        "order_cost": st.floats(0, 60),
        "backorder_cost": st.sampled_from([np.nan, 0.5]),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(ITEM, min_size=1, max_size=4), st.sampled_from(SAMPLED))
def test_every_order_obeys_the_terms(items: list[dict], name: str) -> None:
    columns = {key: np.array([item[key] for item in items]) for key in items[0]}
    state, forecast = state_of(columns.pop("on_hand")), forecast_of(columns.pop("mean"))
    terms = terms_of(len(items), **columns)
    order = policy(name, n_paths=32).order(state, forecast, terms)
    cases = order / terms.case_pack
    assert (order >= 0).all()
    assert np.allclose(cases, np.round(cases))
    assert ((order == 0) | (order >= terms.min_order_qty - 1e-6)).all()
    limit = np.where(np.isnan(terms.max_stock), np.inf, terms.max_stock)
    assert ((order == 0) | (state.inventory_position + order <= limit + 1e-6)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(ITEM, min_size=1, max_size=4), st.lists(st.floats(-50, 900), min_size=4, max_size=4))
def test_rounding_never_breaks_a_maximum_and_never_orders_nothing_that_fits(
    items: list[dict], wants: list[float]
) -> None:
    columns = {key: np.array([item[key] for item in items]) for key in items[0]}
    position = columns.pop("on_hand")
    columns.pop("mean")
    terms, wanted = terms_of(len(items), **columns), np.array(wants[: len(items)])
    order = round_order(wanted, position, terms)
    assert ((order > 0) == ((wanted > 0) & orderable(position, terms))).all()
    limit = np.where(np.isnan(terms.max_stock), np.inf, terms.max_stock)
    assert ((order == 0) | (position + order <= limit + 1e-6)).all()
    # Rounding adds less than a case beyond the larger of need and minimum.
    assert (order < np.maximum(wanted, terms.min_order_qty).clip(terms.case_pack) + terms.case_pack).all()
