"""`parlevel run` around a runner that is played by the test: order of stages, progress, summary, exit."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

import sample_warehouse as sample
from parlevel.cli import main
from parlevel.cli.progress import Progress
from parlevel.errors import DataError
from parlevel.pipeline.logs import Located, within
from parlevel.report.summary import compare, summarise, text
from parlevel.report.warehouse import open_warehouse


def event(stage: str, status: str, **more: object) -> SimpleNamespace:
    return SimpleNamespace(**{"stage": stage, "status": status, "seconds": 0.0, "rows": {}, "note": "", **more})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.build(tmp_path_factory.mktemp("warehouse"))


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch):
    """A session and a runner that note what they are asked."""
    asked: dict = {"stopped": False, "events": [event("publish", "done")], "error": None}

    def run(spark: object, cfg: object, *, stages: list[str], force: bool, on_event) -> SimpleNamespace:
        asked.update(stages=stages, force=force, cfg=cfg)
        for each in asked["events"]:
            on_event(each)
        if asked["error"]:
            raise asked["error"]
        return SimpleNamespace(run_id=sample.RUN, events=tuple(asked["events"]))

    session = SimpleNamespace(stop=lambda: asked.update(stopped=True))
    monkeypatch.setattr("parlevel.pipeline.runner.run", run)
    monkeypatch.setattr("parlevel.spark.session.get_session", lambda cfg, **extra: session)
    return asked


def call(root: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--set", f"paths.warehouse={root}", "--set", f"paths.report={root}/report.html"])
    return int(end.value.code or 0)


def test_run_passes_stages_and_ends_with_the_summary(stub, built: Path, capsys: pytest.CaptureFixture[str]):
    (built / "report.html").write_text("x")
    assert call(built, "run", "--from", "forecast", "--force", "--set", "seed=5") == 0
    assert stub["stages"] == ["forecast", "replenish", "evaluate", "publish"]
    assert (stub["force"], stub["cfg"].seed, stub["stopped"]) == (True, 5, True)
    out = capsys.readouterr().out
    assert "order_plan" in out
    assert "total cost" in out
    assert f"tables  {built}/" in out
    assert "report.html" in out
    assert 'parlevel sql "SELECT' in out
    assert f'" --set paths.warehouse={built}' in out
    assert "Nothing changed" not in out


def test_a_run_that_reuses_everything_says_so(stub, built: Path, capsys: pytest.CaptureFixture[str]):
    stub["events"] = [event("train", "reused"), event("publish", "reused")]
    assert call(built, "run") == 0
    assert "no model trained" in capsys.readouterr().out


def test_a_wrong_source_or_option_stops_before_spark(stub, built: Path, capsys: pytest.CaptureFixture[str]):
    assert call(built, "run", "--set", "source.name=vn3") == 2
    assert call(built, "run", "--set", "source.options.levl=chain") == 2
    assert call(built, "config", "--set", "source.name=vn3") == 2
    assert "stages" not in stub
    err = capsys.readouterr().err
    assert err.count("Did you mean 'vn2'") == 2
    assert "source.options.levl: unknown key. Did you mean 'level'" in err


def test_stage_runs_that_one_alone(stub, built: Path):
    assert call(built, "stage", "replenish") == 0
    assert stub["stages"] == ["replenish"]
    assert stub["force"] is False


def test_a_failed_stage_is_exit_2_and_the_session_is_stopped(stub, built: Path, capsys: pytest.CaptureFixture[str]):
    stub["error"] = DataError("12 of 40 series have no forecast")
    assert call(built, "run") == 2
    assert stub["stopped"]
    assert "12 of 40 series have no forecast" in capsys.readouterr().err


def test_progress_shows_each_stage_with_rows_and_seconds():
    screen = Console(width=100, record=True, force_terminal=False)
    progress = Progress(["train", "forecast", "replenish"], screen)
    progress.say("looking around")
    screen.print(progress.render())
    assert "looking around" in screen.export_text()
    progress.on_event(event("train", "start"))
    progress.on_event(event("train", "done", seconds=12.34, rows={"models": 3, "backtest": 1200}, note="3 groups"))
    progress.on_event(event("forecast", "reused", note="nothing changed"))
    screen.print(progress.render())
    lines = screen.export_text().splitlines()
    assert next(line for line in lines if "train" in line).split() == ["✓", "train", "12.3", "1,203", "3", "groups"]
    assert "nothing changed" in next(line for line in lines if "forecast" in line)
    assert "looking around" not in "\n".join(lines)


def test_lines_of_a_stage_name_run_and_stage():
    record = logging.LogRecord("parlevel.pipeline.replenish_shared", logging.INFO, "f", 1, "round %d", (2,), None)
    own = logging.LogRecord("parlevel", logging.INFO, "f", 1, "run=r-1 stage=clean start", (), None)
    other = logging.LogRecord("keras", logging.INFO, "f", 1, "hello", (), None)
    with within("r-1", "clean"):
        kept = [Located().filter(each) for each in (record, record, own, other)]
    assert all(kept)
    assert [each.getMessage() for each in (record, own, other)] == [
        "run=r-1 stage=clean round 2",
        "run=r-1 stage=clean start",
        "hello",
    ]


def test_key_figures_say_which_way_is_better(built: Path):
    kpis = {kpi.name: kpi for kpi in compare(open_warehouse(built), sample.config(built))}
    assert (kpis["fill rate"].plan, kpis["fill rate"].baseline) == ("98.5 %", "96.1 %")
    assert (kpis["fill rate"].change, kpis["fill rate"].better) == ("+2.4 pp", True)
    # plan: 2 x (300 + 120 + 220); baseline: 2 x (375 + 234.375 + 220)
    assert (kpis["total cost"].plan, kpis["total cost"].baseline) == ("$1,280", "$1,659")
    assert (kpis["total cost"].change, kpis["total cost"].better) == ("-22.8 %", True)
    assert kpis["order lines"].better is None


def test_a_run_that_ends_early_does_not_show_what_other_runs_went_on_to_make(built: Path) -> None:
    whole, early = (summarise(sample.config(built), last=stage) for stage in ("publish", "forecast"))
    assert {stage for stage, _, _ in whole.counts} > {"forecast", "replenish", "evaluate"}
    assert {stage for stage, _, _ in early.counts} <= {"sources", "clean", "features", "train", "forecast"}
    assert whole.kpis
    assert whole.command
    assert (early.kpis, early.limits, early.command, early.report) == ((), "", None, None)


def test_the_plain_summary_has_counts_figures_and_a_query(built: Path):
    (built / "report.html").unlink(missing_ok=True)
    shown = text(summarise(sample.config(built)))
    assert any(line.split() == ["replenish", "plan_report", "11"] for line in shown.splitlines())
    assert "min_max" in shown
    assert "with minimums, trucks and capacities kept, 48 series of whole supplier groups: " in shown
    assert "(-22.8 %), fill rate 98.5 % against 96.1 %" in shown
    assert f"tables  {built}/" in shown
    assert "parlevel sql" in shown
    assert "report.html" not in shown  # not drawn yet
