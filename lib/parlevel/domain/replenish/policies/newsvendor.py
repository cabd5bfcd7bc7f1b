"""Newsvendor: the critical ratio read on the forecast's own quantiles of the protection interval."""

from __future__ import annotations

from parlevel.domain.replenish.base import Floats, Forecast, Terms
from parlevel.domain.replenish.cover import Cover, row_quantile
from parlevel.domain.replenish.policies.sampled import SampledPolicy, critical_ratio


class Newsvendor(SampledPolicy):
    """Order up to the quantile cu / (cu + co) of demand over the protection interval.

    Source: Arrow, Harris & Marschak (1951), "Optimal inventory policy"; costs as in `critical_ratio`.
    """

    def wanted(self, needs: Cover, forecast: Forecast, terms: Terms) -> Floats:
        """See `SampledPolicy`."""
        return row_quantile(needs.need, critical_ratio(terms))
