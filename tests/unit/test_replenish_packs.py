"""Tables of series packed in a worker: the same rows come out, in pieces, without those that others stand in for."""

from __future__ import annotations

import pyarrow as pa
import pytest

import packed_items
from packed_items import job
from parlevel.domain.replenish.group import plan_group
from parlevel.domain.replenish.packed import PACKED
from parlevel.pipeline import replenish_tables
from parlevel.pipeline.replenish_tables import ABOUT_ITEMS, OUTPUT, _unpack, group_rows
from parlevel.schemas import Column, arrow_schema, contract

NAMES = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def made():
    items = [packed_items.item(name, content_key=name) for name in NAMES[:-1]]
    items.append({**packed_items.item("e"), "missing": "it is in no forecast", "mean": None, "quantiles": None})
    columns = (*PACKED, Column("resources", "string", ""), Column("grants", "string", ""))
    own = {"resources": None, "grants": None}
    return plan_group(pa.Table.from_pylist([{**i, **own} for i in items], schema=arrow_schema(columns)), job())


def unpacked(rows: pa.Table, name: str, kinds: tuple[str, ...]) -> pa.Table:
    packs = pa.Table.from_pylist([r for r in rows.to_pylist() if r["kind"] in kinds], schema=rows.schema)
    return _unpack(packs.select(["kind", "packed", "gone"]), columns=contract(name).data_columns)


def by_series(table: pa.Table) -> list[dict]:
    return sorted(table.to_pylist(), key=lambda r: (r["series_id"], str(r.get("order_date"))))


@pytest.mark.parametrize("piece", [1, 500])
def test_the_same_rows_come_out(made, monkeypatch, piece) -> None:
    monkeypatch.setattr(replenish_tables, "PIECE", piece)
    rows = group_rows(made, pa.scalar("g"))
    assert rows.column_names == [column.name for column in OUTPUT]
    assert set(rows["solve_group"].to_pylist()) == {"g"}
    lines = [r for r in rows.to_pylist() if r["kind"] == "order_line"]
    assert len(lines) == (made.lines.num_rows if piece == 1 else 1)
    assert by_series(unpacked(rows, "order_plan", ("order_plan", "order_line"))) == by_series(made.order_plan)
    assert by_series(unpacked(rows, "order_ledger", ("order_line",))) == by_series(made.order_ledger)
    assert by_series(unpacked(rows, "projection", ("projection",))) == by_series(made.projection)


def test_series_that_others_stand_in_for_are_left_out(made) -> None:
    rows = group_rows(made, pa.scalar("g"), ABOUT_ITEMS)
    gone = pa.array([["a", "e"]] * rows.num_rows, pa.list_(pa.string()))
    marked = rows.set_column(rows.column_names.index("gone"), "gone", gone)
    left = unpacked(marked, "order_plan", ("order_plan", "order_line"))
    assert set(left["series_id"].to_pylist()) == {"b", "c", "d"}
