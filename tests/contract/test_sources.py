"""What every source of the registry promises; its rows are checked where it needs no large files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.errors import ConfigError, DataError
from parlevel.pipeline.sources import check
from parlevel.schemas import contract
from parlevel.sources.base import Source
from parlevel.sources.registry import SOURCES, source

NAMES = sorted(SOURCES)
SMALL: dict[str, dict[str, Any]] = {"synthetic": {"series": 12, "days": 120}}
# Reading these takes minutes: their rows are counted in tests/spark/test_sources_stage.py.
LARGE = {"complete_journey", "m5", "online_retail", "rossmann", "store_item"}
USER_SALES = "sku,day,qty\na,2024-01-01,1\na,2024-01-02,2\nb,2024-01-02,3\n"


def make(name: str, folder: Path, **more: Any) -> Source:
    """The source with small options, in the first period that it can give; skips where its data are absent."""
    options: dict[str, Any] = {**SMALL.get(name, {}), **more}
    if name == "tables":
        (folder / "sales.csv").write_text(USER_SALES)
        columns = {"series_id": "sku", "date": "day", "sales": "qty"}
        options |= {"tables": {"sales": {"path": str(folder / "sales.csv"), "columns": columns}}}
    for period in ("day", "week", "month"):
        section = {"name": name, "options": options}
        calendar, paths = {"period": period, "horizon": 7}, {"warehouse": str(folder / "warehouse")}
        cfg = Config.model_validate({"source": section, "calendar": calendar, "paths": paths})
        try:
            return source(name, cfg)
        except ConfigError as error:
            if "calendar.period" not in str(error):
                raise
        except DataError as error:
            pytest.skip(f"the data are not here: {str(error)[:120]}")
    raise AssertionError(f"{name} accepts neither days nor weeks nor months")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_source_with_a_docstring(name: str, tmp_path: Path) -> None:
    made = make(name, tmp_path)
    assert isinstance(made, Source)
    assert type(made).__doc__


@pytest.mark.parametrize("name", NAMES)
def test_its_fingerprint_is_stable_and_needs_no_spark(name: str, tmp_path: Path) -> None:
    first, second = make(name, tmp_path).fingerprint(), make(name, tmp_path).fingerprint()
    assert first == second
    assert len(first) >= 16


@pytest.mark.parametrize("name", NAMES)
def test_an_option_it_does_not_know_is_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.options\.no_such_option: unknown key"):
        make(name, tmp_path, no_such_option=1)


@pytest.mark.spark
@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE])
def test_its_tables_keep_their_contracts(name: str, tmp_path: Path, spark: SparkSession) -> None:
    made = make(name, tmp_path)
    try:
        frames = check(made.load(spark))
        series, sales = frames["series"].cache(), frames["sales"].cache()
        assert series.count() > 0
        assert sales.count() > 0
        assert sales.where(F.col("date").isNull() | F.col("sales").isNull()).count() == 0
        assert sales.join(series, "series_id", "left_anti").count() == 0
        for table in ("series", "products", "locations", "inventory", "supply_terms"):
            if table in frames:
                keys = contract(table).keys
                assert frames[table].groupBy(*keys).count().where("count > 1").count() == 0, table
    finally:
        made.release()
