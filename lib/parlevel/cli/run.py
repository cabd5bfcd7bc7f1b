"""Commands that compute: run, stage."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parlevel.cli.progress import Progress
from parlevel.cli.shared import Configs, Preset, Sets, console, error_console, settings, start_logging
from parlevel.errors import ConfigError
from parlevel.registry import nearest
from parlevel.schemas import STAGES

if TYPE_CHECKING:
    from rich.console import Console

    from parlevel.config import Config

Force = Annotated[bool, typer.Option("--force", help="Compute again even if nothing changed.")]

Budget = Annotated[
    str | None,
    typer.Option("--budget", help="Wall time of stage train, hyperparameters searched in it.", metavar="20m"),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("stage")(stage)


def run(
    config: Configs = None,
    preset: Preset = None,
    sets: Sets = None,
    force: Force = False,
    budget: Budget = None,
    first: Annotated[str | None, typer.Option("--from", help="First stage to run.", metavar="STAGE")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last stage to run.", metavar="STAGE")] = None,
) -> None:
    """Run the stages, from sales history to order plans and the report.

    A stage whose code, configuration and input did not change is not computed again.
    """
    _run(settings(config, preset, _with(sets, budget)), between(first, last), force)


def stage(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(STAGES)}.", metavar="NAME")],
    config: Configs = None,
    preset: Preset = None,
    sets: Sets = None,
    force: Force = False,
    budget: Budget = None,
) -> None:
    """Run one stage on what the stages before it wrote."""
    _run(settings(config, preset, _with(sets, budget)), between(name, name), force)


def _with(sets: Sequence[str] | None, budget: str | None) -> list[str]:
    """The settings, the budget among them."""
    return [*(sets or []), *([f"train.budget={budget}"] if budget is not None else [])]


def between(first: str | None, last: str | None) -> list[str]:
    """The stages from `first` to `last`, inclusive; None = from the beginning, to the end.

    Raises:
        ConfigError: an unknown stage, or `first` comes after `last`.
    """
    for name in (first, last):
        if name is not None and name not in STAGES:
            raise ConfigError(f"stage must be one of {list(STAGES)}. Got {name!r}.{nearest(name, list(STAGES))}")
    begin = 0 if first is None else STAGES.index(first)
    end = len(STAGES) - 1 if last is None else STAGES.index(last)
    if begin > end:
        raise ConfigError(f"--from must not come after --to in {list(STAGES)}. Got --from {first} --to {last}.")
    return list(STAGES[begin : end + 1])


def _run(cfg: Config, stages: Sequence[str], force: bool) -> None:
    """Start the session, run with progress, print the summary."""
    screen = error_console()
    start_logging(screen)
    from parlevel.pipeline.check import check
    from parlevel.pipeline.lock import only_run

    check(cfg)  # a slip in the configuration must not cost the start of a JVM
    with only_run(cfg):
        run_id, computed = _computed(cfg, stages, force, screen)
    if not computed:
        console().print("Nothing changed: no stage was computed again, no model trained.", soft_wrap=True)
    _summary(cfg, run_id, stages)


def _computed(cfg: Config, stages: Sequence[str], force: bool, screen: Console) -> tuple[str, list[str]]:
    """Run in a session of its own, with progress where somebody watches: the run, and the stages that it computed."""
    if screen.is_terminal:
        screen.print("starting Spark ...", style="dim")  # no live display yet: the JVM writes to the terminal itself
    from parlevel.pipeline.runner import run as run_stages
    from parlevel.spark.session import get_session

    spark = get_session(cfg, spark__ui__showConsoleProgress="false")
    progress = Progress(stages, screen)
    try:
        with progress if screen.is_terminal else nullcontext():
            progress.say("looking at what is there already")
            result = run_stages(spark, cfg, stages=stages, force=force, on_event=progress.on_event)
    finally:
        spark.stop()
    return result.run_id, [event.stage for event in result.events if event.status == "done"]


def _summary(cfg: Config, run_id: str, stages: Sequence[str]) -> None:
    from parlevel.cli.show import show_summary
    from parlevel.report.render import write_report
    from parlevel.report.summary import summarise

    if cfg.paths.catalog is None:
        if not Path(cfg.paths.report).expanduser().is_file() and "publish" in stages:
            write_report(cfg, run_id)  # reused, and somebody took the file away
        show_summary(summarise(cfg, run_id, last=stages[-1]), console())
    else:
        console().print(f"run {run_id}: tables and views are in catalog {cfg.paths.catalog}.")
