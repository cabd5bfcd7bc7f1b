"""Old runs go from every table of a folder, what newer ones build on stays; nothing here needs Spark."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

import sample_warehouse as sample
from parlevel.cli import main
from parlevel.pipeline.publish_retention import needless, remove, remove_old
from parlevel.schemas import STAGES, contract
from parlevel.spark.old_runs import REMOVED, InFolder, Logged

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)


def night(k: int, run: str | None = None, *, status: str = "done", last: str = "publish", **outputs: str):
    """Rows of the log of a run in night k, up to stage `last`."""
    run = run or f"run{k}"
    stages = STAGES[: STAGES.index(last) + 1]
    at = NIGHT + timedelta(days=k)
    return [
        Logged(run, stage, status if stage == last else "done", outputs.get(stage, run), at + timedelta(minutes=i))
        for i, stage in enumerate(stages)
    ]


def serve_none(_runs: object) -> set[str]:
    return set()


def test_the_newest_finished_runs_stay():
    log = [row for k in range(5) for row in night(k)]
    assert needless(log, 2, serve_none) == ["run0", "run1", "run2"]
    assert needless(log, 5, serve_none) == needless(log, 9, serve_none) == []


def test_a_week_of_failures_pushes_no_good_plan_out():
    log = [*night(0), *night(1), *(row for k in range(2, 9) for row in night(k, status="failed", last="train"))]
    assert needless(log, 2, serve_none) == []
    assert needless(log, 1, serve_none) == ["run0"]
    assert needless([*log, *night(9), *night(10)], 2, serve_none) == [f"run{k}" for k in range(9)]


def test_a_failed_publish_is_no_finished_run():
    log = [*night(0), *night(1, status="failed")]
    assert needless(log, 1, serve_none) == []


def test_what_a_kept_run_builds_on_stays_and_what_that_builds_on():
    log = [*night(0), *night(1, sources="run0"), *night(2), *night(3, clean="run1")]
    assert needless(log, 1, serve_none) == ["run2"]


def test_a_run_whose_models_serve_stays():
    log = [row for k in range(4) for row in night(k)]
    assert needless(log, 1, lambda runs: {"run1"} if "run3" in runs else set()) == ["run0", "run2"]


def test_the_run_that_is_about_to_finish_counts_and_removed_ones_do_not():
    log = [*night(0), *night(1), *night(2, last="evaluate")]
    assert needless(log, 2, serve_none) == []
    assert needless(log, 2, serve_none, now="run2") == ["run0"]
    gone = [row._replace(status=REMOVED) for row in night(0)]
    assert needless([*gone, *night(1), *night(2)], 1, serve_none) == ["run1"]


@pytest.fixture
def house(tmp_path: Path) -> InFolder:
    """Three nights with tables of single rows; night 2's models are night 0's."""
    for k in range(3):
        for name in ("sales", "series", "series_profile"):
            served = {"kept_from": "run0"} if (name, k) == ("series_profile", 2) else {}
            sample.write(tmp_path, name, [{**something(name), **served}], f"run{k}")
        sample.write(tmp_path, "runs", [{**something("runs"), **row._asdict()} for row in night(k)], f"run{k}")
    return InFolder(tmp_path)


def something(name: str) -> dict[str, object]:
    """A value for every column that must have one."""
    values = {"string": "x", "date": NIGHT.date(), "timestamp": NIGHT, "boolean": True, "map": [("sales", 7)]}
    return {c.name: values.get(c.type.partition("<")[0], 1) for c in contract(name).data_columns if not c.nullable}


def runs_in(place: Path, name: str) -> set[str]:
    return set(DeltaTable(str(place / name)).to_pyarrow_table(columns=["run_id"])["run_id"].to_pylist())


def test_rows_and_files_leave_a_folder(house: InFolder, tmp_path: Path):
    (tmp_path / "sales" / "run_id=run1" / ".gone.parquet.crc").touch()
    assert needless(house.log(), 1, house.serving) == ["run1"]
    remove(house, house.log(), ["run1"], 0)
    for name in ("sales", "series", "series_profile"):
        assert runs_in(tmp_path, name) == {"run0", "run2"}
        assert not (tmp_path / name / "run_id=run1").exists()
    status = {(row.run_id, row.status) for row in house.log()}
    assert status == {("run0", "done"), ("run1", REMOVED), ("run2", "done")}
    assert DeltaTable(str(tmp_path / "runs")).to_pyarrow_table()["row_counts"].to_pylist()[0] == [("sales", 7)]
    assert remove_old(house, 1) == []


def test_files_stay_a_week_for_those_who_still_read_them(house: InFolder, tmp_path: Path):
    assert remove_old(house, 1) == ["run1"]
    assert runs_in(tmp_path, "sales") == {"run0", "run2"}
    assert list((tmp_path / "sales" / "run_id=run1").glob("*.parquet"))
    remove(house, house.log(), [], 0)
    assert not (tmp_path / "sales" / "run_id=run1").exists()


def test_a_removal_that_was_killed_is_gone_on_with(house: InFolder, tmp_path: Path):
    house.mark(["run1"])
    assert runs_in(tmp_path, "sales") == {"run0", "run1", "run2"}
    assert remove_old(house, 1) == []
    assert runs_in(tmp_path, "sales") == {"run0", "run2"}


def test_a_run_that_was_removed_and_came_back_is_not_removed_for_its_past(house: InFolder, tmp_path: Path):
    remove_old(house, 1)
    sample.write(tmp_path, "sales", [something("sales")], "run1")
    again = [row._replace(started_at=NIGHT + timedelta(days=9)) for row in night(1, last="clean")]
    kept = [row for row in house.log() if row.run_id == "run1" and row.stage not in ("sources", "clean")]
    sample.write(tmp_path, "runs", [{**something("runs"), **row._asdict()} for row in again + kept], "run1")
    assert remove_old(house, 1) == []
    assert runs_in(tmp_path, "sales") == {"run0", "run1", "run2"}


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(["tidy", *arguments])
    shown = capsys.readouterr()
    return int(end.value.code or 0), shown.out + shown.err


def test_the_command_says_what_goes_and_does_it(
    house: InFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "200")
    at = ["--set", f"paths.warehouse={tmp_path}"]
    code, out = call(capsys, "--keep", "1", "--dry-run", *at)
    assert code == 0
    assert {line.split()[0]: line.split()[-1] for line in out.splitlines()[1:]} == {
        "run0": "stays",
        "run1": "goes",
        "run2": "stays",
    }
    assert runs_in(tmp_path, "sales") == {"run0", "run1", "run2"}
    code, out = call(capsys, "--at-once", "--set", "paths.keep_runs=1", *at)
    assert code == 0
    assert "1 run removed." in out
    assert runs_in(tmp_path, "sales") == {"run0", "run2"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "neither --keep N nor paths.keep_runs"),
        (["--keep", "0"], "--keep"),
        (["--keep", "2", "--set", "paths.catalog=main.orders"], "set paths.keep_runs: stage publish"),
        (["--keep", "2", "--set", "paths.warehouse=/nowhere/at/all"], "no table 'runs'"),
    ],
)
def test_what_cannot_be_tidied_is_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "200")
    code, out = call(capsys, *arguments)
    assert code == 2
    assert words in out
