"""Allocation of scarce stock and transfers between stores."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.replenish.network.allocate import allocate
from parlevel.domain.replenish.network.echelon import dependent_demand, ship, supply_lanes
from parlevel.domain.replenish.network.model import Lane, Network, Node
from parlevel.domain.replenish.network.transfer import transfers
from parlevel.errors import DataError

ONE = np.ones(3)


def test_enough_for_all_is_given_to_all() -> None:
    assert allocate(60, np.array([10.0, 20, 30]), ONE).tolist() == [10, 20, 30]


def test_scarce_stock_is_shared_in_proportion() -> None:
    assert allocate(30, np.array([10.0, 20, 30]), ONE).tolist() == [5, 10, 15]


def test_a_higher_priority_fills_sooner_and_what_it_leaves_goes_round() -> None:
    assert allocate(40, np.array([20.0, 20, 20]), ONE, priority=np.array([4.0, 1, 1])).tolist() == [20, 10, 10]


def test_what_is_owed_comes_first() -> None:
    shared = allocate(30, np.array([30.0, 30, 0]), ONE, must=np.array([0.0, 20, 0]))
    # 20 are owed to the second; of the 10 left, in proportion to what is still wanted: 7.5 and 2.5.
    assert shared.tolist() == [7, 23, 0]


def test_whole_cases_and_no_case_left_that_someone_wants() -> None:
    given_ = allocate(50, np.array([24.0, 24, 30]), np.array([12.0, 12, 6]))
    assert (given_ % np.array([12, 12, 6]) == 0).all()
    assert 50 - given_.sum() < 6


def test_an_allocation_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="must be >= 0"):
        allocate(-1, ONE, ONE)


STORE = st.tuples(st.integers(0, 30), st.sampled_from([1.0, 4.0, 6.0]), st.floats(0.2, 5), st.integers(0, 40))


@settings(max_examples=80, deadline=None)
@given(st.lists(STORE, min_size=1, max_size=6), st.floats(0, 300))
def test_allocations_keep_every_promise(stores: list[tuple], available: float) -> None:
    cases, pack, priority, must = (np.array(column, float) for column in zip(*stores, strict=True))
    wanted = cases * pack
    given_ = allocate(available, wanted, pack, priority, must)
    assert (given_ >= 0).all()
    assert (given_ <= wanted + 1e-9).all()
    assert np.allclose(given_ / pack, np.rint(given_ / pack))
    assert given_.sum() <= available + 1e-6
    open_ = given_ < wanted - 1e-9
    # Nothing that would fit stays behind.
    assert not open_.any() or available - given_.sum() < pack[open_].max() + 1e-6
    assert not (open_ & (pack <= available - given_.sum() - 1e-6)).any()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 100))
def test_single_units_are_shared_to_within_one(wants: list[int], available: int) -> None:
    wanted = np.array(wants, float)
    given_ = allocate(float(available), wanted, np.ones(len(wants)))
    fair = wanted * min(1.0, available / wanted.sum())
    assert np.abs(given_ - fair).max() < 1 + 1e-6


def shops(costs: dict[tuple[str, str], float], capacity: float = np.inf) -> Network:
    names = sorted({name for pair in costs for name in pair})
    return Network(
        [Node(name) for name in names], [Lane(*pair, unit_cost=c, capacity=capacity) for pair, c in costs.items()]
    )


def test_a_transfer_is_made_where_it_saves_and_not_where_it_does_not() -> None:
    network = shops({("a", "b"): 1.0, ("a", "c"): 4.5})
    moved = transfers(network, np.array([10.0, 0, 0]), np.array([0.0, 6, 5]), np.full(3, 0.5), np.full(3, 5.0))
    assert moved.units.tolist() == [6, 0]
    assert moved.saving == pytest.approx(6 * 3.5)


def test_capacity_and_cases_hold() -> None:
    network = shops({("a", "b"): 1.0}, capacity=8)
    moved = transfers(network, np.array([20.0, 0]), np.array([0.0, 17]), np.zeros(2), np.full(2, 5.0), case_pack=3)
    assert moved.units.tolist() == [6]


def test_no_lanes_no_transfers() -> None:
    assert transfers(Network([Node("a")], []), ONE[:1], ONE[:1], ONE[:1], ONE[:1]).saving == 0


def test_a_negative_surplus_is_refused() -> None:
    with pytest.raises(DataError, match="surplus and shortage"):
        transfers(shops({("a", "b"): 1.0}), np.array([-1.0, 0]), np.zeros(2), np.zeros(2), np.zeros(2))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_transfers_are_the_best_of_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    pairs = [("a", "b"), ("a", "c"), ("b", "c"), ("c", "b")]
    network = shops({pair: float(draw.integers(0, 6)) for pair in pairs}, capacity=float(draw.integers(1, 4)))
    surplus, shortage = draw.integers(0, 4, 3).astype(float), draw.integers(0, 4, 3).astype(float)
    given_up, saved = draw.integers(0, 3, 3).astype(float), draw.integers(2, 9, 3).astype(float)
    moved = transfers(network, surplus, shortage, given_up, saved)
    best = 0.0
    for units in product(range(4), repeat=4):
        amount = np.array(units, float)
        sent = np.bincount(network.source, amount, 3)
        got = np.bincount(network.target, amount, 3)
        fits = (sent <= surplus).all() and (got <= shortage).all()
        if fits and (amount <= [lane.capacity for lane in network.lanes]).all():
            gain = saved[network.target] - given_up[network.source] - [lane.unit_cost for lane in network.lanes]
            best = max(best, float(amount @ gain))
    assert moved.saving == pytest.approx(best, abs=1e-6)


def chain() -> Network:
    nodes = [Node("supplier"), Node("dc"), Node("s1"), Node("s2")]
    lanes = [
        Lane("supplier", "dc", lead_time=2),
        Lane("supplier", "s1", unit_cost=9.0),
        Lane("dc", "s1", lead_time=1),
        Lane("dc", "s2", units=2.0),
    ]
    return Network(nodes, lanes)


def test_the_warehouse_is_asked_for_what_its_stores_plan_when_it_must_leave() -> None:
    receipts = np.zeros((4, 4))
    receipts[1] = [0, 0, 0, 7]
    receipts[2] = [3, 0, 5, 0]
    receipts[3] = [0, 4, 0, 0]
    asked = dependent_demand(chain(), receipts)
    assert asked[1].tolist() == [3, 5 + 8, 0, 0]
    assert asked[0].tolist() == [0, 7, 0, 0]
    assert asked[2:].sum() == 0


def test_a_node_is_supplied_by_its_cheapest_lane() -> None:
    assert supply_lanes(chain()).tolist() == [-1, 0, 2, 3]


def test_a_short_warehouse_shares_and_the_others_send_all() -> None:
    sent = ship(chain(), np.array([50.0, 12, 0, 0]), np.array([0.0, 20, 8, 8]), np.ones(4))
    # The supplier has enough; the warehouse's 12 meet 8 and 2 x 8: half of each.
    assert sent.tolist() == [20, 0, 4, 4]
