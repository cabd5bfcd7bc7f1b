"""A table's log in a folder: made without Spark, whatever the folder is called, and never over another's table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from parlevel.schemas import contract
from parlevel.spark.delta_log import create, last_commit, partitions, told


@pytest.mark.parametrize("name", ["plain", "with blank", "wä#re & häuser?", "50+1"])
def test_a_table_is_made_in_any_folder(tmp_path: Path, name: str) -> None:
    place = tmp_path / name / "failures"
    create(contract("failures"), place)
    made = DeltaTable(place)
    assert made.schema().to_arrow().names == list(contract("failures").names)
    assert made.metadata().partition_columns == partitions(contract("failures")) == ["run_id"]
    assert sorted(path.suffix for path in (place / "_delta_log").iterdir()) == [".crc", ".json"]


def test_a_table_that_others_have_written_to_stays_as_it_is(tmp_path: Path) -> None:
    table, place = contract("failures"), tmp_path / "failures"
    create(table, place)
    (place / "_delta_log" / f"{0:020}.crc").unlink()
    row = {column.name: "x" for column in table.columns}
    write_deltalake(place, pa.Table.from_pylist([row], schema=table.arrow()), mode="append")
    create(table, place)
    assert DeltaTable(place).to_pyarrow_table().num_rows == 1
    assert not (place / "_delta_log" / f"{0:020}.crc").exists()


def test_the_newest_commit_is_told(tmp_path: Path) -> None:
    assert last_commit(tmp_path / "absent" / "_delta_log") is None
    create(contract("failures"), tmp_path)
    newest = last_commit(tmp_path / "_delta_log")
    assert newest is not None
    assert told(newest) == (0, 0)
