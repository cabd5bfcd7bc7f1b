"""When items may order and receive, and when a plan ends.

Orders are decided at steps 0, R, 2R ... and arrive L periods later; where lead times vary each order of a path draws
its own delay, and orders do not cross.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.compiled import plain
from parlevel.domain.replenish.base import Bools, Floats, Ints, Terms


@dataclass(frozen=True)
class Timeline:
    """When n items may order and receive, per demand path.

    Attributes:
        count: (n,) order opportunities, K = max.
        arrival: (n, 1 or n_paths, K + 1) period in which opportunity k is received, 0-based, non-decreasing; the last
            one closes the interval of the last opportunity.
        interval: (n, 1 or n_paths, T) the opportunity whose receipt opened the interval that period t lies in;
            -1 before the first receipt, >= count after the last interval.
        step: (n, K) period before whose sales opportunity k is decided; order step of the contract.
        receipt: (n, K) expected period of arrival, 0-based.
    """

    count: Ints
    arrival: Ints
    interval: Ints
    step: Ints
    receipt: Ints

    @property
    def n_opportunities(self) -> int:
        """Columns of the tables over opportunities."""
        return int(self.step.shape[1])

    @property
    def first(self) -> Ints:
        """(n, 1 or n_paths) period of the first possible receipt, 0-based."""
        return self.arrival[:, :, 0]

    @property
    def loops(self) -> tuple[Ints, Ints]:
        """(interval, count) as compiled loops take them."""
        return plain(self.interval, np.int64), plain(self.count, np.int64)


def planning_periods(terms: Terms, horizon: int) -> int:
    """Periods that demand paths must cover, so that the last order's whole cover is inside."""
    count = -(-horizon // terms.review_period)
    late = np.ceil(2.0 * terms.lead_time_sd).astype(np.int64)
    return int((count * terms.review_period + terms.lead_time + late).max())


def timeline(terms: Terms, horizon: int, periods: int, n_paths: int) -> Timeline:
    """Order opportunities within the horizon and the intervals that they open.

    Args:
        terms: of n items.
        horizon: orders are planned at steps 0..horizon - 1.
        periods: T, what the demand paths cover.
        n_paths: paths; with a spread of the lead time each draws its own delays.
    """
    review, lead = terms.review_period, terms.lead_time
    count = -(-horizon // review)
    k = np.arange(int(count.max()) + 1)
    step = k[None, :] * review[:, None]
    receipt = step + lead[:, None]
    t = np.arange(periods)
    if not np.any(terms.lead_time_sd > 0):
        interval = np.maximum((t[None, :] - lead[:, None]) // review[:, None], -1)
        return Timeline(count, receipt[:, None, :], interval[:, None, :], step[:, :-1], receipt[:, :-1])
    late = delays(terms, n_paths, len(k))
    arrival = np.maximum.accumulate(np.maximum(receipt[:, None, :] + late, step[:, None, :]), axis=2)
    interval = np.full((len(lead), n_paths, periods), -1)
    for index in range(len(k)):
        interval += t >= arrival[:, :, index, None]
    return Timeline(count, arrival, interval, step[:, :-1], receipt[:, :-1])


def delays(terms: Terms, n_paths: int, n_orders: int) -> Ints:
    """(n, n_paths, n_orders) periods by which receipts are late: normal, rounded, independent, stratified over paths.

    The same draws for every item and run. The caller keeps orders from crossing.
    """
    from scipy.special import ndtri

    rng = np.random.default_rng(20_170_123)
    order = rng.permuted(np.tile(np.arange(n_paths), (n_orders, 1)), axis=1).T
    normal = ndtri((order + 0.5) / n_paths)
    return np.rint(terms.lead_time_sd[:, None, None] * normal).astype(np.int64)


@dataclass(frozen=True)
class End:
    """When nothing counts any more: the season, the lease or the game is over.

    Attributes:
        periods: from now; 0: it goes on.
        weight: what a lost unit counts in the terms, as a share of its cost. Below 1 it says that a unit too many
            stays 1 / weight review intervals and not one; near the end it cannot.
    """

    periods: int = 0
    weight: float = 1.0

    def before(self, period: Ints) -> Bools:
        """Whether 0-based periods count."""
        return np.asarray(period < self.periods) if self.periods else np.ones(np.shape(period), bool)

    def weights(self, terms: Terms, receipt: Ints) -> Floats:
        """(n, K) what the shortages of the intervals that open at `receipt` count more than in the terms."""
        if not self.periods:
            return np.ones(receipt.shape)
        left = np.maximum(self.periods - receipt, 1) / terms.review_period[:, None]
        return np.maximum(np.minimum(1.0 / left, 1.0) / self.weight, 1.0)


GOES_ON = End()
"""No end."""
