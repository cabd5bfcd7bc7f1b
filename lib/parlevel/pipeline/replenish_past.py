"""Playing policies at the held-back cutoffs before the newest, for what stage replenish learns from them.

The newest cutoff has no say: what was learned is judged there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from parlevel.config import Config
from parlevel.errors import DataError
from parlevel.pipeline.evaluate_rows import simulation_rows
from parlevel.pipeline.plays import Setting, simulate
from parlevel.pipeline.replenish_baskets import basket_terms
from parlevel.schemas import contract
from parlevel.spark.tables import Tables, spark_schema

ALL = "all"
"""The segment that holds every series."""

Rows = list[dict[str, Any]]


def share(tables: Tables, cfg: Config) -> float:
    """The part of the series that is played."""
    return min(1.0, cfg.replenish.choose_series / max(tables.read("series_profile").count(), 1))


def write_learned(
    tables: Tables,
    cfg: Config,
    table: str,
    plays: Mapping[tuple[str, str], Setting],
    learn: Callable[[Sequence[Mapping[str, Any]]], Rows],
    setting: str,
) -> None:
    """Play policies over the older folds and write what was learned.

    Args:
        tables: of the run.
        cfg: the configuration.
        table: its contract.
        plays: (name, setting) -> the policy.
        learn: a policy, setting, segment and cutoff each, with sums and ratios, in; rows of the table out.
        setting: what asked for it, for the error.

    Raises:
        DataError: there is no older fold to learn from.
    """
    profile, backtest, panel = (tables.read(name) for name in ("series_profile", "backtest", "panel"))
    rows = simulation_rows(backtest, profile, basket_terms(tables, cfg), panel, cfg=cfg, past=True)
    found = learn(simulate(rows, plays, ("choice",), cfg=cfg))
    if not found:
        raise DataError(
            f"{setting} learns at cutoffs older than the newest, and there is none. "
            "Set train.folds to 3 or more, or do without it."
        )
    names = [column.name for column in contract(table).data_columns]
    made = [tuple(row[name] for name in names) for row in found]
    tables.write(table, tables.spark.createDataFrame(made, spark_schema(contract(table))), files=1)
