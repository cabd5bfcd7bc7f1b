"""Make a forecaster from what a configuration says, and say what wrote an artifact."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from parlevel.domain.forecast.base import Floats, Forecaster
from parlevel.domain.forecast.registry import forecaster_class
from parlevel.domain.panel import Panel
from parlevel.errors import ConfigError
from parlevel.registry import nearest

LIBRARIES: dict[str, tuple[str, ...]] = {
    "skops": ("scikit-learn", "skops"),
    "keras": ("keras", "tensorflow", "tensorflow-cpu"),
    "lightgbm": ("lightgbm",),
    "json": (),
}


def build(name: str, parameters: Mapping[str, Any], shared: Mapping[str, Any]) -> Forecaster:
    """A new forecaster.

    Args:
        name: registry name.
        parameters: hyperparameters from the configuration; every one must be known to the model.
        shared: what the pipeline offers to all models (horizon, seed, lags, ...); each takes what it knows.

    Raises:
        ConfigError: a parameter that the model does not have, or a value that it refuses.
    """
    kind = forecaster_class(name)
    usual = kind().describe()["hyperparameters"]
    known = list(usual)
    for key, value in parameters.items():
        if key not in known:
            raise ConfigError(f"parameter of {name} must be one of {known}. Got {key!r}.{nearest(key, known)}")
        wanted = _refused(value, usual[key])
        if wanted:
            raise ConfigError(f"parameter {key} of {name} must be {wanted}, such as {usual[key]!r}. Got {value!r}.")
    settings = {key: value for key, value in shared.items() if key in known} | dict(parameters)
    try:
        return kind(**settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"parameters of {name} are not valid: {error}. Got {dict(parameters)}.") from error


def _refused(value: Any, usual: Any) -> str | None:
    """What a hyperparameter must be, by its default, if a value is not that; the model checks the rest when it fits."""
    kinds: tuple[tuple[type, tuple[type, ...], str], ...] = (
        (bool, (bool,), "true or false"),
        (int, (int,), "a whole number"),
        (float, (int, float), "a number"),
        (str, (str,), "a word"),
        (list, (list, tuple), "a list"),
    )
    if value is None or usual is None:
        return None
    allowed, word = next(((some, word) for kind, some, word in kinds if isinstance(usual, kind)), ((object,), ""))
    if not isinstance(value, allowed) or (isinstance(value, bool) and not isinstance(usual, bool)):
        return word
    negative = isinstance(value, int | float) and isinstance(usual, int | float) and usual >= 0 > value
    return f"{word} of at least 0" if negative else None


def distribution(
    model: Forecaster, horizon: int, levels: np.ndarray[Any, Any], panel: Panel | None = None
) -> tuple[Floats, Floats]:
    """Mean and quantiles, in one pass where the model can do that."""
    joint = getattr(model, "distribution", None)
    if joint is not None:
        mean, quantiles = joint(horizon, levels, panel)
        return np.asarray(mean, np.float32), np.asarray(quantiles, np.float32)
    return model.predict_mean(horizon, panel), model.predict(horizon, levels, panel)


def libraries(format_: str) -> dict[str, str]:
    """Versions of what writes artifacts of a format: Python, numpy and its own libraries."""
    found = {"python": platform.python_version(), "numpy": np.__version__}
    for package in LIBRARIES.get(format_, ()):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # tensorflow and tensorflow-cpu are the same library; one of them is installed
    return found
