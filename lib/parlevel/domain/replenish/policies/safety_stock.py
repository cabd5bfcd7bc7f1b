"""Safety stock by a promise to customers: a cycle service level, or a fill rate."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, Terms
from parlevel.domain.replenish.cover import Cover, row_quantile
from parlevel.domain.replenish.policies.sampled import STEPS, SampledPolicy, asked


class SafetyStockCsl(SampledPolicy):
    """Order up to the demand that is not exceeded in a share `cycle_service_level` of the protection intervals.

    Args:
        cycle_service_level: P(no stockout until the next arrival); None: each item's own target.
        n_paths, season, seed: see `SampledPolicy`.
    """

    def __init__(
        self, cycle_service_level: float | None = None, n_paths: int = 256, season: int = 7, seed: int = 0
    ) -> None:
        super().__init__(n_paths, season, seed)
        self.cycle_service_level = cycle_service_level

    def level(self, terms: Terms) -> Floats:
        """(n,) the service level asked for."""
        return asked(self.cycle_service_level, terms, "cycle_service_level")

    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """See `SampledPolicy`."""
        return row_quantile(needs.need, self.level(terms))


class SafetyStockFillRate(SampledPolicy):
    """Order the least that serves a share `fill_rate` of the demand between two arrivals from stock.

    Expected units short on the paths / expected demand <= 1 - fill_rate; what was late already is not counted twice.
    Source: Silver, Pyke & Thomas (2017), 4th ed., ch. 6 (P2 service), on sample paths in place of the normal loss.

    Args:
        fill_rate: share of units served from stock; None: each item's own target.
        n_paths, season, seed: see `SampledPolicy`.
    """

    def __init__(self, fill_rate: float | None = None, n_paths: int = 256, season: int = 7, seed: int = 0) -> None:
        super().__init__(n_paths, season, seed)
        self.fill_rate = fill_rate

    def level(self, terms: Terms) -> Floats:
        """(n,) the fill rate asked for."""
        return asked(self.fill_rate, terms, "fill_rate")

    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """See `SampledPolicy`."""
        allowed = (1.0 - self.level(terms)) * needs.demand.mean(axis=1)
        display = terms.min_stock[:, None]
        low, high = needs.need.min(axis=1), needs.need.max(axis=1)
        for _ in range(STEPS):
            middle = ((low + high) / 2)[:, None]
            short = np.maximum(needs.need - middle, 0.0) - np.maximum(needs.owed + display - middle, 0.0)
            enough = np.maximum(short, 0.0).mean(axis=1) <= allowed
            low, high = np.where(enough, low, middle[:, 0]), np.where(enough, middle[:, 0], high)
        return high
