"""The first order of the cheapest plan over demand paths."""

from __future__ import annotations

from parlevel.domain.replenish.base import Floats, Forecast, State, Terms
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.plan import Settings


class Optimal:
    """Plan the horizon by dynamic programming, place the first order, plan again at the next review.

    Args:
        horizon: order steps planned; 0: the forecast's horizon.
        season: periods in a season, by which a forecast is extended.
        n_paths: demand sample paths.
        max_levels: of the grid.
        passes: builds of the model, see `Settings`.
        seed: of the paths.
        shortage_weight: what a lost unit counts, see `Settings`.
    """

    def __init__(
        self,
        horizon: int = 0,
        season: int = 7,
        n_paths: int = 64,
        max_levels: int = 192,
        passes: int = 2,
        seed: int = 0,
        shortage_weight: float = 1.0,
    ) -> None:
        self.horizon = horizon
        self.settings = Settings(max(horizon, 1), season, n_paths, max_levels, passes, seed, shortage_weight)

    def order(self, state: State, forecast: Forecast, terms: Terms) -> Floats:
        """Today's order; see `Policy`."""
        return self.plan(state, forecast, terms)[:, 0]

    def plan(self, state: State, forecast: Forecast, terms: Terms) -> Floats:
        """(n, h) units to order now and at each later step of the horizon."""
        steps = self.horizon or forecast.horizon
        settings = Settings(**{**vars(self.settings), "horizon": steps})
        units: Floats = Batch(state, forecast, terms, settings).solve().units[0]
        return units
