"""Models that all groups share: learned from a sample of all series, once per cutoff, then handed to every group."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.features.build import predicted_bytes
from parlevel.domain.features.channels import with_known_future
from parlevel.domain.forecast.crossval import Spec, in_content_order
from parlevel.domain.forecast.shared import Ready, is_shared
from parlevel.domain.panel import Panel
from parlevel.domain.periods import Period
from parlevel.pipeline.train_groups import IS_MODEL, apart, beside
from parlevel.schemas import Column
from parlevel.spark.balance import longest_first
from parlevel.spark.grouped import apply_groups

log = logging.getLogger(__name__)

COLUMNS = (
    Column("shared_name", "string", "candidate"),
    Column("shared_cutoff", "bigint", "period index of the last period it knows"),
    Column("shared_artifact", "binary", "the fitted model; empty where it could not be fitted"),
)
STEPS = 1_000_000
"""Fineness of the sample's share."""


def shared_models(rows: DataFrame, spec: Spec, *, cfg: Config) -> DataFrame | None:
    """Columns `COLUMNS`: every shared candidate at every fold's cutoff and at the last; None without such candidates.

    Each fit is a task of its own with its own copy of the sample.

    Args:
        rows: from `train_groups.grouped`.
        spec: the widest spec: with the models that only high-volume series get.
        cfg: the configuration.
    """
    names = [name for name in spec.offered() if is_shared(name)]
    if not names:
        return None
    made = [(f"{name}/{back}", name, back) for name in names for back in range(spec.folds + 1)]
    tasks = rows.sparkSession.createDataFrame(made, "task string, shared_name string, back int")
    fn = partial(learn, spec=spec, period=cfg.calendar.period)
    work = longest_first([(task, 1.0) for task, _, _ in made], len(made))
    return apply_groups(sample(rows, cfg).crossJoin(F.broadcast(tasks)), ["task"], fn, COLUMNS, assignment=work)


def hand_out(rows: DataFrame, models: DataFrame | None) -> DataFrame:
    """The groups' rows with the shared models as further rows of each group."""
    if models is None:
        return rows
    groups = rows.select("group_id").distinct()
    return beside(rows, models.crossJoin(F.broadcast(groups)))


def take_over(table: pa.Table) -> tuple[pa.Table, Ready]:
    """A group's series, and the shared models that were handed to it."""
    if IS_MODEL not in table.column_names:
        return table, {}
    series, models = apart(table, [column.name for column in COLUMNS])
    return series, {(row["shared_name"], row["shared_cutoff"]): row["shared_artifact"] for row in models}


def sample(rows: DataFrame, cfg: Config) -> DataFrame:
    """Series to learn from, all of them where the budget allows, else drawn by content."""
    taught = rows.where("left_out IS NULL")
    size = taught.agg(F.sum("n_past").alias("cells"), F.max(F.size("channels")).alias("channels")).first()
    cells, channels = (int(size["cells"] or 0), int(size["channels"] or 0)) if size else (0, 0)
    needed = float(predicted_bytes(np.array([cells]), channels)[0])
    share = min(1.0, cfg.train.shared_mb * 2**20 / max(needed, 1.0))
    drawn = F.pmod(F.xxhash64("demand", "available"), F.lit(STEPS)) < round(share * STEPS)
    return taught.where(drawn) if share < 1.0 else taught


def learn(table: pa.Table, *, spec: Spec, period: Period) -> pa.Table:
    """One fit in its worker; what fails is a row without a model, so that groups choose among the others.

    Args:
        table: the sample's rows with `shared_name` and `back`: 0 for all of history, k for the cutoff of fold k.
        spec: the widest spec.
        period: length of a period.

    Returns: one row of `COLUMNS`.
    """
    name, back = table["shared_name"][0].as_py(), table["back"][0].as_py()
    panel = in_content_order(with_known_future(Panel.from_arrow(table, period)))
    cutoff, payload = panel.cutoff, b""
    if back:
        cutoff -= spec.horizon + (back - 1) * spec.fold_step
    try:
        past = panel.at(cutoff, spec.horizon) if back else panel
        payload = spec.build(name).fit(past).to_bytes()
    except Exception as error:  # young panels have no early fold; any other failure costs this candidate only
        log.warning("%s could not be learned from all groups at period %d: %s", name, cutoff, error)
    return pa.table(
        {
            "shared_name": [name],
            "shared_cutoff": pa.array([cutoff], pa.int64()),
            "shared_artifact": pa.array([payload], pa.binary()),
        }
    )
