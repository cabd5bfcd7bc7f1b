"""Hyperparameters given by name, checked against the defaults that a model declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parlevel.errors import ConfigError
from parlevel.registry import nearest


def settings(model: str, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults with what was given put in, ready for JSON.

    Args:
        model: registry name, for the message.
        defaults: every hyperparameter with its default.
        given: what the configuration says.

    Raises:
        ConfigError: a name is unknown, or a value is of another kind than its default.
    """
    for name, value in given.items():
        if name not in defaults:
            raise ConfigError(
                f"a hyperparameter of {model} must be one of {sorted(defaults)}. Got {name!r}."
                f"{nearest(name, list(defaults))}"
            )
        kind = _kind(defaults[name])
        accepted = {kind, "whole number"} if kind == "number" else {kind}
        if kind and _kind(value) not in accepted:
            raise ConfigError(f"{model}.{name} must be a {kind}, such as {defaults[name]!r}. Got {value!r}.")
    merged = {**defaults, **given}
    return {name: list(value) if isinstance(value, (list, tuple)) else value for name, value in merged.items()}


def choice(model: str, name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a value that is not one of the known ones.

    Raises:
        ConfigError: with the nearest known value.
    """
    if value not in known:
        raise ConfigError(f"{model}.{name} must be one of {list(known)}. Got {value!r}.{nearest(value, list(known))}")


def _kind(value: Any) -> str:
    """What a value is, in words; empty where anything goes."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "whole number"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "word"
    return "list" if isinstance(value, (list, tuple)) else ""
