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
    known = list(kind().describe()["hyperparameters"])
    for key in parameters:
        if key not in known:
            raise ConfigError(f"parameter of {name} must be one of {known}. Got {key!r}.{nearest(key, known)}")
    settings = {key: value for key, value in shared.items() if key in known} | dict(parameters)
    try:
        return kind(**settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"parameters of {name} are not valid: {error}. Got {dict(parameters)}.") from error


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
