"""Every error parlevel raises on purpose; each message says what, the rule, what it got and the way out."""

from __future__ import annotations

from collections.abc import Iterable


class ParlevelError(Exception):
    """Base of all errors a user can mend; the command line prints it without a traceback."""


class ConfigError(ParlevelError):
    """The configuration is wrong; raised before any work starts."""


class SchemaError(ParlevelError):
    """A table does not match its contract in `parlevel.schemas`."""


class DataError(ParlevelError):
    """Input data broke a rule that cannot be mended by quarantine."""


class RegistryError(ParlevelError):
    """A name is not in the registry it was looked up in."""


class SolverError(ParlevelError):
    """A solver ended without a usable answer."""


class Infeasible(SolverError):
    """A solver proved that nothing satisfies a program."""


class EnvironmentFault(ParlevelError):
    """The machine lacks something that parlevel needs (Java, jars, disk, memory, a free port)."""


def offenders(items: Iterable[object], total: int | None = None, show: int = 3) -> str:
    """Say how many items offend and name the first few, for the tail of an error message.

    Args:
        items: the offending values; consumed once.
        total: the size of the population they come from, if known.
        show: how many to name.

    Returns: for example ``12 of 4,031, e.g. ['A_17', 'B_2', 'C_9']``.

    >>> offenders(["a", "b", "c", "d"], total=10)
    "4 of 10, e.g. ['a', 'b', 'c']"
    """
    found = list(items)
    count = f"{len(found):,}" + (f" of {total:,}" if total is not None else "")
    return f"{count}, e.g. {[str(item) for item in found[:show]]}"
