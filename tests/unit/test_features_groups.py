"""Profiles and SKU groups: hand-worked series, thresholds and merges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.domain.features.groups import Group, Size, abc_limits, group_names, top_limit
from parlevel.domain.features.history import History
from parlevel.domain.features.profile import profile
from parlevel.domain.panel import Panel


def described(*series: list[float]) -> dict[str, list]:
    lengths = np.array([len(one) for one in series])
    width = int(lengths.max())
    demand = np.array([[np.nan] * (width - len(one)) + list(one) for one in series], np.float32)
    past = History(Panel(np.empty(len(series), object), demand, ~np.isnan(demand), 17_000, "day"))
    found = profile(past, lengths, "day")
    return {name: np.asarray(getattr(found, name)).tolist() for name in found.__dataclass_fields__}


def test_a_profile_by_hand():
    found = described([0, 2, 0, 4, 0, 0], [0.0] * 5)
    assert found["n_positive"] == [2, 0]
    assert found["adi"][0] == 3
    assert found["cv2"][0] == pytest.approx(1 / 9)  # sizes 2 and 4: variance 1, mean 3
    assert found["age"] == [4, 0]
    assert found["since_last_sale"] == [2, 5]
    assert found["total"] == [6, 0]
    assert found["recent_mean"] == [1, 0]
    assert np.isnan(found["adi"][1])


def test_patterns_by_their_definition():
    smooth = [5.0, 6.0] * 60
    erratic = [1.0, 1.0, 1.0, 20.0] * 30
    intermittent = [3.0, 0.0] * 60
    lumpy = [1.0, 0.0, 0.0, 30.0, 0.0, 0.0] * 20
    new = [0.0] * 90 + smooth[:30]
    dead = smooth[:20] + [0.0] * 100
    slow = ([1.0] + [0.0] * 29) * 3 + [0.0] * 95  # 95 days without a sale, but it sold every 61 days only
    found = described(smooth, erratic, intermittent, lumpy, new, dead, [0.0] * 100, slow)["pattern"]
    assert found == ["smooth", "erratic", "intermittent", "lumpy", "new", "dead", "empty", "intermittent"]


def test_small_groups_merge_upwards_and_giants_are_cut():
    keys = {
        ("food", "A", "smooth"): Size(100, 10),
        ("food", "A", "lumpy"): Size(3, 10),
        ("food", "B", "smooth"): Size(4, 10),
        ("food", "B", "lumpy"): Size(5, 10),
        ("food", "C", "lumpy"): Size(500, 2500),
        ("toys", "A", "smooth"): Size(2, 10),
        ("cars", "A", "smooth"): Size(1, 10),
    }
    groups = group_names(keys, min_series=9, max_bytes=1000)
    assert groups[("food", "A", "smooth")] == Group("food/A/smooth", 1)
    assert groups[("food", "B", "smooth")] == groups[("food", "B", "lumpy")] == Group("food/B/*", 1)
    assert groups[("food", "C", "lumpy")] == Group("food/C/lumpy", 3)
    # toys, cars and the lumpy food: 6 together, still too few for a rest of their own
    small = {groups[key].name for key in (("food", "A", "lumpy"), ("toys", "A", "smooth"), ("cars", "A", "smooth"))}
    assert small == {"food/B/*"}


def test_what_is_left_is_the_rest():
    keys = {("a", "x"): Size(4, 0), ("b", "x"): Size(4, 0), ("c", "y"): Size(50, 0)}
    names = [group.name for group in group_names(keys, 5, 1e9).values()]
    assert names == ["rest", "rest", "c/y"]
    assert [group.name for group in group_names({("a",): Size(1, 0)}, 5, 1e9).values()] == ["rest"]
    assert group_names({(): Size(7, 30)}, 5, 10)[()] == Group("rest", 3)
    assert group_names({}, 5, 10) == {}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from("ABC"), st.sampled_from("xyz")),
        st.integers(1, 40),
        min_size=1,
    ),
    st.integers(1, 60),
)
def test_every_key_has_a_group_and_no_group_is_too_small(counts, least):
    keys = {key: Size(n, n) for key, n in counts.items()}
    groups = group_names(keys, least, 1e9)
    assert set(groups) == set(keys)
    sizes: dict[str, int] = {}
    for key, group in groups.items():
        sizes[group.name] = sizes.get(group.name, 0) + counts[key]
    assert min(sizes.values()) >= min(least, sum(counts.values()))


def test_abc_by_hand():
    # volumes 50, 30, 10, 5, 5: A until 80 % is reached, B until 95 %
    histogram = [(5, 1, 50.0), (4, 1, 30.0), (3, 1, 10.0), (2, 1, 5.0), (1, 1, 5.0)]
    assert abc_limits(histogram) == (4, 2)
    assert abc_limits(list(reversed(histogram))) == (4, 2)
    none, also_none = abc_limits([(-(2**31), 3, 0.0)])
    assert min(none, also_none) > 10**6


def test_the_top_share_of_series():
    histogram = [(5, 1, 50.0), (4, 1, 30.0), (3, 8, 10.0), (-(2**31), 10, 0.0)]
    assert top_limit(histogram, 0.1) == 4
    assert top_limit(histogram, 0.11) == 3
    assert top_limit(histogram, 1.0) == 3
    assert top_limit(histogram, 0.0) > 10**6
