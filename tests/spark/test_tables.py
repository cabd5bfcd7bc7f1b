"""Delta tables by contract: idempotent slices, refusals, versions."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from parlevel.config import Config, load
from parlevel.errors import DataError, SchemaError
from parlevel.schemas import contract
from parlevel.spark import tables as tables_module
from parlevel.spark.delta_log import create, partitions, properties, run_files
from parlevel.spark.tables import Tables, spark_schema

pytestmark = pytest.mark.spark

COUNTED = ("tableSizeBytes", "numFiles", "numMetadata", "numProtocol")


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    return load(sets=[f"paths.warehouse={tmp_path}"])


def sales(spark: SparkSession, *rows: tuple[str, int, float]):
    data = [(sid, dt.date(2024, 1, day), units, None, None) for sid, day, units in rows]
    return spark.createDataFrame(data, spark_schema(contract("sales")))


def test_a_run_replaces_its_own_slice_and_no_other(spark: SparkSession, cfg: Config) -> None:
    one, two = Tables(spark, cfg, "one", {}), Tables(spark, cfg, "two", {})
    assert one.write("sales", sales(spark, ("a", 1, 1.0), ("b", 1, 2.0))) == 2
    assert two.write("sales", sales(spark, ("c", 1, 3.0))) == 1
    assert one.write("sales", sales(spark, ("a", 2, 9.0))) == 1
    assert [(r.series_id, r.sales) for r in one.read("sales").collect()] == [("a", 9.0)]
    assert [(r.series_id, r.sales) for r in two.read("sales").collect()] == [("c", 3.0)]
    assert "run_id" not in one.read("sales").columns
    assert {r.run_id for r in one.read_all("sales").collect()} == {"one", "two"}


@pytest.mark.parametrize("name", ["panel", "order_plan", "runs"])
def test_a_table_made_in_its_folder_is_the_one_that_spark_would_make(
    spark: SparkSession, cfg: Config, tmp_path: Path, name: str
) -> None:
    table, place = contract(name), tmp_path / "theirs"
    create(table, tmp_path / "ours")
    columns = ", ".join(f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'}" for c in table.columns)
    said = ", ".join(f"'{key}' = '{value}'" for key, value in properties(table).items())
    split = f"PARTITIONED BY ({', '.join(partitions(table))})" if partitions(table) else ""
    spark.sql(f"CREATE TABLE delta.`{place}` ({columns}) USING delta {split} TBLPROPERTIES ({said})")
    ours, theirs = (actions(tmp_path / of / "_delta_log" / f"{0:020}.json") for of in ("ours", "theirs"))
    assert ours["protocol"] == theirs["protocol"]
    for key in ("configuration", "partitionColumns"):
        assert ours["metaData"][key] == theirs["metaData"][key]
    assert json.loads(ours["metaData"]["schemaString"]) == json.loads(theirs["metaData"]["schemaString"])
    sums = [json.loads((tmp_path / of / "_delta_log" / f"{0:020}.crc").read_text()) for of in ("ours", "theirs")]
    assert {key: sums[0][key] for key in COUNTED} == {key: sums[1][key] for key in COUNTED}
    assert sums[0]["metadata"] == ours["metaData"]


def actions(commit: Path) -> dict[str, dict]:
    return {kind: action for line in commit.read_text().splitlines() for kind, action in json.loads(line).items()}


def test_a_table_that_is_there_is_not_made_again(spark: SparkSession, cfg: Config) -> None:
    tables = Tables(spark, cfg, "one", {})
    tables.write("sales", sales(spark, ("a", 1, 1.0)))
    place = Path(cfg.paths.warehouse) / "sales"
    before = sorted(path.name for path in (place / "_delta_log").iterdir())
    create(contract("sales"), place)
    assert sorted(path.name for path in (place / "_delta_log").iterdir()) == before
    assert Tables(spark, cfg, "one", {}).read("sales").count() == 1


def test_several_tables_are_written_at_once(spark: SparkSession, cfg: Config) -> None:
    tables = Tables(spark, cfg, "one", {})
    products = spark.createDataFrame([("p",)], "product_id string").selectExpr(
        "product_id", *(f"CAST(NULL AS {c.type}) AS {c.name}" for c in contract("products").data_columns[1:])
    )
    frames = {"sales": sales(spark, ("a", 1, 1.0), ("b", 1, 2.0)).repartition(2), "products": products}
    assert tables.write_all(frames, files={"sales": 1}) == {"sales": 2, "products": 1} == tables.row_counts
    assert len(list((Path(cfg.paths.warehouse) / "sales" / "run_id=one").glob("*.parquet"))) == 1
    assert [row.product_id for row in tables.read("products").collect()] == ["p"]


def test_of_tables_written_at_once_a_failing_one_stops_the_stage_and_no_other(
    spark: SparkSession, cfg: Config, caplog: pytest.LogCaptureFixture
) -> None:
    tables = Tables(spark, cfg, "one", {})
    with pytest.raises(SchemaError, match="'prices' must match"):
        tables.write_all({"prices": spark.range(1), "sales": sales(spark, ("a", 1, 1.0)), "products": spark.range(1)})
    assert tables.row_counts == {"sales": 1}
    assert [record.args[0] for record in caplog.records if "could not be written" in record.msg] == [
        "prices",
        "products",
    ]


def test_a_reused_stage_is_read_from_the_run_that_made_it(spark: SparkSession, cfg: Config) -> None:
    Tables(spark, cfg, "maker", {}).write("sales", sales(spark, ("a", 1, 1.0)))
    reader = Tables(spark, cfg, "user", {"sources": "maker"})
    assert reader.read("sales").count() == 1
    assert reader.versions() == {"sales": 1}
    assert Tables(spark, cfg, "user", {}).read("sales").count() == 0


def test_a_missing_table_says_which_stage_makes_it(spark: SparkSession, cfg: Config) -> None:
    with pytest.raises(DataError, match="made by stage 'clean'.*parlevel run --to clean"):
        Tables(spark, cfg, "one", {}).read("panel")


def test_columns_off_contract_are_all_named(spark: SparkSession, cfg: Config) -> None:
    frame = spark.sql("select 'a' series_id, '2024-01-01' date, 1.0D sales, 3 extra")
    with pytest.raises(SchemaError, match=r"in_stock is missing.*extra is not in the contract.*date must be date"):
        Tables(spark, cfg, "one", {}).write("sales", frame)


def test_null_in_a_key_is_refused_by_delta(spark: SparkSession, cfg: Config) -> None:
    with pytest.raises(Exception, match="(?i)not.null"):
        Tables(spark, cfg, "one", {}).write("sales", sales(spark, (None, 1, 1.0)))


def test_tables_are_readable_without_deletion_vectors(spark: SparkSession, cfg: Config) -> None:
    from deltalake import DeltaTable

    Tables(spark, cfg, "one", {}).write("sales", sales(spark, ("a", 1, 1.0)))
    table = DeltaTable(str(Path(cfg.paths.warehouse) / "sales"))
    assert table.metadata().configuration["delta.enableDeletionVectors"] == "false"
    assert table.metadata().partition_columns == ["run_id"]
    assert table.to_pyarrow_table().to_pylist()[0]["sales"] == 1.0


def test_counts_and_versions_come_from_the_log_of_the_table(spark: SparkSession, cfg: Config) -> None:
    tables = Tables(spark, cfg, "one", {})
    assert tables.write("sales", sales(spark, ("a", 1, 1.0), ("b", 1, 2.0), ("c", 1, 2.0))) == 3
    tables.read("sales")
    history = spark.sql(f"DESCRIBE HISTORY {tables.reference('sales')} LIMIT 1").head(1)[0]
    assert tables.versions() == {"sales": history["version"]} == {"sales": 1}
    assert history["operationMetrics"]["numOutputRows"] == "3"


def test_only_a_slice_that_may_exist_is_replaced(spark: SparkSession, cfg: Config) -> None:
    def modes() -> list[str]:
        rows = spark.sql(f"DESCRIBE HISTORY {tables.reference('sales')}").orderBy("version").collect()
        return [row["operationParameters"].get("mode", "create") for row in rows]

    tables = Tables(spark, cfg, "one", {})
    tables.write("sales", sales(spark, ("a", 1, 1.0)))
    # what a killed write leaves: files that no commit names
    (Path(cfg.paths.warehouse) / "sales" / "run_id=two").mkdir()
    for _ in range(2):
        Tables(spark, cfg, "two", {}).write("sales", sales(spark, ("b", 1, 2.0)))
    odd = Tables(spark, cfg, "a b", {})  # Delta writes its folder with another name
    for _ in range(2):
        odd.write("sales", sales(spark, ("c", 1, 3.0)))
    assert modes() == ["Ignore", "Append", "Overwrite", "Overwrite", "Overwrite", "Overwrite"]
    rows = {(row.run_id, row.series_id) for row in tables.read_all("sales").collect()}
    assert rows == {("one", "a"), ("two", "b"), ("a b", "c")}
    assert tables.read_all("sales").count() == 3


def test_statistics_are_kept_of_the_keys_alone(spark: SparkSession, cfg: Config) -> None:
    Tables(spark, cfg, "one", {}).write("sales", sales(spark, ("a", 1, 1.0)))
    log = Path(cfg.paths.warehouse) / "sales" / "_delta_log" / f"{1:020d}.json"
    [added] = [json.loads(line)["add"] for line in log.read_text().splitlines() if line.startswith('{"add"')]
    stats = json.loads(added["stats"])
    assert (stats["numRecords"], set(stats["minValues"])) == (1, {"series_id", "date"})


def test_many_series_are_laid_out_so_that_one_is_found_in_one_file(
    spark: SparkSession, cfg: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables_module, "MANY", 100)
    monkeypatch.setattr(tables_module, "SERIES_A_FILE", 25)
    mixed = sales(spark, *((f"s{k * 37 % 100:02d}", day, 1.0) for day in (1, 2) for k in range(100))).repartition(8)
    Tables(spark, cfg, "few", {}).write("sales", mixed, files=3, n_series=99)
    Tables(spark, cfg, "many", {}).write("sales", mixed, files=3, n_series=100)

    def ranges(version: int) -> list[tuple[str, str]]:
        log = Path(cfg.paths.warehouse) / "sales" / "_delta_log" / f"{version:020d}.json"
        stats = [
            json.loads(json.loads(line)["add"]["stats"]) for line in log.read_text().splitlines() if '"add"' in line
        ]
        return sorted((found["minValues"]["series_id"], found["maxValues"]["series_id"]) for found in stats)

    assert len(ranges(1)) <= 3
    many = ranges(2)
    assert len(many) == 4
    assert all(last < first for (_, last), (first, _) in itertools.pairwise(many))


def test_a_larger_cluster_writes_with_more_tasks(
    spark: SparkSession, cfg: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = sales(spark, *((f"s{k:02d}", 1, 1.0) for k in range(60))).repartition(12)
    for cores, files in ((2, 1), (32, 4)):
        monkeypatch.setattr(tables_module, "cores", lambda _, cores=cores: cores)
        Tables(spark, cfg, f"on{cores}", {}).write("sales", wide, files=1)
        assert len(run_files(Path(cfg.paths.warehouse) / "sales", f"on{cores}")) == files


def test_a_run_is_read_from_its_files_alone(spark: SparkSession, cfg: Config) -> None:
    one = Tables(spark, cfg, "one", {})
    one.write("sales", sales(spark, ("a", 1, 1.0), ("b", 1, 2.0)))
    Tables(spark, cfg, "two", {}).write("sales", sales(spark, ("c", 1, 3.0)))
    read = one.read("sales")
    assert read.columns == [column.name for column in contract("sales").data_columns]
    assert "parquet" in plan_of(read)
    assert "Delta" not in plan_of(read)
    assert sorted(row.series_id for row in read.collect()) == ["a", "b"]
    nothing = Tables(spark, cfg, "three", {}).read("sales")
    assert nothing.schema == read.schema
    assert nothing.isEmpty()


def test_rows_that_somebody_deleted_by_vector_stay_deleted(spark: SparkSession, cfg: Config) -> None:
    tables = Tables(spark, cfg, "one", {})
    tables.write("sales", sales(spark, ("a", 1, 1.0), ("b", 1, 2.0)), files=1)
    spark.sql(f"ALTER TABLE {tables.reference('sales')} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    spark.sql(f"DELETE FROM {tables.reference('sales')} WHERE series_id = 'b'")
    place = Path(cfg.paths.warehouse) / "sales"
    assert any('"deletionVector":{' in log.read_text() for log in (place / "_delta_log").glob("*.json"))
    assert run_files(place, "one") is None
    assert [row.series_id for row in tables.read("sales").collect()] == ["a"]


@pytest.mark.parametrize(
    ("name", "run_id"), [("a{b}", "one"), ("with space", "one"), ("größe", "one"), ("a+b=c,d", "one"), ("a", "a b")]
)
def test_odd_names_of_folders_and_runs_are_read_all_the_same(
    spark: SparkSession, tmp_path: Path, name: str, run_id: str
) -> None:
    tables = Tables(spark, load(sets=[f"paths.warehouse={tmp_path / name}"]), run_id, {})
    tables.write("sales", sales(spark, ("a", 1, 1.0)))
    assert [row.series_id for row in tables.read("sales").collect()] == ["a"]


def plan_of(frame) -> str:
    return frame._jdf.queryExecution().optimizedPlan().toString() + str(frame.inputFiles())
