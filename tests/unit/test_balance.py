"""Longest-first assignment of groups to tasks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.features.build import predicted_bytes
from parlevel.domain.features.groups import Size, group_names
from parlevel.pipeline.train_groups import GroupSize
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


def test_groups_of_a_thousand_to_one_are_split_so_that_no_core_has_much_more_than_its_share() -> None:
    cells, size = 400, predicted_bytes(np.array([400]), 6)[0]
    counts = {("giant",): 100_000, **{(f"small{k}",): 100 for k in range(40)}}
    sizes = {key: Size(n, int(n * size)) for key, n in counts.items()}
    groups = group_names(sizes, 20, 256 * 2**20)
    work = [
        (f"{group.name}#{part}", GroupSize("", n // group.parts, cells * n // group.parts, False).work)
        for key, group in groups.items()
        for n in [counts[key]]
        for part in range(group.parts)
    ]
    assert max(load for _, load in work) < 100 * min(load for _, load in work)
    for cores in (2, 8, 16):
        assert longest_first(work, cores).skew < 1.3
