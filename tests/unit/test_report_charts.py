"""Charts: scales, broken lines, numbers in the hover texts."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlevel.report import charts
from parlevel.report.svg import Board, short, ticks
from parlevel.report.words import Words, less_or_more, number, plural, share, units

DAYS = [date(2024, 1, 1) + timedelta(days=k) for k in range(6)]


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def titles(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter("title")]


@given(st.floats(0.001, 1e7), st.integers(2, 8))
@settings(max_examples=60, deadline=None)
def test_ticks_cover_the_range_with_round_equal_steps(high: float, count: int):
    found = ticks(0, high, count)
    steps = {round(b - a, 9) for a, b in pairwise(found)}
    assert found[0] == 0
    assert found[-1] >= high * 0.999
    assert len(found) <= count + 2
    assert max(steps) - min(steps) <= 1e-6 * max(steps)


def test_short_numbers():
    assert [short(v) for v in (0, 0.25, 12, 1250, 3_000_000, -1500)] == ["0", "0.25", "12", "1.25k", "3M", "-1.5k"]


def test_scales_map_corners_to_corners():
    board = Board((0, 10), (0, 5), width=100, height=50, margins=(10, 5, 10, 5))
    assert (board.px(0), board.px(10)) == (10, 90)
    assert (board.py(0), board.py(5)) == (45, 5)


def test_a_line_breaks_where_a_value_is_unknown():
    board = Board((0, 4), (0, 4))
    board.line([(0, 1), (1, 2), (2, math.nan), (3, 1), (4, 2)], "line")
    path = re.search(r'd="([^"]+)"', board.parts[0])
    assert path is not None
    assert re.sub(r"[\d. ]+", "", path[1]) == "MLML"


def test_nothing_is_drawn_of_unknown_values_only():
    board = Board((0, 1), (0, 1))
    board.line([(0, math.nan)], "line")
    board.dot(0, math.nan, "dot")
    assert board.parts == []


def make_fan(**changes: object) -> charts.Fan:
    given_ = {
        "dates": DAYS, "history": [1.0, math.nan, 3.0, 4.0], "masked": [1], "back_start": 2, "back_mean": [2.5, 3.5],
        "bands": [([0.0, 1.0], [8.0, 9.0])], "band_names": ["90 %"], "mean": [4.0, 5.0],
    }  # fmt: skip
    return charts.Fan(**{**given_, **changes})  # type: ignore[arg-type]


def test_a_fan_names_every_period_with_its_numbers():
    said = titles(charts.fan(make_fan(), "units per day", "demand of A"))
    assert "2024-01-01: 1" in said
    assert "2024-01-02: unknown" in said
    assert "2024-01-03: 3, forecast then 2.50" in said
    assert "2024-01-06: expected 5; 90 %: 1 to 9" in said


def test_a_fan_without_a_backtest_draws_none():
    with_back = charts.fan(make_fan(), "u", "l")
    without = charts.fan(make_fan(back_start=-1, back_mean=[]), "u", "l")
    assert "line back" in with_back
    assert "line back" not in without


def test_a_fan_of_zeros_is_still_a_picture():
    svg = charts.fan(
        make_fan(history=[0.0] * 4, bands=[], band_names=[], mean=[0.0, 0.0], back_mean=[0.0, 0.0]), "u", "l"
    )
    assert parsed(svg).get("aria-label") == "l"
    assert "nan" not in svg


def test_the_projection_says_stock_receipts_and_losses():
    rows = {
        "stock_mean": [5.0, 15.0], "stock_low": [4.0, 12.0], "stock_high": [6.0, 18.0], "receipts": [0.0, 12.0],
        "lost_mean": [0.25, 0.0],
    }  # fmt: skip
    svg = charts.projection(DAYS[:2], rows, "stock of A")
    assert svg.count("bar receipt") == 1
    assert "2024-01-02: 12 units received" in titles(svg)
    assert any("5 expected, 4 to 6 in 9 of 10 cases; received 0, expected lost 0.25" in t for t in titles(svg))


def test_stacked_bars_are_as_long_as_the_money():
    parts = [("a", {"holding": 30.0, "shortage": 10.0}), ("b", {"holding": 20.0, "shortage": 60.0})]
    svg = charts.stacked(parts, "$", "costs")
    widths = [float(r.get("width", "0")) for r in parsed(svg).iter("rect")]
    assert widths[0] / widths[1] == pytest.approx(3, rel=0.01)
    assert (widths[2] + widths[3]) / (widths[0] + widths[1]) == pytest.approx(2, rel=0.01)
    assert "b, shortage: $60" in titles(svg)


def test_dots_leave_out_what_was_not_measured():
    svg = charts.dots([("g1", {"a": 0.5, "b": None}), ("g2", {"a": 0.25, "b": 0.75})], "WAPE", "l")
    assert titles(svg) == ["g1, a: 50.0 %", "g2, b: 75.0 %", "g2, a: 25.0 %"]


def test_lines_and_reliability_and_bars_name_their_points():
    assert "m, days ahead 2: 40.0 %" in titles(charts.lines({"m": [(1, 0.3), (2, 0.4)]}, ("days ahead", "WAPE"), "l"))
    assert "m: 12.0 % at or below the 10 % quantile" in titles(charts.reliability({"m": [(0.1, 0.12)]}, "l"))
    assert titles(charts.bars([("train", 61.25)], "s", "l")) == ["train: 61.2 s"]


def test_labels_are_escaped():
    assert "<b>" not in charts.bars([("<b>", 1.0)], "s", '"<b>"')


def test_words():
    say = Words("$", "week")
    assert [say.money(v) for v in (1280.4, 12.3, -379, None)] == ["$1,280", "$12.30", "−$379", "–"]
    assert (say.periods(1), say.periods(28)) == ("1 week", "28 weeks")
    assert (share(0.1234), share(None), share(math.nan)) == ("12.3\u00a0%", "–", "–")
    assert (share(0.0), share(0.0004), share(0.0006)) == ("0.0\u00a0%", "<0.1\u00a0%", "0.1\u00a0%")
    assert (share(0.9996), share(0.9994), share(1.0)) == (">99.9\u00a0%", "99.9\u00a0%", "100.0\u00a0%")
    assert share(27.6) == "2,760\u00a0%"
    assert [number(v) for v in (0.456, 12, 1234.5)] == ["0.46", "12", "1,234"]
    assert [units(v) for v in (0.456, 45.67)] == ["0.46", "45.7"]
    assert (plural(1, "order"), plural(2, "order"), plural(1200, "series", "series")) == (
        "1 order",
        "2 orders",
        "1,200 series",
    )
    assert less_or_more(75, 100) == "25.0\u00a0% less"
    assert less_or_more(103, 100) == "3.0\u00a0% more"
    assert (less_or_more(0, 0), less_or_more(1, 0)) == ("the same", "–")


def test_numbers_of_an_axis_are_whole_and_do_not_run_into_each_other():
    svg = charts.dots([("velocity C", {"forest": 14.3, "lstm": 0.4})], "WAPE", "l")
    numbers = [words for words in re.findall(r'text-anchor="middle">([^<]*)<', svg) if words.endswith("%")]
    assert numbers == ["0 %", "500 %", "1,000 %", "1,500 %"]
    svg = charts.dots([("velocity C", {"forest": 1.3})], "WAPE", "l")
    assert "125 %" in re.findall(r'text-anchor="middle">([^<]*)<', svg)
