"""Configuration of replenishment, of its evaluation and of the Spark session."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field

from parlevel.config.data import Share
from parlevel.config.section import Section


class Replenish(Section):
    """How orders are decided."""

    policy: str = "optimal"  # registry name; auto: for each segment the cheapest of choose_from at past cutoffs
    parameters: dict[str, Any] = Field(default_factory=dict)  # of the policy, checked by it
    n_paths: int = Field(128, ge=8)  # demand sample paths per series
    shortage_weight: float = Field(0.6, gt=0)  # what a lost unit counts when orders are chosen, as a share of its cost
    end: date | None = None  # last day on which stock and demand count, for the policy optimal; null: it goes on
    choose_from: list[str] = ["optimal", "base_stock", "newsvendor", "s_S", "min_max"]  # policies that auto tries
    choose_by: list[Literal["pattern", "velocity", "category"]] = [
        "pattern",
        "velocity",
    ]  # what a segment shares
    choose_series: int = Field(1000, ge=1)  # series, drawn by content, that auto tries the policies on
    hit_target: bool = False  # policies on service: ask for the level that reached the target at past cutoffs
    basket_share: Share = 0.0  # share of what baskets hold with a product beyond chance that is lost with it
    solver: Literal["SCIP", "HIGHS", "CP_SAT"] = "SCIP"  # integer solver of the coupled master
    time_limit: float = Field(20.0, gt=0)  # seconds per group
    max_gap: float = Field(0.01, ge=0)  # stop a group's solve at this relative gap
    rounds: int = Field(8, ge=1)  # pricing rounds per group
    budget_rounds: int = Field(6, ge=1)  # rounds to correct the prices of what all groups share
    budget_sample: int = Field(5000, ge=1)  # series, drawn by content, that those rounds are asked on


class Evaluate(Section):
    """How the plan's worth is measured."""

    baseline: str = "min_max"  # registry name of the policy to compare with
    baseline_parameters: dict[str, Any] = Field(default_factory=dict)  # of that policy, checked by it
    segments: list[Literal["pattern", "velocity", "category"]] = [
        "pattern",
        "velocity",
    ]  # metrics also per value of these
    frontier_series: int = Field(150, ge=0)  # series, drawn by content, that the frontier is played on; 0: no table
    frontier_weights: list[float] = [0.3, 0.6, 1.0, 2.0]  # values of replenish.shortage_weight that it tries
    frontier_levels: list[Share] = [0.9, 0.95, 0.98]  # cycle service levels that it asks for
    service_series: int = Field(500, ge=0)  # series, drawn by content, that service is measured on; 0: no table
    limits_series: int = Field(500, ge=0)  # series, in whole groups, also played with their limits kept; 0: none
    max_series: int = Field(10_000, ge=0)  # simulate at most this many series, drawn by content; 0: all


class Report(Section):
    """What the report shows."""

    fans: int = Field(12, ge=1)  # series drawn with their forecast fan
    rows: int = Field(2000, ge=1)  # order lines in the searchable table
    currency: str = "$"  # printed before money


class Spark(Section):
    """The session parlevel starts when none is handed in."""

    master: str | None = None  # null: what spark-submit says, else local[cores]
    cores: int | None = None  # local cores; null: all
    driver_memory: str = "2g"  # JVM heap of a local session
    python_memory: str | None = None  # address-space limit of a Python worker, e.g. 4g; null: none
    partitions: int | None = None  # shuffle partitions; null: from the size
    conf: dict[str, str] = Field(default_factory=dict)  # any further Spark setting
