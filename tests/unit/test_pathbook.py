"""Demand paths drawn once: parts of them are paths of what is left of the forecast, for whoever asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parlevel.domain.evaluate.simulate import play
from parlevel.domain.replenish.base import Forecast
from parlevel.domain.replenish.pathbook import HORIZONS, LONGEST, draw, with_book
from parlevel.domain.replenish.plan import Settings, demand_paths
from parlevel.domain.replenish.registry import policy
from stock import forecast, states, terms

SEASON = 7


def of(n: int = 3, horizon: int = 14) -> Forecast:
    return forecast([4.0 + item for item in range(n)], horizon, spread=2.0, correlation=0.3)


def paths(known: Forecast, periods: int, **given: int) -> np.ndarray:
    return demand_paths(
        known, periods, Settings(**{"horizon": 14, "season": SEASON, "n_paths": 40, "seed": 3, **given})
    )


def test_a_later_decision_reads_on_in_the_same_paths() -> None:
    book = with_book(of(), SEASON)
    whole = paths(book, 14 * HORIZONS)
    assert whole.shape == (3, 40, 42)
    assert np.array_equal(whole, draw(of().extend(42, SEASON), 40, 3))
    for t in (0, 5, 13):
        later = book.extend(t + 14, SEASON).after(t)
        assert np.array_equal(paths(later, 20), whole[:, :, t : t + 20])
        assert np.array_equal(paths(later.take(np.array([2, 0])), 20), whole[[2, 0], :, t : t + 20])
        assert np.array_equal(paths(later.take(np.array([2, 1])).take(np.array([1])), 9), whole[[1], :, t : t + 9])
    assert len(book.book.drawn) == 1


def test_paths_that_a_book_does_not_hold_are_drawn() -> None:
    book = with_book(of(), SEASON)
    for known, periods, season in ((book, 43, SEASON), (book.after(5), 38, SEASON), (book, 20, 5)):
        found = paths(known, periods, season=season)
        assert np.array_equal(found, paths(replace(known, book=None), periods, season=season))
    assert not book.book.drawn


def test_a_forecast_of_many_periods_gets_no_book() -> None:
    assert with_book(of(horizon=LONGEST // HORIZONS), SEASON).book is not None
    assert with_book(of(horizon=LONGEST // HORIZONS + 1), SEASON).book is None


def test_each_seed_and_number_of_paths_has_its_own() -> None:
    book = with_book(of(), SEASON)
    shapes = {paths(book, 10, n_paths=n, seed=seed).tobytes() for n in (20, 40) for seed in (1, 2)}
    assert len(shapes) == 4 == len(book.book.drawn)


def test_they_have_the_forecast_s_distribution_at_every_step() -> None:
    """Of 400 stratified paths the quantiles of a late step come as near to the forecast's as those drawn anew."""
    known = with_book(of(1), SEASON)
    late = known.extend(14 + 13, SEASON).after(13)
    wanted = late.quantiles[0, 0]
    sums = []
    for found in (paths(late, 14, n_paths=400), paths(replace(late, book=None), 14, n_paths=400)):
        assert np.quantile(found[0, :, 0], late.levels) == pytest.approx(wanted, abs=0.3)
        sums.append(found[0].sum(axis=1))
    assert sums[0].mean() == pytest.approx(sums[1].mean(), rel=0.02)
    assert sums[0].std() == pytest.approx(sums[1].std(), rel=0.1)  # the steps of a path belong together as before


def test_an_item_is_played_the_same_whoever_plays_beside_it() -> None:
    rng = np.random.default_rng(5)
    demand = rng.poisson(4.0, (3, 14)).astype(float)
    known, rule = with_book(of(), SEASON), policy("optimal", season=SEASON, n_paths=32)

    def orders(rows: list[int]) -> np.ndarray:
        at, some = np.array(rows), terms(3, lead_time=2, review_period=3).take(np.array(rows))

        def foresee(t: int) -> Forecast:
            return known.take(at).extend(t + 14, SEASON).after(t)

        return play(rule, states([5.0] * len(rows)), demand[at], foresee, some, SEASON).ordered

    together = orders([0, 1, 2])
    assert together.sum() > 0
    for item in range(3):
        alone = with_book(of().take(np.array([item])), SEASON)
        assert np.array_equal(paths(alone, 30), paths(known, 30)[[item]])
        assert np.array_equal(orders([item])[0], together[item])
