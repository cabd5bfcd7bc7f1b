"""The table frontier: what service costs, by what a lost unit counts and by the service level asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parlevel.config import Config
from parlevel.domain.evaluate.inventory import point_costs
from parlevel.pipeline.plays import SERVICE, Setting, season_of
from parlevel.schemas import contract

PATHS = 32  # demand paths of the settings that weigh costs, at most: eight plays must not cost what the run costs


def settings(cfg: Config, n_series: int) -> dict[str, Setting]:
    """What the frontier varies: name of the setting -> the policy; none where it is switched off."""
    if not cfg.evaluate.frontier_series:
        return {}
    share = min(1.0, cfg.evaluate.frontier_series / max(n_series, 1))
    sampled = {"season": season_of(cfg), "seed": cfg.seed}
    optimal = {**sampled, "n_paths": min(cfg.replenish.n_paths, PATHS)}
    found = {
        f"shortage_weight {weight:g}": Setting("optimal", {**optimal, "shortage_weight": weight}, share=share)
        for weight in cfg.evaluate.frontier_weights
    }
    for level in cfg.evaluate.frontier_levels:
        own = {**sampled, "cycle_service_level": level}
        found[f"cycle_service_level {level:g}"] = Setting(SERVICE, own, level, share)
    return found


def rows(found: Sequence[Mapping[str, Any]], varied: Mapping[str, Setting]) -> list[tuple[Any, ...]]:
    """Rows of the contract `frontier`.

    Args:
        found: a policy, setting and segment each, with its sums and ratios.
        varied: from `settings`.
    """
    made = []
    for row in found:
        own = varied[row["setting"]]
        made.append({**row, "policy": own.entry, "service_asked": own.asked, "point_cost": None})
    curves: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in made:
        curves.setdefault((each["policy"], each["segment"]), []).append(each)
    for curve in curves.values():
        cost = [each["holding_cost"] + each["order_cost"] for each in curve]
        for each, point in zip(curve, point_costs([each["fill_rate"] for each in curve], cost), strict=True):
            each["point_cost"] = point
    names = [column.name for column in contract("frontier").data_columns]
    return [tuple(each[name] for name in names) for each in made]
