"""The door through which the command line reaches `parlevel.sources.inspect`."""

from __future__ import annotations

from parlevel.sources.inspect import draft

__all__ = ["draft"]
