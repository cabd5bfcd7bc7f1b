"""One run at a time in a warehouse on this machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from parlevel.config import Config
from parlevel.errors import EnvironmentFault
from parlevel.places import folder

NAME = "_run.lock"
"""The file under the warehouse that a run holds."""


@contextmanager
def only_run(cfg: Config) -> Iterator[None]:
    """Hold the warehouse while a run writes to it; the lock goes with the process, however it ends.

    Two runs in one warehouse would write the same tables' rows twice, or end each other with Delta's conflicts, after
    an hour of work. Warehouses behind a URI and catalogs have no lock: there the scheduler keeps runs apart
    (`max_concurrent_runs: 1` in the bundle).

    Args:
        cfg: says where the warehouse is.

    Raises:
        EnvironmentFault: another run holds it (the message names its process), or the folder cannot be written.
    """
    home = folder(cfg.paths.warehouse)
    if cfg.paths.catalog or home is None:
        yield
        return
    path = home / NAME
    with _opened(path) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnvironmentFault(
                f"one run at a time may write to a warehouse. {path.parent} is held by {_holder(path)}. "
                "Wait for it, or write elsewhere: --set paths.warehouse=/another/folder."
            ) from None
        held.truncate(0)
        held.write(f"process {os.getpid()}, which started at {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}\n")
        held.flush()
        yield


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+")
    except OSError as error:
        raise EnvironmentFault(
            f"the warehouse must be a folder that can be written. Got {error}. "
            "Make it writable, or choose another: --set paths.warehouse=/my/folder."
        ) from error


def _holder(path: Path) -> str:
    return path.read_text().strip() or "another process"
