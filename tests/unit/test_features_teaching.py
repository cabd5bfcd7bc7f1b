"""Which series a group learns from, and where those that are left out go."""

from __future__ import annotations

import numpy as np
import pytest

from parlevel.domain.clean import flags as bits
from parlevel.domain.features.groups import Size, group_names, with_left_out
from parlevel.domain.features.teaching import left_out

DAYS = 60


def one(change: str = "") -> str | None:
    """The verdict on a dense daily series after one kind of damage."""
    demand, available = np.full((1, DAYS), 3.0), np.ones((1, DAYS), bool)
    flags = np.full((1, DAYS), bits.RECORD, np.int32)
    if change == "missing":
        demand[0, 10:20], available[0, 10:20] = np.nan, False
        flags[0, 10:20] |= bits.MISSING
    elif change == "filled":
        flags[0, 10:20] |= bits.MISSING | bits.FILLED
    elif change == "unknown":
        demand[:], available[:] = np.nan, False
        flags[:] |= bits.MISSING
    elif change == "zero":
        demand[:] = 0.0
    elif change == "three":
        demand[0, :-3], available[0, :-3], flags[0, :-3] = np.nan, False, 0
    elif change == "hole":
        demand[0, 10:20], flags[0, 10:20] = 0.0, bits.GAP
    elif change == "ended":
        demand[0, -10:], flags[0, -10:] = 0.0, bits.GAP
    elif change == "rare":
        demand[0, ::2], flags[0, ::2] = 0.0, bits.GAP
        demand[0, 10:20], flags[0, 10:20] = 0.0, bits.GAP
    return left_out(demand, available, flags, "day")[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("missing", "10 periods without a usable value"),
        ("unknown", "no period with known demand"),
        ("zero", "never sold"),
        ("three", "only 3 of the 14 known periods that it takes"),
        ("hole", "10 periods in a row without a record, though 100% of the others have one"),
    ],
)
def test_damage_is_named(change: str, reason: str) -> None:
    assert one(change) == reason


@pytest.mark.parametrize("change", ["", "filled", "ended", "rare"])
def test_sound_series_teach(change: str) -> None:
    """Filled on request, perhaps no longer sold, or rarely sold: none of it is damage."""
    assert one(change) is None


def test_guests_move_nobody_and_go_to_their_own_kind() -> None:
    teaching = {("a", "A"): Size(9, 10), ("a", "C"): Size(6, 10), ("b", "A"): Size(8, 10)}
    others = {("a", "C"): Size(3, 10), ("a", "new"): Size(5, 10), ("z", "A"): Size(1, 10)}
    groups, guests = with_left_out(teaching, others, 5, 100.0)
    assert groups == group_names(teaching, 5, 100.0)
    assert [guests[key].name for key in others] == ["a/C", "a/A", "a/A"]


def test_so_many_guests_that_they_fill_the_memory_split_the_group_after_all() -> None:
    groups, guests = with_left_out({("a",): Size(9, 50)}, {("b",): Size(900, 350)}, 5, 100.0)
    assert groups[("a",)].parts == guests[("b",)].parts == 3


def test_where_nothing_teaches_everything_does() -> None:
    groups, guests = with_left_out({}, {("a",): Size(9, 10)}, 5, 100.0)
    assert groups == {}
    assert guests[("a",)].name == "a"
