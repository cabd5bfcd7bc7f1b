"""What past cutoffs decided for each series, laid over the rows that plans and simulations start from."""

from __future__ import annotations

from pyspark.sql import DataFrame

from parlevel.config import Config
from parlevel.domain.replenish.registry import AUTO
from parlevel.pipeline.replenish_choice import with_policies
from parlevel.pipeline.replenish_service import with_asked
from parlevel.spark.tables import Tables


def decided(tables: Tables, rows: DataFrame, cfg: Config) -> DataFrame:
    """Rows with their own policy (`replenish.policy: auto`) and the service to ask for (`replenish.hit_target`).

    Args:
        tables: where the stage replenish wrote policy_choice and service_curve.
        rows: columns `PACKED` and more.
        cfg: says what is decided.
    """
    profile = tables.read("series_profile")
    if cfg.replenish.policy == AUTO:
        rows = with_policies(rows, tables.read("policy_choice"), profile, cfg)
    if cfg.replenish.hit_target:
        rows = with_asked(rows, tables.read("service_curve"), profile, cfg)
    return rows
