"""The VN2 game by hand, and that no player sees a week before it is over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from parlevel.errors import DataError
from vn2 import starts, write_orders, write_round
from vn2_game import ORDERS, Shelf, Weeks, clairvoyant, level_known, organiser, play, read


def weeks(sales: np.ndarray, in_stock: np.ndarray | None = None) -> Weeks:
    n, width = sales.shape
    items = pd.DataFrame({"Store": range(n), "Product": range(100, 100 + n)})
    dates = [str(day.date()) for day in pd.date_range("2021-04-12", periods=width, freq="7D")]
    return Weeks(items, dates, sales, np.ones_like(sales, bool) if in_stock is None else in_stock)


def noise(n: int = 5, width: int = 120, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(3.0, (n, width)).astype(float)


def shelf(n: int, units: float = 4.0) -> Shelf:
    return Shelf(np.full(n, units), np.full(n, 2.0), np.full(n, 1.0))


def test_a_week_by_hand():
    after, held, short = Shelf(np.array([2.0]), np.array([3.0]), np.array([4.0])).play(np.array([1.0]), np.array([9.0]))
    assert (after.on_hand[0], after.next_week[0], after.week_after[0]) == (4.0, 4.0, 9.0)
    assert (held, short) == (pytest.approx(0.8), 0.0)
    after, held, short = after.play(np.array([11.0]), np.array([0.0]))
    assert (after.on_hand[0], held, short) == (0.0, 0.0, 3.0)
    assert after.play(np.array([0.0]), np.array([0.0]))[0].on_hand[0] == 9.0


def test_the_organiser_covers_four_weeks_and_leaves_weeks_without_stock_out():
    sales = np.full((2, 60), 5.0)
    sales[1, -6:] = 0.0
    in_stock = sales > 0
    orders = organiser(weeks(sales, in_stock), shelf(2))
    assert orders.tolist() == [13.0, 13.0]  # 4 x 5 less the position of 7


def test_the_organiser_follows_the_season():
    week = np.arange(156)
    season = np.where(week % 52 < 4, 3.0, 1.0)
    low = organiser(weeks(np.tile(10 * season[:140], (3, 1))), shelf(3, 0.0))
    high = organiser(weeks(np.tile(10 * season[:104], (3, 1))), shelf(3, 0.0))
    assert low[0] == pytest.approx(37, abs=2)
    assert high[0] > 100


def test_nobody_sees_a_week_before_it_is_over():
    sales, start = noise(), 80
    scrambled = sales.copy()
    scrambled[:, start + 3 :] = np.random.default_rng(1).permuted(scrambled[:, start + 3 :], axis=1) + 50.0
    seen = []

    def spy(known: Weeks, stock: Shelf) -> np.ndarray:
        seen.append((known.dates[-1], known.sales.shape[1], known.in_stock.shape[1]))
        return organiser(known, stock)

    one, two = (play(weeks(values), start, shelf(5), spy) for values in (sales, scrambled))
    # the first three orders are placed when columns 80, 81 and 82 are over; the fourth may know column 83
    np.testing.assert_array_equal(one.orders[:, :3], two.orders[:, :3])
    assert (one.orders[:, 3] != two.orders[:, 3]).any()
    assert [width for _, width, _ in seen] == [81 + k for k in range(ORDERS)] * 2
    assert all(a == b for _, a, b in seen)


def test_the_files_of_a_round_hold_nothing_later(tmp_path: Path):
    sales = noise()
    later = sales.copy()
    later[:, 81:] += 7.0
    for name, values in (("a", sales), ("b", later)):
        write_round(weeks(values).until(80), shelf(5), tmp_path / name)
    for file in ("sales.csv", "in_stock.csv", "state.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert pd.read_csv(tmp_path / "a" / "sales.csv").columns[-1] == weeks(sales).dates[80]
    assert pd.read_csv(tmp_path / "a" / "state.csv")["In Transit W+1"].tolist() == [2.0] * 5


def test_a_perfect_forecast_loses_nothing_that_an_order_could_have_met():
    played = play(data := weeks(noise()), 80, shelf(5), clairvoyant(data))
    fixed = play(data, 80, shelf(5), lambda _known, stock: np.full(len(stock.on_hand), 1e6))
    assert played.shortage == fixed.shortage  # what nobody could have met
    assert played.cost < play(data, 80, shelf(5), organiser).cost


def test_knowing_the_level_alone_lies_between_the_organiser_and_knowing_all():
    data = weeks(noise(n=60))
    costs = [play(data, 80, shelf(60), policy).cost for policy in (clairvoyant(data), level_known(data), organiser)]
    assert costs[0] < costs[1] < costs[2]


def test_a_file_that_ends_early_gives_the_orders_that_it_decides(tmp_path: Path):
    data = weeks(noise(width=83))
    played = play(data, 80, shelf(5), organiser)
    assert played.orders.shape == (5, 3)
    assert play(data, 82, shelf(5), organiser).orders.shape == (5, 1)
    write_orders(tmp_path / "orders.csv", data.items, played.orders)
    found = pd.read_csv(tmp_path / "orders.csv")
    assert found.columns.tolist() == ["Store", "Product", *(f"Order {k}" for k in range(1, 7))]
    assert found["Order 3"].tolist() == played.orders[:, 2].tolist()
    assert found["Order 4"].isna().all()


def test_the_wide_form_may_hold_weeks_without_a_flag(tmp_path: Path):
    data = weeks(noise(width=60))
    known = data.until(52)
    pd.concat([known.items, pd.DataFrame(known.in_stock, columns=known.dates)], axis=1).to_csv(
        tmp_path / "Week 0 - In Stock.csv", index=False
    )
    file = tmp_path / "sales.csv"
    wide = pd.concat([data.items, pd.DataFrame(data.sales, columns=data.dates)], axis=1)
    wide.to_csv(file, index=False)
    found = read(tmp_path, file)
    assert found.dates == data.dates
    assert found.in_stock.all()
    np.testing.assert_array_equal(found.sales, data.sales)
    pd.concat([wide, wide.iloc[:1]]).to_csv(file, index=False)
    with pytest.raises(DataError, match="one row an item"):
        read(tmp_path, file)
    wide.iloc[:, :20].to_csv(file, index=False)
    with pytest.raises(DataError, match="at least 52 weeks"):
        read(tmp_path, file)


def test_games_share_no_week_and_leave_a_year_before():
    data = weeks(noise(width=157))
    assert starts(data, None, 8) == list(range(92, 149, 8))
    assert starts(data, data.dates[156], 8) == [156]
    with pytest.raises(DataError, match="--start must be a week"):
        starts(data, "2020-01-01", 1)
    with pytest.raises(DataError, match="a year of sales"):
        starts(replace(data, dates=data.dates[:100]), None, 8)
