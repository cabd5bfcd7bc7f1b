"""What a group's solve is asked for, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

from parlevel.domain.replenish.base import Floats

SAID = {
    "optimal": "within {gap:g} % of the bound",
    "feasible": "costs {found:.3g} % more than the bound, which no plan beats; {gap:g} % was asked for",
    "heuristic": "plans of single items, repaired",
}
"""What a status says of a group's plan: `gap` that was asked for and `found`, in percent."""


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes:
        solver: SCIP, HIGHS or CP_SAT.
        time_limit: seconds for the whole group.
        max_gap: relative gap at which to stop.
        rounds: pricing rounds at most.
        tries: share of the order schedules that are tried where a plan is far from its bound.
    """

    solver: str = "SCIP"
    time_limit: float = 20.0
    max_gap: float = 0.01
    rounds: int = 8
    tries: float = 1.0


@dataclass(frozen=True)
class GroupPlan:
    """A group's plan with its certificate.

    Attributes:
        units: (n, h) units ordered at each step.
        alone: (n, h) what items would order without anything shared.
        status: optimal (within the gap), feasible, relaxed, heuristic.
        objective: expected cost, with trucks, money.
        bound: no plan of the group costs less, money.
        rounds: pricing rounds.
        relaxed: limits that no plan can keep, with the amount by which they were raised.
        reason: in words.
        prices: label of a row -> money per unit of its measure.
        binding: (n,) label of the row that moved the item's first order, or "".
        said: (n,) why it was moved, in words, where that is none of the group's rows; empty: it always is one.
    """

    units: Floats
    alone: Floats
    status: str
    objective: float
    bound: float
    rounds: int
    relaxed: list[str] = field(default_factory=list)
    reason: str = ""
    prices: dict[str, float] = field(default_factory=dict)
    binding: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def gap(self) -> float:
        """(objective - bound) / |bound|, at least 0."""
        return max(self.objective - self.bound, 0.0) / max(abs(self.bound), 1e-9)
