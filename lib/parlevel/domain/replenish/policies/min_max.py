"""Min/max on history alone: a moving average and a fixed cover, what shops do without a forecast."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, State, Terms
from parlevel.domain.replenish.rounding import round_order


class MinMax:
    """Order up to a maximum whenever the inventory position is at or below a minimum.

    Minimum = mean demand over the protection interval x safety; maximum = minimum + mean demand over the cover.
    Of what perishes neither is more than the mean demand until an order of today would be too old to sell.

    Args:
        window: periods of history averaged.
        safety: how much the mean is raised to guard against bad luck.
        cover: further periods that an order covers; 0: the review period.
    """

    def __init__(self, window: int = 28, safety: float = 1.5, cover: int = 0) -> None:
        self.window, self.safety, self.cover = window, safety, cover

    def levels(self, forecast: Forecast, terms: Terms) -> tuple[Floats, Floats]:
        """(minimum, maximum), each (n,) units."""
        recent = forecast.history[:, -self.window :]
        known = ~np.isnan(recent)
        mean = np.nansum(np.where(known, recent, 0.0), axis=1) / np.maximum(known.sum(axis=1), 1)
        low = mean * terms.protection_interval * self.safety + terms.min_stock
        high = low + mean * (self.cover if self.cover else terms.review_period)
        lasts = np.where(terms.shelf_life > 0, mean * (terms.lead_time + terms.shelf_life), np.inf)
        return np.minimum(low, lasts), np.minimum(high, lasts)

    def order(self, state: State, forecast: Forecast, terms: Terms) -> Floats:
        """Today's order; see `Policy`."""
        terms = terms.until_next()
        low, high = self.levels(forecast, terms)
        position = state.inventory_position
        wanted = np.where((position <= low) & (high > 0), high - position, 0.0)
        return round_order(wanted, position, terms)
