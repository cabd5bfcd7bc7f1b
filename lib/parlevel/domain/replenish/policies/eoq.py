"""The economic order quantity with a service level: lots for cost, the reorder point for service."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Forecast, Terms
from parlevel.domain.replenish.cover import Cover
from parlevel.domain.replenish.policies.safety_stock import SafetyStockCsl
from parlevel.domain.replenish.policies.sampled import batch


class EconomicOrderQuantity(SafetyStockCsl):
    """When the stock does not last at the service level asked for, order sqrt(2 K D / h), or the need if that is more.

    Source: Harris (1913), "How many parts to make at once". Parameters as in `SafetyStockCsl`.
    """

    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """See `SampledPolicy`."""
        need = super().wanted(needs, forecast, terms)
        return np.where(need > 0, np.maximum(need, batch(needs, terms)), 0.0)
