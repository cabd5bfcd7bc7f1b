"""The table service: the service that a policy was asked for and what it reached, segment by segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from parlevel.config import Config
from parlevel.pipeline.plays import MEASURES, SERVICE, Setting, season_of
from parlevel.schemas import contract

OWN = "cycle_service_level of each series"
NORMAL = 1.96  # standard deviations of a 95 % interval


def settings(cfg: Config, n_series: int) -> dict[str, Setting]:
    """The policy on service levels with each series' own target, where it is not the policy in use anyway."""
    if not cfg.evaluate.service_series or cfg.replenish.policy == SERVICE:
        return {}
    share = min(1.0, cfg.evaluate.service_series / max(n_series, 1))
    return {OWN: Setting(SERVICE, {"season": season_of(cfg), "seed": cfg.seed}, share=share)}


def rows(found: Sequence[Mapping[str, Any]], served: Mapping[str, Setting], cfg: Config) -> list[tuple[Any, ...]]:
    """Rows of the contract `service`.

    Args:
        found: a policy, setting and segment each, with its sums and ratios.
        served: from `settings`.
        cfg: says which policy is in use.
    """
    names = [column.name for column in contract("service").data_columns]
    made = []
    for row in found:
        in_use = not row["setting"] and row["policy"] == cfg.replenish.policy and row["policy"] in MEASURES
        if not in_use and row["setting"] not in served:
            continue
        measure = MEASURES[row["policy"]]
        target = row["service_asked"] if measure == "cycle_service_level" else row["fill_rate_asked"]
        own = {"measure": measure, "n_cycles": round(row["cycles"]), "target": target, "realised": row[measure]}
        values = {**row, **own, **_points(target, row[measure], row["cycles"])}
        made.append(tuple(values[name] for name in names))
    return made


def _points(target: float | None, realised: float | None, cycles: float) -> dict[str, float | None]:
    """How far off in percentage points, and the half-width of the 95 % interval that so many order cycles leave."""
    if target is None or realised is None:
        return {"points": None, "noise": None}
    spread = sqrt(realised * (1.0 - realised) / cycles) if cycles and 0.0 <= realised <= 1.0 else None
    return {
        "points": 100.0 * (realised - target),
        "noise": None if spread is None else 100.0 * NORMAL * spread,
    }
