"""Longest-first assignment of groups to tasks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.spark.balance import longest_first


def test_giants_go_first_and_small_ones_fill_up() -> None:
    plan = longest_first([("small1", 1.0), ("giant", 6.0), ("mid", 3.0), ("small2", 2.0)], 2)
    assert plan.task == {"giant": 0, "mid": 1, "small2": 1, "small1": 1}
    assert plan.skew == 1.0


def test_no_more_tasks_than_groups() -> None:
    assert longest_first([("a", 1.0)], 8).n_tasks == 1
    assert longest_first([], 8).n_tasks == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.integers(1, 9))
def test_within_grahams_bounds_and_nothing_lost(loads: list[float], n_tasks: int) -> None:
    work = [(f"g{k}", load) for k, load in enumerate(loads)]
    plan = longest_first(work, n_tasks)
    assert set(plan.task) == {name for name, _ in work}
    heaviest = max(sum(load for name, load in work if plan.task[name] == t) for t in range(plan.n_tasks))
    assert heaviest <= sum(loads) / plan.n_tasks + max(loads) + 1e-6
