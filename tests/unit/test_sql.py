"""SQL without a JVM: the latest run's slice, the analysts' views by hand counts, errors that teach."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import sample_warehouse as sample
from parlevel.errors import DataError
from parlevel.report.views import VIEWS
from parlevel.report.warehouse import Warehouse, choose_run, open_warehouse
from parlevel.schemas import TABLES

LINE = {
    "series_id": "A", "product_id": "P", "location_id": "S", "supplier_id": "V", "receipt_date": date(2024, 1, 5),
    "inventory_position": 1.0, "order_up_to_level": 9.0, "safety_stock": 1.0, "protection_demand": 4.0,
    "stockout_probability": 0.5, "reason": "r", "policy": "optimal", "assumed": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.build(tmp_path_factory.mktemp("warehouse"))


@pytest.fixture(scope="module")
def warehouse(built: Path) -> Warehouse:
    return open_warehouse(built)


def run_row(run_id: str, stage: str, minute: int, status: str = "done", output: str | None = None) -> dict:
    return {
        "run_id": run_id, "stage": stage, "status": status, "output_run_id": output or run_id, "stage_key": "k",
        "source": "synthetic", "config": "{}", "code_version": "0", "input_versions": [], "row_counts": [],
        "started_at": datetime(2024, 1, 1, 0, minute, tzinfo=UTC), "seconds": 1.0, "note": "",
    }  # fmt: skip


def test_every_view_answers(warehouse: Warehouse):
    assert set(warehouse.views) == {view.name for view in VIEWS}
    for view in VIEWS:
        assert warehouse.ask(f"SELECT * FROM {view.name}").num_rows > 0, view.name


def test_forecast_quantiles_are_the_packed_ones(warehouse: Warehouse):
    counted = warehouse.rows("SELECT count(*) n, count(DISTINCT quantile) q FROM forecast_quantiles")
    assert counted == [{"n": sample.N * sample.HORIZON * len(sample.LEVELS), "q": len(sample.LEVELS)}]
    packed = warehouse.rows("SELECT * FROM forecast WHERE series_id = 'P000@S0' AND step = 3")[0]
    long = warehouse.rows("SELECT * FROM forecast_quantiles WHERE series_id = 'P000@S0' AND step = 3 ORDER BY quantile")
    assert [row["quantile"] for row in long] == packed["levels"]
    assert [row["demand_hat"] for row in long] == packed["demand_quantiles"]
    assert list(long[0]) == ["series_id", "cutoff", "date", "step", "quantile", "demand_hat"]


def test_orders_today_are_the_first_dates_lines_that_order_something(warehouse: Warehouse):
    rows = warehouse.rows("SELECT * FROM orders_today")
    assert len(rows) == sum((k + 0) % 3 != 0 for k in range(sample.N))
    assert {row["order_date"] for row in rows} == {sample.day(1)}
    assert all(row["cases"] == row["order_qty"] / 6 for row in rows)


def test_orders_by_supplier_add_up(warehouse: Warehouse):
    by = warehouse.rows("SELECT sum(lines) AS lines, sum(order_value) AS value FROM orders_by_supplier")[0]
    all_ = warehouse.rows("SELECT count(*) AS lines, sum(order_value) AS value FROM order_plan WHERE order_qty > 0")[0]
    assert by["lines"] == all_["lines"]
    assert by["value"] == pytest.approx(all_["value"])


def test_stockout_risk_is_what_misses_its_target(warehouse: Warehouse):
    rows = warehouse.rows("SELECT series_id, stockout_probability, expected_lost_units FROM stockout_risk")
    assert len(rows) == sum(k % 7 == 0 for k in range(sample.N))
    one = warehouse.rows("SELECT lost_mean FROM projection WHERE series_id = ?", [rows[0]["series_id"]])[0]
    assert rows[0]["expected_lost_units"] == pytest.approx(
        sum(one["lost_mean"][:10]), rel=1e-6
    )  # lead time 3, review 7


def test_stock_projection_has_the_dates_of_the_forecast(warehouse: Warehouse):
    rows = warehouse.rows("SELECT * FROM stock_projection WHERE series_id = 'P001@S0' ORDER BY step")
    packed = warehouse.rows("SELECT * FROM projection WHERE series_id = 'P001@S0'")[0]
    assert [row["date"] for row in rows] == [sample.day(step) for step in range(1, sample.HORIZON + 1)]
    assert [row["stock_high"] for row in rows] == packed["stock_high"]
    assert [row["receipts"] for row in rows] == packed["receipts"]


def test_accuracy_is_one_row_a_model_and_segment(warehouse: Warehouse):
    rows = warehouse.rows("SELECT * FROM forecast_accuracy WHERE segment_kind = 'all'")
    assert {row["model"] for row in rows} == {"chosen", "forest", "seasonal_naive"}
    long = warehouse.rows("SELECT value FROM accuracy WHERE model='forest' AND segment='all' AND metric='wape'")
    assert next(row["wape"] for row in rows if row["model"] == "forest") == long[0]["value"]
    odd = warehouse.rows("SELECT DISTINCT segment_value FROM forecast_accuracy WHERE segment_kind = 'group'")
    assert "Frozen & <chilled>|lumpy" in {row["segment_value"] for row in odd}


def test_policy_costs_weigh_the_cutoffs_by_demand(tmp_path: Path):
    root = sample.build(tmp_path / "w")
    base = {"n_series": 2, "n_periods": 4, "orders": 3, "holding_cost": 1.0, "shortage_cost": 2.0, "order_cost": 3.0}
    base |= {"leftover_cost": 0.0}
    base |= {"stock_value": 10.0, "total_cost": 6.0, "segment": "all", "policy": "optimal"}
    sample.write(
        root,
        "inventory_kpi",
        [
            {**base, "cutoff": date(2024, 1, 1), "demand": 100.0, "fill_rate": 1.0, "stockout_rate": 0.0},
            {**base, "cutoff": date(2024, 2, 1), "demand": 300.0, "fill_rate": 0.9, "stockout_rate": 0.2},
        ],
    )
    row = open_warehouse(root).rows("SELECT * FROM policy_costs")[0]
    assert row["fill_rate"] == pytest.approx(0.925)
    assert row["stockout_rate"] == pytest.approx(0.1)
    assert (row["total_cost"], row["orders"], row["cutoffs"]) == (12.0, 6, 2)


def test_service_reached_is_told_in_points(warehouse: Warehouse):
    rows = warehouse.rows("SELECT * FROM service_reached ORDER BY segment")
    assert [row["segment"] for row in rows] == ["all", "pattern:lumpy", "pattern:smooth"]
    assert rows[0]["points"] == pytest.approx(1.2)
    assert not rows[0]["within_a_point"]


def test_worst_series_scores_only_available_periods_of_the_newest_fold(tmp_path: Path):
    root = sample.build(tmp_path / "w")
    row = {
        "series_id": "P000@S0", "group_id": "g", "model": "chosen", "cutoff": date(2017, 12, 3), "levels": [0.5],
        "quantiles": [1.0, 1.0, 1.0], "naive_mae": 2.0, "naive_mse": 4.0, "path_correlation": 0.0,
    }  # fmt: skip
    old = {**row, "fold": 0, "actual": [100.0] * 3, "available": [1.0] * 3, "mean": [0.0] * 3}
    new = {**row, "fold": 1, "actual": [4.0, float("nan"), 9.0], "available": [1.0, 1.0, 0.0], "mean": [1.0, 1.0, 1.0]}
    other = {**new, "model": "seasonal_naive"}
    sample.write(root, "backtest", [old, new, other])
    worst = open_warehouse(root).rows("SELECT * FROM worst_series")
    assert len(worst) == 1
    found = {key: worst[0][key] for key in ("periods_scored", "actual_units", "forecast_units", "mae", "mase", "wape")}
    assert found == {
        "periods_scored": 1, "actual_units": 4.0, "forecast_units": 1.0, "mae": 3.0, "mase": 1.5, "wape": 0.75,
    }  # fmt: skip


def test_a_query_sees_one_run_and_history_sees_all(tmp_path: Path):
    root = sample.build(tmp_path / "w")
    sample.write(
        root, "order_plan", [{**LINE, "order_date": date(2024, 1, 2), "order_qty": 8.0, "order_value": 16.0}], "b"
    )
    sample.write(root, "runs", [run_row("b", "replenish", 5)], "b")
    older = open_warehouse(root, run_id="b")
    assert older.count("order_plan") == 1
    latest = open_warehouse(root)
    assert latest.run_id == sample.RUN
    assert latest.count("order_plan") + 1 == latest.rows("SELECT count(*) n FROM history.order_plan")[0]["n"]


def log(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows])


def test_the_latest_run_borrows_what_it_did_not_make():
    runs = log(
        run_row("a", "train", 1),
        run_row("a", "forecast", 2),
        run_row("b", "train", 3, "reused", "a"),
        run_row("b", "forecast", 4),
        run_row("b", "replenish", 5, "failed"),
    )
    assert choose_run(runs) == ("b", {"train": "a", "forecast": "b"})
    assert choose_run(runs, "a") == ("a", {"train": "a", "forecast": "a"})


def test_an_unknown_run_names_the_nearest():
    with pytest.raises(DataError, match=r"Got 'run-1'. Did you mean 'run-11'"):
        choose_run(log(run_row("run-11", "train", 1)), "run-1")


def test_a_log_of_failures_only_says_to_run():
    with pytest.raises(DataError, match="no stage of any run has finished"):
        choose_run(log(run_row("a", "train", 1, "failed")))


def test_no_warehouse_says_to_run_first(tmp_path: Path):
    with pytest.raises(DataError, match="Run `parlevel run` first"):
        open_warehouse(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM order_pln", "Did you mean 'order_plan'"),
        ("SELECT * FROM sales", "has not been written yet. Run `parlevel run --to sources`"),
        ("SELECT * FROM nodes", "this run has no rows for: the data or settings have nothing of the kind"),
        ("SELECT nonsense FROM forecast", "DESCRIBE name"),
        ("SELEC 1", "SQL could not be read"),
        ("DROP TABLE forecast", "changes nothing. Got DROP"),
        ("COPY forecast TO '/tmp/x.csv'", "Got COPY"),
        ("SELECT 1; SELECT 2", r"Got SELECT \+ SELECT"),
        ("", "Got nothing"),
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled"),
    ],
)
def test_bad_queries_teach(warehouse: Warehouse, query: str, message: str):
    with pytest.raises(DataError, match=message):
        warehouse.ask(query)


def test_a_view_of_what_the_data_do_not_have_says_so(tmp_path: Path):
    root = sample.build(tmp_path / "warehouse")
    shutil.rmtree(root / "shipments")
    with pytest.raises(
        DataError, match="view 'shipments_today' reads the table 'shipments', which this run has no rows"
    ):
        open_warehouse(root).ask("SELECT * FROM shipments_today")


def test_the_process_ends_well_after_a_limited_query(tmp_path: Path):
    """Readers that work ahead in threads of their own abort the interpreter about one time in ten."""
    many = pa.table({"step": pa.array(range(200_000), pa.int32()), "run_id": pa.repeat("r1", 200_000)})
    for _ in range(8):
        write_deltalake(str(tmp_path / "forecast"), many, mode="append", partition_by=["run_id"])
    rows = pa.Table.from_pylist([run_row("r1", "forecast", 0)])
    write_deltalake(str(tmp_path / "runs"), rows.drop_columns(["input_versions", "row_counts"]))
    script = (
        "import sys; from parlevel.report.warehouse import open_warehouse;"
        "print(open_warehouse(sys.argv[1]).ask('SELECT * FROM forecast LIMIT 1').num_rows)"
    )
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr[-2000:]


def test_a_column_that_an_older_version_did_not_write_is_null(tmp_path: Path):
    rows = pa.Table.from_pylist([run_row("r1", "train", 0)])
    write_deltalake(str(tmp_path / "runs"), rows.drop_columns(["input_versions", "row_counts"]))
    old = pa.table({"group_id": ["g"], "model": ["forest"], "chosen": [True], "run_id": ["r1"]})
    write_deltalake(str(tmp_path / "models"), old, partition_by=["run_id"])
    house = open_warehouse(tmp_path)
    assert house.rows("SELECT group_id, model, note, fit_seconds FROM models") == [
        {"group_id": "g", "model": "forest", "note": None, "fit_seconds": None}
    ]
    assert house.ask("SELECT * FROM models").column_names == list(TABLES["models"].names)


def test_queries_read_the_warehouse_and_nothing_else(warehouse: Warehouse, tmp_path: Path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="disabled"):
        warehouse.ask(f"SELECT * FROM read_csv('{tmp_path}/x.csv')")


def test_show_tables_lists_views_and_tables_with_their_rows(warehouse: Warehouse):
    listing = warehouse.rows("SHOW TABLES;")
    kinds = {row["name"]: row["kind"] for row in listing}
    assert kinds["orders_today"] == "view"
    assert kinds["forecast"] == "table"
    assert not [name for name in kinds if name.startswith("_")]


PAGE = Path(__file__).resolve().parents[2] / "docs" / "sql.md"


def test_the_page_names_every_view():
    named = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(named) == sorted(view.name for view in VIEWS)


@pytest.mark.parametrize("query", re.findall(r"```sql\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
def test_every_query_of_the_page_answers(warehouse: Warehouse, query: str):
    assert warehouse.ask(query).num_rows > 0
