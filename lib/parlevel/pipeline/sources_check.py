"""The door through which the command line and the jobs ask, before Spark starts, whether a source can be read."""

from __future__ import annotations

from parlevel.config import Config
from parlevel.sources.registry import check_name, source

__all__ = ["check_name", "check_source"]


def check_source(cfg: Config) -> None:
    """Check the source's name and options, and that its data are there; imports Spark, starts none.

    Raises:
        ConfigError: no such source, an unknown option, or a value that breaks its rule.
        DataError: its data are not there.
    """
    source(cfg.source.name, cfg)
