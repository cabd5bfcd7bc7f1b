"""Dynamic lot sizing: how many review periods one order should cover, when demand is not level."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, Terms
from parlevel.domain.replenish.cover import Cover
from parlevel.domain.replenish.policies.safety_stock import SafetyStockCsl
from parlevel.domain.replenish.solvers.lot_sizing import lot_sizes


class WagnerWhitin(SafetyStockCsl):
    """The first lot of the cheapest schedule for mean demand, on top of the safety stock of the first interval.

    The first requirement is the need at the service level asked for; each later one is the mean demand of its review
    period. Nothing is ordered while the first requirement is not positive.
    Source: Wagner & Whitin (1958), "Dynamic version of the economic lot size model". Parameters: `SafetyStockCsl`.
    """

    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """See `SampledPolicy`."""
        need = super().wanted(needs, forecast, terms)
        count = int(np.ceil(forecast.horizon / terms.review_period).max())
        longest = int(terms.lead_time.max() + count * terms.review_period.max())
        mean = forecast.extend(longest, self.season).mean
        total = np.concatenate([np.zeros((len(need), 1)), mean.cumsum(axis=1)], axis=1)
        ends = terms.lead_time[:, None] + terms.review_period[:, None] * np.arange(1, count + 1)
        upto = np.take_along_axis(total, np.minimum(ends, longest), axis=1)
        demand = np.concatenate([np.maximum(need, 0.0)[:, None], np.diff(upto, axis=1)], axis=1)
        # An item plans over its own horizon, whatever review period its neighbours have.
        demand[np.arange(count) >= np.ceil(forecast.horizon / terms.review_period)[:, None]] = 0.0
        width = np.ones_like(demand)
        holding = terms.holding_cost * terms.review_period
        plan = lot_sizes(demand, terms.order_cost[:, None] * width, 0.0 * width, holding[:, None] * width)
        return np.where(need > 0, plan.lots[:, 0], 0.0)
