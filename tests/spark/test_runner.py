"""The runner: a stage that fails is told, logged with its reason, and never taken for done."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from parlevel.config import Config, load
from parlevel.errors import DataError
from parlevel.pipeline.runner import Event, run
from parlevel.spark.tables import Tables

pytestmark = pytest.mark.spark


def config(folder: Path) -> Config:
    sales = f"{{path: '{folder}/sales.csv', columns: {{product_id: sku, location_id: shop, date: day, sales: qty}}}}"
    return load(
        sets=[
            f"paths.warehouse={folder}/warehouse",
            "source.name=tables",
            f"source.options={{tables: {{sales: {sales}}}}}",
        ]
    )


def test_a_failed_stage_is_told_and_logged_and_not_built_upon(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("sku,shop,day,qty\na,s,soon,3\na,s,later,3\n")
    cfg, told = config(tmp_path), []
    with pytest.raises(DataError, match="soon"):
        run(spark, cfg, stages=["sources"], on_event=told.append)
    assert told[0] == Event("sources", "start")
    assert (told[-1].stage, told[-1].status) == ("sources", "failed")
    assert "soon" in told[-1].note
    row = Tables(spark, cfg, "", {}).read_all("runs").collect()[0]
    assert (row["stage"], row["status"]) == ("sources", "failed")
    assert row["note"].startswith("DataError: ")
    with pytest.raises(DataError, match="needs the output of 'sources'"):
        run(spark, cfg, stages=["clean"])
