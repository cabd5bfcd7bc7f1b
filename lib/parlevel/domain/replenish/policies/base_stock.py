"""(R, S): at every review, order up to the level that costs least until the next order can arrive."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, Terms
from parlevel.domain.replenish.cover import Cover
from parlevel.domain.replenish.policies.sampled import STEPS, SampledPolicy


class BaseStock(SampledPolicy):
    """Order up to S, the minimum of expected holding and shortage cost over the sample paths.

    Every period of the interval counts: stock is held from its arrival on, backorders wait until they are served,
    a lost sale is lost once. A myopic S is optimal where orders are free and demand does not fall.
    Source: Veinott (1965), "Optimal policy for a multi-product, dynamic, nonstationary inventory problem".
    """

    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """See `SampledPolicy`."""
        low, high = needs.need.min(axis=1), np.maximum(needs.need.max(axis=1), 0.0)
        for _ in range(STEPS):
            middle = (low + high) / 2
            falling = marginal_cost(needs, terms, middle) < 0
            low, high = np.where(falling, middle, low), np.where(falling, high, middle)
        return high


def marginal_cost(needs: Cover, terms: Terms, wanted: Floats) -> Floats:
    """(n,) expected money that one more unit in the order costs (> 0) or saves (< 0) until the next arrival."""
    known = ~np.isnan(needs.stock)
    display = terms.min_stock[:, None, None]
    left = (needs.stock + wanted[:, None, None] >= 0) & known
    short = (needs.stock + wanted[:, None, None] < display) & known
    missed = (needs.need > wanted[:, None]).mean(axis=1)
    late = short.sum(axis=2).mean(axis=1)
    saved = np.where(terms.lost_sales, terms.shortage_cost * missed, np.nan_to_num(terms.backorder_cost) * late)
    return terms.holding_cost * left.sum(axis=2).mean(axis=1) - saved
