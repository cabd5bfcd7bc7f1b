"""Commands around a run: doctor, init, config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from parlevel.cli.shared import Configs, Preset, Sets, console, listing, settings
from parlevel.errors import ConfigError
from parlevel.places import write_whole


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("doctor")(doctor)
    app.command("init")(init)
    app.command("config")(config)


def doctor(config: Configs = None, preset: Preset = None, sets: Sets = None) -> None:
    """Look at the machine: Python, Java, jars, versions, disk, memory, ports, folders; faults come with the way out."""
    from parlevel.doctor import Needs, checks

    cfg = settings(config, preset, sets)
    found = checks(Needs.of(cfg.paths.warehouse, cfg.spark.driver_memory, cfg.spark.conf))
    out = listing("", "check", "found")
    for check in found:
        mark = Text("ok", style="green") if check.ok else Text("FAULT", style="bold red")
        lines = Text(check.detail)
        if not check.ok and check.way_out:
            lines.append(f"\n{check.way_out}", style="yellow")
        out.add_row(mark, check.name, lines)
    console().print(out)
    if not all(check.ok for check in found):
        raise typer.Exit(2)


def init(
    files: Annotated[
        list[Path], typer.Argument(help="Your CSV or Parquet files or Delta folders.", metavar="FILES...")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the configuration.")] = Path("parlevel.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite it.")] = False,
) -> None:
    """Draft a configuration for your own files by looking at them."""
    from parlevel.pipeline.sources_draft import draft

    if out.exists() and not force:
        raise ConfigError(f"{out} exists already. Choose another place with --out, or overwrite it with --force.")
    text = draft(files)
    write_whole(out, text)
    console().print(text, markup=False, highlight=False, soft_wrap=True)
    console().print(
        f"Written to {out}. Read it, mend it, then: parlevel run --config {out}", highlight=False, soft_wrap=True
    )


def config(
    config: Configs = None,
    preset: Preset = None,
    sets: Sets = None,
    explain: Annotated[bool, typer.Option("--explain", help="Every key with its default, meaning and unit.")] = False,
) -> None:
    """Print the effective configuration as YAML."""
    import sys

    import yaml

    if explain:
        from parlevel.config.explain import markdown

        sys.stdout.write(markdown())
        return
    from parlevel.pipeline.sources_check import check_name

    cfg = settings(config, preset, sets)
    check_name(cfg.source.name)
    sys.stdout.write(yaml.safe_dump(cfg.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
