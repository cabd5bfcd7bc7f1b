"""The main job on generated data, small enough for a test."""

from __future__ import annotations

from pathlib import Path

from parlevel.config import Config, load

SMALL = [
    "source.name=synthetic",
    "source.options={series: 40, days: 240}",
    "calendar.horizon=14",
    "train.fold_step=14",
    "train.folds=2",
    "train.min_group_series=10",
    "train.candidates=[{model: seasonal_naive}, {model: forest, parameters: {trees: 12}}]",
    "replenish.n_paths=16",
]


def places(folder: Path) -> list[str]:
    """Settings that keep everything a run writes in one folder."""
    return [f"paths.warehouse={folder}", f"paths.report={folder}/report.html"]


def configure(folder: Path, *sets: str) -> Config:
    """The small main job's configuration, writing to `folder`."""
    return load(sets=[*SMALL, *places(folder), *sets])
