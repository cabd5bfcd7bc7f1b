"""The command line without Spark: answers in every format, exit codes, one message an error."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import sample_warehouse as sample
from parlevel import __version__
from parlevel.cli import main
from parlevel.cli.run import between
from parlevel.errors import ConfigError
from parlevel.schemas import STAGES

LIB = Path(__file__).resolve().parents[2] / "lib"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.build(tmp_path_factory.mktemp("warehouse"))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], built: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, at: Path | None = built) -> tuple[int, str, str]:
        where = ["--set", f"paths.warehouse={at}", "--set", f"paths.report={at}/report.html"] if at else []
        with pytest.raises(SystemExit) as end:
            main([*arguments, *where])
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run


def test_version_and_help(call):
    assert call("--version", at=None) == (0, f"parlevel {__version__}\n", "")
    code, out, _ = call("--help", at=None)
    assert code == 0
    assert all(name in out for name in ("run", "stage", "sql", "report", "doctor", "init", "config", "tables"))


def test_explain_tells_a_planner_why_and_names_the_nearest_series(call):
    code, out, _ = call("explain", "P001@S0")
    assert code == 0
    assert "P001@S0  2018-01-01  order 24" in out
    assert "held by" in out
    assert "one case more / less" in out
    code, out, _ = call("explain", "P001@S0", "--format", "json")
    rows = json.loads(out)
    assert {row["series_id"] for row in rows} == {"P001@S0"}
    assert all(row["sentence"] for row in rows)
    code, _, err = call("explain", "P001@S9")
    assert code == 2
    assert "Did you mean 'P001@S" in err
    code, _, err = call("explain", "P01")
    assert code == 2
    assert "Did you mean 'P0" in err
    assert "SELECT DISTINCT series_id, product_id FROM order_plan" in err


def test_the_package_itself_is_the_command_line():
    said = subprocess.run([sys.executable, "-m", "parlevel", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == f"parlevel {__version__}\n"


def test_sql_as_csv_parses(call):
    query = "SELECT series_id, name, order_qty, receipt_date FROM orders_today ORDER BY series_id LIMIT 3"
    code, out, _ = call("sql", query, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["series_id"] for row in rows] == ["P000@S1", "P001@S0", "P002@S0"]
    assert rows[0]["name"] == 'Product 0 "500 g"'
    assert float(rows[0]["order_qty"]) % 6 == 0


def test_sql_as_json_parses_also_with_arrays_dates_and_nan(call):
    query = (
        "SELECT cutoff, levels, 'NaN'::DOUBLE AS odd, [1.0, 'inf'::DOUBLE] AS pair, MAP {'a': 2} AS m "
        "FROM forecast LIMIT 1"
    )
    code, out, _ = call("sql", query, "-f", "json")
    assert code == 0
    want = {"cutoff": "2017-12-31", "levels": sample.LEVELS, "odd": None, "pair": [1.0, None], "m": {"a": 2}}
    assert json.loads(out) == [want]


def test_sql_as_a_table_stops_at_the_limit_and_says_so(call):
    _, out, _ = call("sql", "SELECT series_id FROM series ORDER BY 1", "--limit", "2")
    assert "P000@S1" in out
    assert "P001@S0" not in out
    assert f"{sample.N} rows, 2 shown" in out


def test_a_row_too_wide_for_the_screen_is_printed_as_a_block(call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = call("sql", "SELECT * FROM orders_today LIMIT 2")
    assert sum(line.split()[:1] == ["series_id"] for line in out.splitlines()) == 2
    assert max(map(len, out.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = call(
        "sql", "SELECT 'a' AS item, 1740.4::DOUBLE AS worth, 579::DOUBLE AS units, 0.12345::DOUBLE AS odds"
    )
    assert [cell.strip() for cell in out.splitlines()[3].strip("│").split("│")] == ["a", "1,740.40", "579", "0.1235"]


def test_sql_reads_standard_input(call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 41 + 1 AS answer"))
    assert call("sql", "-", "-f", "csv")[1] == "answer\n42\n"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM order_pln", "Did you mean 'order_plan'"),
        ("SELECT * FROM sales", "parlevel run --to sources"),
        ("DROP TABLE forecast", "changes nothing"),
        ("SELEC 1", "could not be read"),
    ],
)
def test_a_bad_query_is_one_message_and_exit_2(call, query: str, message: str):
    code, out, err = call("sql", query)
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_no_warehouse_says_to_run_first(call, tmp_path: Path):
    code, _, err = call("sql", "SELECT 1", at=tmp_path)
    assert code == 2
    assert "Run `parlevel run` first" in err


def test_traceback_shows_where_an_error_comes_from(call, tmp_path: Path):
    with_trace = call("--traceback", "sql", "SELECT 1", at=tmp_path)
    assert with_trace[0] == 2
    assert "Traceback" in with_trace[2]
    assert "Traceback" not in call("sql", "SELECT 1", at=tmp_path)[2]


def test_an_unexpected_error_is_exit_1(call, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError("[red]odd[/red]")

    monkeypatch.setattr("parlevel.report.warehouse.open_warehouse", broken)
    code, _, err = call("sql", "SELECT 1")
    assert code == 1
    assert "unexpected RuntimeError: [red]odd[/red]" in err


def test_ctrl_c_is_exit_130(call, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("parlevel.report.warehouse.open_warehouse", interrupted)
    code, _, err = call("sql", "SELECT 1")
    assert code == 130
    assert "Traceback" not in err


def test_config_prints_what_holds(call):
    code, out, _ = call("config", "--set", "calendar.horizon=14")
    shown = yaml.safe_load(out)
    assert code == 0
    assert shown["calendar"]["horizon"] == 14
    assert call("config", "--set", "calendar.horizn=14")[0] == 2


def test_config_files_are_laid_over_each_other(call, tmp_path: Path):
    (tmp_path / "a.yaml").write_text("calendar: {horizon: 9, period: week}\n")
    (tmp_path / "b.yaml").write_text("calendar: {horizon: 10}\n")
    files = ["--config", str(tmp_path / "a.yaml"), "--config", str(tmp_path / "b.yaml")]
    shown = yaml.safe_load(call("config", *files)[1])["calendar"]
    assert (shown["horizon"], shown["period"]) == (10, "week")
    assert "must exist" in call("config", "--config", str(tmp_path / "c.yaml"))[2]


def test_presets_come_from_the_conf_folder_nearest(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "conf" / "presets").mkdir(parents=True)
    (tmp_path / "conf" / "base.yaml").write_text("name: mine\n")
    (tmp_path / "conf" / "presets" / "quick.yaml").write_text("calendar: {horizon: 7}\n")
    monkeypatch.chdir(tmp_path)
    shown = yaml.safe_load(call("config", "--preset", "quick")[1])
    assert (shown["name"], shown["calendar"]["horizon"]) == ("mine", 7)
    assert "Did you mean 'quick'" in call("config", "--preset", "qick")[2]


def test_tables_lists_contracts_with_counts_and_explains_one(call, tmp_path: Path):
    _, out, _ = call("tables")
    line = next(line for line in out.splitlines() if "forecast_status" in line)
    assert str(sample.N) in line
    _, empty, _ = call("tables", at=tmp_path)
    assert "parlevel run" in empty
    _, one, _ = call("tables", "order_plan")
    assert "min_order_qty" in one
    assert "Did you mean 'order_plan'" in call("tables", "order_plans")[2]
    assert "unnest(levels)" in call("tables", "forecast_quantiles")[1]


def test_init_drafts_a_configuration_that_loads_and_overwrites_nothing(call, tmp_path: Path):
    sales = tmp_path / "sales.csv"
    sales.write_text("sku,store,day,qty\n" + "".join(f"A,S1,2024-01-{k:02d},{k}\n" for k in range(1, 20)))
    out = tmp_path / "mine.yaml"
    code, shown, _ = call("init", str(sales), "--out", str(out), at=None)
    assert code == 0
    assert "parlevel run --config" in shown
    assert yaml.safe_load(out.read_text())["source"]["name"] == "tables"
    assert call("config", "--config", str(out))[0] == 0
    code, _, err = call("init", str(sales), "--out", str(out), at=None)
    assert code == 2
    assert "--force" in err


def test_stages_between():
    assert between(None, None) == list(STAGES)
    assert between("train", "replenish") == ["train", "forecast", "replenish"]
    with pytest.raises(ConfigError, match="Did you mean 'train'"):
        between("trian", None)
    with pytest.raises(ConfigError, match="must not come after"):
        between("train", "clean")


def test_looking_needs_no_spark_and_no_heavy_library(built: Path):
    """The whole of sql and tables with pyspark and friends blocked."""
    script = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'pyspark', 'py4j', 'delta', 'tensorflow', 'sklearn', 'ortools'}:\n"
        "            raise ImportError('blocked ' + name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from parlevel.cli import main\n"
        "for words in (['sql', 'SELECT 1 AS n FROM forecast', '-f', 'csv'], ['tables'], ['config'], ['report']):\n"
        "    try:\n"
        "        main([*words, *sys.argv[1:]])\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, words\n"
    )
    where = ["--set", f"paths.warehouse={built}", "--set", f"paths.report={built}/r.html"]
    command = [sys.executable, "-c", script, *where]
    done = subprocess.run(command, env={"PYTHONPATH": str(LIB)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (built / "r.html").stat().st_size > 10_000


def test_ctrl_c_stops_a_long_query(built: Path):
    query = "SELECT sum(a.range * b.range) FROM range(100000000) a, range(100000) b"
    script = (
        "import os, signal, sys, threading\n"
        "from parlevel.cli import main\n"
        "from parlevel.report.warehouse import Warehouse\n"
        "ask = Warehouse.ask\n"
        "def asked(self, *arguments):\n"
        "    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    return ask(self, *arguments)\n"
        "Warehouse.ask = asked\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", script, "sql", query, "--set", f"paths.warehouse={built}"]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(LIB)}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
