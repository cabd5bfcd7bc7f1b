"""The table frontier: what service costs, by what a lost unit counts and by the service level asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parlevel.config import Config
from parlevel.domain.evaluate.inventory import point_costs
from parlevel.schemas import contract

PATHS = 32  # demand paths of the settings that weigh costs, at most: eight plays must not cost what the run costs
OWN = "cycle_service_level of each series"
SERVICE = "safety_stock_csl"


@dataclass(frozen=True)
class Setting:
    """A policy as it is played.

    Attributes:
        entry: registry name.
        parameters: of the policy.
        asked: cycle service level asked for, None where orders weigh costs or where each series has its own.
        sampled: played on the sample of the frontier alone.
    """

    entry: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    asked: float | None = None
    sampled: bool = False


def settings(cfg: Config, season: int) -> dict[str, Setting]:
    """What the frontier varies: name of the setting -> the policy; none where it is switched off."""
    if not cfg.evaluate.frontier_series:
        return {}
    optimal = {"season": season, "n_paths": min(cfg.replenish.n_paths, PATHS), "seed": cfg.seed}
    found = {
        f"shortage_weight {weight:g}": Setting("optimal", {**optimal, "shortage_weight": weight}, sampled=True)
        for weight in cfg.evaluate.frontier_weights
    }
    sampled = {"season": season, "seed": cfg.seed}
    for level in cfg.evaluate.frontier_levels:
        name = f"cycle_service_level {level:g}"
        found[name] = Setting(SERVICE, {**sampled, "cycle_service_level": level}, level, sampled=True)
    return {**found, OWN: Setting(SERVICE, sampled, sampled=True)}


def rows(found: Sequence[Mapping[str, Any]], varied: Mapping[str, Setting]) -> list[tuple[Any, ...]]:
    """Rows of the contract `frontier`.

    Args:
        found: a policy, setting and segment each, with its sums and ratios.
        varied: from `settings`.
    """
    made = []
    for row in found:
        own = varied[row["setting"]]
        asked = row["service_asked"] if row["setting"] == OWN else own.asked
        made.append({**row, "policy": own.entry, "service_asked": asked, "point_cost": None})
    curves: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in made:
        if each["setting"] != OWN:
            curves.setdefault((each["policy"], each["segment"]), []).append(each)
    for curve in curves.values():
        cost = [each["holding_cost"] + each["order_cost"] for each in curve]
        for each, point in zip(curve, point_costs([each["fill_rate"] for each in curve], cost), strict=True):
            each["point_cost"] = point
    names = [column.name for column in contract("frontier").data_columns]
    return [tuple(each[name] for name in names) for each in made]
