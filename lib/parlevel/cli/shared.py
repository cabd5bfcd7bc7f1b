"""What commands share: which configuration they use, where they print, how they log."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from parlevel.errors import ConfigError
from parlevel.registry import nearest

if TYPE_CHECKING:
    from parlevel.config import Config

Configs = Annotated[
    list[Path] | None,
    typer.Option(
        "--config", "-c", help="YAML file laid over conf/base.yaml; repeat it, later ones win.", metavar="FILE"
    ),
]
Preset = Annotated[
    str | None, typer.Option("--preset", "-p", help="conf/presets/NAME.yaml, laid over the rest.", metavar="NAME")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="One setting, e.g. calendar.horizon=14; repeat it, wins.", metavar="A.B=VALUE"),
]


@dataclass
class State:
    """Options of every command."""

    traceback: bool = False
    verbose: bool = False


STATE = State()


def console() -> Console:
    """Where answers go."""
    return Console()


def error_console() -> Console:
    """Where messages, logs and progress go."""
    return Console(stderr=True)


def listing(*heads: str) -> Table:
    """An empty table without lines, for what is listed rather than read."""
    out = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for head in heads:
        out.add_column(head)
    return out


def settings(configs: list[Path] | None, preset: str | None, sets: list[str] | None) -> Config:
    """The effective configuration: base.yaml, then the given files (else local.yaml), the preset, the settings.

    Files are looked for in ./conf and in the checkout that parlevel runs from; without any, the defaults hold.

    Raises:
        ConfigError: a file or preset is missing, or a key or value is wrong.
    """
    from parlevel.config import load

    folder = conf_folder()
    files = [] if folder is None else [file for file in (folder / "base.yaml",) if file.is_file()]
    local = None if folder is None else folder / "local.yaml"
    if configs:
        files += configs
    elif local is not None and local.is_file():
        files.append(local)
    if preset:
        files.append(_preset(folder, preset))
    return load(files, sets or [])


def conf_folder() -> Path | None:
    """The folder with base.yaml, nearest first: ./conf, then the checkout's own; None without any."""
    checkout = Path(__file__).resolve().parents[3]
    return next((where / "conf" for where in (Path.cwd(), checkout) if (where / "conf" / "base.yaml").is_file()), None)


def _preset(folder: Path | None, name: str) -> Path:
    known = sorted(file.stem for file in (folder / "presets").glob("*.yaml")) if folder else []
    if folder is None or name not in known:
        raise ConfigError(f"preset must be one of {known} (conf/presets/*.yaml). Got {name!r}.{nearest(name, known)}")
    return folder / "presets" / f"{name}.yaml"


def start_logging(where: Console) -> None:
    """Log lines (run, stage, group) above the progress display; other libraries only from warnings on.

    Into a file or a pipe each goes on one plain line.
    """
    from rich.logging import RichHandler

    from parlevel.pipeline.logs import Located

    handler: logging.Handler
    if where.is_terminal:
        handler = RichHandler(console=where, show_path=False, markup=False, log_time_format="%H:%M:%S")
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(Located())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("parlevel").setLevel(logging.DEBUG if STATE.verbose else logging.INFO)
    logging.getLogger("parlevel.summary").setLevel(logging.WARNING)  # the command prints it in colour
