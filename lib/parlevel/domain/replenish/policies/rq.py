"""(r, nQ): when the position falls below r, order whole lots until it is not."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, Terms
from parlevel.domain.replenish.cover import Cover
from parlevel.domain.replenish.policies.sampled import batch
from parlevel.domain.replenish.policies.ss import MinMaxOnForecast


class ReorderPoint(MinMaxOnForecast):
    """Order the fewest lots of Q units that lift the inventory position to r or above.

    Args:
        lot_periods: Q in periods of mean demand; 0: the economic order quantity.
        cycle_service_level: sets r; "target": each item's own; None: r of least expected cost, see `reorder_gap`.
        n_paths, season, seed: see `SampledPolicy`.
    """

    def __init__(
        self,
        lot_periods: float = 0.0,
        cycle_service_level: float | str | None = None,
        n_paths: int = 256,
        season: int = 7,
        seed: int = 0,
    ) -> None:
        super().__init__(cycle_service_level, n_paths, season, seed)
        self.lot_periods = lot_periods

    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """See `SampledPolicy`."""
        fixed = np.maximum(self.lot_periods * needs.rate, terms.case_pack)
        lot = fixed if self.lot_periods else batch(needs, terms)
        gap = self.gap(needs, terms, lot)
        return np.where(gap > 0, np.ceil(np.maximum(gap, 0.0) / lot) * lot, 0.0)
