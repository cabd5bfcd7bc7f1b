"""(s, S): when the position falls below s, order up to S."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, Terms
from parlevel.domain.replenish.cover import Cover, row_quantile
from parlevel.domain.replenish.policies.sampled import SampledPolicy, asked, batch, critical_ratio, reorder_gap


class MinMaxOnForecast(SampledPolicy):
    """Order up to S = s + economic order quantity whenever the inventory position is below s.

    Args:
        cycle_service_level: sets s; "target": each item's own; None: s of least expected cost, see `reorder_gap`.
        n_paths, season, seed: see `SampledPolicy`.
    """

    def __init__(
        self, cycle_service_level: float | str | None = None, n_paths: int = 256, season: int = 7, seed: int = 0
    ) -> None:
        super().__init__(n_paths, season, seed)
        self.cycle_service_level = cycle_service_level

    def level(self, terms: Terms) -> Floats:
        """(n,) the service level asked for, or the critical ratio."""
        if self.cycle_service_level is None:
            return critical_ratio(terms)
        own = None if self.cycle_service_level == "target" else float(self.cycle_service_level)
        return asked(own, terms, "cycle_service_level")

    def gap(self, needs: Cover, terms: Terms, lot: Floats) -> Floats:
        """(n,) s - inventory position, units."""
        if self.cycle_service_level is None:
            return reorder_gap(needs, terms, lot)
        return row_quantile(needs.need, self.level(terms))

    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """See `SampledPolicy`."""
        lot = batch(needs, terms)
        gap = self.gap(needs, terms, lot)
        return np.where(gap > 0, gap + lot, 0.0)
