"""A policy for the items of one supplier and place that share its limits, to be played like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from parlevel.domain.evaluate.buyer import accepted
from parlevel.domain.replenish.base import Floats, Forecast, Policy, Rows, State, Terms
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.constraints.resource import Row
from parlevel.domain.replenish.group import left
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.registry import OPTIMAL
from parlevel.domain.replenish.solvers.coupled import solve_group
from parlevel.domain.replenish.solvers.outcome import Effort
from parlevel.errors import SolverError


@dataclass(frozen=True)
class Together:
    """Orders that keep the limits of a group.

    Items whose policy is `optimal` are planned together, as the stage replenish plans them. What rules ask for item by
    item is made into an order by `buyer.accepted`; where a group has both, rules decide first.

    Attributes:
        names: (n,) registry name of each item's policy.
        rules: name -> policy, for all but `optimal`.
        limits: of the group.
        settings, effort: of the plans of `optimal`.
        failed: a line for each plan that the solver did not find; a buyer then made an order of the items' own plans.
    """

    names: Sequence[str]
    rules: Mapping[str, Policy]
    limits: Sequence[Row]
    settings: Settings
    effort: Effort
    failed: list[str] = field(default_factory=list)

    def take(self, rows: Rows) -> Self:
        """The policy of some of the items."""
        return replace(self, names=np.asarray(self.names)[rows].tolist())

    def order(self, state: State, forecast: Forecast, terms: Terms) -> Floats:
        """Today's order; see `Policy`."""
        names, units = np.asarray(self.names), np.zeros(len(self.names))
        for name in sorted(set(self.names) - {OPTIMAL}):
            rows = np.flatnonzero(names == name)
            units[rows] = self.rules[name].order(state.take(rows), forecast.take(rows), terms.take(rows))
        ruled, rest = np.flatnonzero(names != OPTIMAL), np.flatnonzero(names == OPTIMAL)
        if len(ruled):
            some = state.take(ruled), forecast.take(ruled), terms.take(ruled)
            units[ruled] = accepted(units[ruled], *some, self.limits)
        if len(rest):
            limits = left(list(self.limits), terms, np.pad(units[:, None], ((0, 0), (0, self.settings.horizon - 1))))
            units[rest] = self._planned(state.take(rest), forecast.take(rest), terms.take(rest), limits)
        return units

    def _planned(self, state: State, forecast: Forecast, terms: Terms, limits: list[Row]) -> Floats:
        stocked = any(row.basis == "stock" for row in limits)
        batch = Batch(state, forecast, terms, self.settings, with_stock=stocked)
        try:
            return solve_group(batch, limits, self.effort).units[:, 0]
        except SolverError as error:
            self.failed.append(str(error))
            return accepted(batch.solve().units[0][:, 0], state, forecast, terms, limits)
