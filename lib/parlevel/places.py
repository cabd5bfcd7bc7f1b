"""Where tables and files are: a folder of this machine, or a URI."""

from __future__ import annotations

import os
from pathlib import Path

from parlevel.errors import EnvironmentFault


def is_remote(path: str) -> bool:
    """Whether the path is a URI, which this machine's file system does not know.

    >>> is_remote("s3://bucket/sales"), is_remote("dbfs:/sales"), is_remote("/data/sales")
    (True, True, False)
    """
    return "://" in path or path.startswith("dbfs:")


def folder(root: str) -> Path | None:
    """The folder, whole; None behind a URI."""
    return None if is_remote(root) else Path(root).expanduser().resolve()


def below(root: str, *names: str) -> str:
    """What lies under `root`, as a path of this machine or as a URI.

    >>> below("s3://bucket/warehouse/", "sales")
    's3://bucket/warehouse/sales'
    """
    home = folder(root)
    return str(home.joinpath(*names)) if home else "/".join([root.rstrip("/"), *names])


def write_whole(place: Path, text: str) -> None:
    """Write a file through a neighbour, so that a reader never sees half of it; folders are made.

    Raises:
        EnvironmentFault: the place cannot be written; says why and what to do.
    """
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(place)
    except OSError as error:
        draft.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise EnvironmentFault(f"{place} cannot be written: {reason}. Choose a file in a folder of yours.") from error
