"""Configuration of training and forecasting."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from parlevel.config.data import Share
from parlevel.config.section import Section

LEVELS = [0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975]


SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
"""Seconds of each unit that a time may be given in."""


class Candidate(Section):
    """A model that groups may choose."""

    model: str  # registry name
    only: Literal["all", "high_volume"] = "all"  # which series it is offered to
    scope: Literal["group", "all"] = "group"  # learned by each group, or once from all groups and offered to each
    parameters: dict[str, Any] = Field(default_factory=dict)  # hyperparameters, checked by the model


PRESETS: dict[str, list[Candidate]] = {
    "fast": [
        Candidate(model="seasonal_naive"),
        Candidate(model="boosting", scope="all", parameters={"rounds": 100, "max_rows": 60_000}),
    ],
    "default": [
        Candidate(model="seasonal_naive"),
        Candidate(model="forest"),
        Candidate(model="dynamic", only="high_volume"),
        Candidate(model="lstm", only="high_volume"),
    ],
    "best": [
        Candidate(model="seasonal_naive"),
        Candidate(model="forest"),
        Candidate(
            model="boosting", scope="all", parameters={"rounds": 300, "learning_rate": 0.04, "max_rows": 300_000}
        ),
        Candidate(model="dynamic"),
        Candidate(model="linear"),
    ],
}
"""Sets of candidates by what they cost; docs/accuracy.md has their accuracy and seconds."""


class Train(Section):
    """How groups are made and models chosen."""

    group_by: list[Literal["category", "department", "location", "velocity", "pattern"]] = [
        "category",
        "velocity",
        "pattern",
    ]  # what series of one group share
    min_group_series: int = Field(60, ge=1)  # smaller groups are merged with their neighbours
    max_group_mb: float = Field(256, gt=0)  # memory budget of one group's training, MiB; giants are split
    shared_mb: float = Field(1024, gt=0)  # memory budget of a model learned from all groups, MiB; beyond it a sample
    high_volume_share: Share = 0.02  # share of series, by recent volume, that the deep model is offered to
    preset: Literal["fast", "default", "best"] = "default"  # set of candidates; see docs/accuracy.md
    candidates: list[Candidate] = []  # models a group may choose from; none: those of the preset
    floor: str = "seasonal_naive"  # registry name of the model that every series can fall back to
    folds: int = Field(3, ge=1)  # rolling cutoffs; the newest is held back to judge choice and calibration
    fold_step: int = Field(28, ge=1)  # periods between cutoffs
    loss: Literal[
        "wape",
        "rmsse",
        "mase",
        "pinball",
        "decision_cost",
    ] = "pinball"  # what the choice minimises: pinball is wql, a share of demand; decision_cost money
    refit_every: int = Field(1, ge=1)  # periods that a run's models serve later cutoffs; 1: every cutoff trains anew
    compress: bool = False  # store pruned forests and networks of 8 or 16 bits where the loss allows it
    max_loss_pct: float = Field(0.5, ge=0)  # loss that a smaller variant may cost, percent of the original's
    blend: bool = True  # weigh several models when that lowers the loss on the folds
    budget: float = Field(0, ge=0)  # wall time of the stage, hyperparameters searched in it: 20m, 90s; 0: none are

    @field_validator("budget", mode="before")
    @classmethod
    def _in_seconds(cls, value: Any) -> Any:
        """A time such as 20m, 1.5h, 90s or plain seconds, as seconds."""
        if not isinstance(value, str):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", value)
        if found is None:
            raise ValueError(f"must be seconds or a time such as 90s, 20m or 1.5h. Got {value!r}")
        return float(found[1]) * SECONDS[found[2]]

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, values: Any) -> Any:
        """Candidates that nobody named are the preset's; an unknown preset is refused by its own field."""
        named = values.get("candidates") if isinstance(values, dict) else True
        found = PRESETS.get(values.get("preset", "default")) if not named else None
        return {**values, "candidates": found} if found else values


class Forecast(Section):
    """What the forecast stage promises."""

    levels: list[float] = LEVELS  # quantile levels
    cold_start: bool = True  # series with hardly any history are forecast from similar items
    reconcile: Literal["none", "bottom_up", "top_down", "mint_shrink"] = "none"  # how series and sums agree
    drivers: bool = True  # say what moved each forecast, in the table forecast_drivers
    max_failed_share: Share = 0.01  # stop above this share of series without a forecast, rounded up to whole series
    max_fallback_share: Share = 0.25  # warn above this share of series on the fallback

    @field_validator("levels")
    @classmethod
    def _increasing(cls, levels: list[float]) -> list[float]:
        inside = all(0 < level < 1 for level in levels)
        if not inside or sorted(set(levels)) != levels or len(levels) < 9 or 0.5 not in levels:
            raise ValueError(f"must be at least 9 increasing levels inside (0, 1), with 0.5. Got {levels}.")
        return levels
