"""What every group of a run shares: when, how, and the limits that hold over several groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parlevel.domain.periods import Period
from parlevel.domain.replenish.constraints.resource import Row, expand
from parlevel.domain.replenish.packed import Items
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.registry import AUTO
from parlevel.domain.replenish.solvers.outcome import Effort


@dataclass(frozen=True)
class Job:
    """What every group of a run shares.

    Attributes:
        cutoff: period index of the last observed period; order step 0 is decided at its end.
        period: length of a period.
        settings: of the item plans.
        effort: of the group's solve.
        policy: registry name; "optimal" plans the whole group, others decide item by item; "auto": the items' own.
        parameters: of the policy; with "auto", name -> parameters.
        shared: limits that hold over several groups, as rows of the contract `resources`.
        prices: label of a shared row -> money per unit of its measure.
    """

    cutoff: int
    period: Period
    settings: Settings
    effort: Effort
    policy: str = "optimal"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[Mapping[str, Any], ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)

    def parameters_of(self, name: str) -> Mapping[str, Any]:
        """Parameters of one policy."""
        found: Mapping[str, Any] = self.parameters[name] if self.policy == AUTO else self.parameters
        return found


def shared_rows(items: Items, job: Job) -> list[Row]:
    """Shared rows that count this group's orders."""
    supplier, location = items.names["supplier_id"][0], items.names["location_id"][0]
    scoped = [
        entry
        for entry in job.shared
        if entry["supplier_id"] in (None, supplier) and entry["location_id"] in (None, location)
    ]
    return expand(scoped, job.settings.horizon)
