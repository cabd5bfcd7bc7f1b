"""Where tables and files are: a folder of this machine, or a URI."""

from __future__ import annotations

from pathlib import Path


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
