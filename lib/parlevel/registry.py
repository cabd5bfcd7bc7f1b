"""Registries: explicit dicts of name -> "module:Class", resolved on first use.

A dict rather than a decorator, so that a reader can grep for every entry, nothing heavy is
imported before it is chosen, and no import order matters.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from parlevel.errors import RegistryError


def nearest(name: str, known: Mapping[str, object] | list[str]) -> str:
    """A hint that names the closest known name, or the empty string when none is close.

    >>> nearest("crostn", ["croston", "sba"])
    " Did you mean 'croston'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def resolve(kind: str, entries: Mapping[str, str], name: str) -> Any:
    """Import and return the class that `name` stands for.

    Args:
        kind: what the registry holds, for the error message ("forecaster", "source").
        entries: name -> "package.module:Class".
        name: the entry asked for.

    Raises:
        RegistryError: `name` is unknown, or its module cannot be imported.
    """
    if name not in entries:
        raise RegistryError(f"{kind} must be one of {sorted(entries)}. Got {name!r}.{nearest(name, list(entries))}")
    module_name, _, attribute = entries[name].partition(":")
    try:
        return getattr(import_module(module_name), attribute)
    except ImportError as error:
        raise RegistryError(
            f"{kind} {name!r} needs a package that is not installed here: {error}. Install it, or choose another entry."
        ) from error
