"""The forecasters that a configuration can name."""

from __future__ import annotations

from typing import Any

from parlevel.domain.forecast.base import Forecaster
from parlevel.registry import resolve

FORECASTERS: dict[str, str] = {
    "seasonal_naive": "parlevel.domain.forecast.seasonal_naive:SeasonalNaive",
    "forest": "parlevel.domain.forecast.forest:Forest",
    "lstm": "parlevel.domain.forecast.lstm:LSTM",
    "gru": "parlevel.domain.forecast.gru:GRU",
    "transformer": "parlevel.domain.forecast.transformer:Transformer",
    "boosting": "parlevel.domain.forecast.boosting:Boosting",
    "linear": "parlevel.domain.forecast.linear:Linear",
    "tree": "parlevel.domain.forecast.tree:Tree",
    "mlp": "parlevel.domain.forecast.mlp:MLP",
    "croston": "parlevel.domain.forecast.croston:Croston",
    "sba": "parlevel.domain.forecast.croston:SBA",
    "tsb": "parlevel.domain.forecast.croston:TSB",
    "adida": "parlevel.domain.forecast.croston:ADIDA",
    "imapa": "parlevel.domain.forecast.croston:IMAPA",
    "dynamic": "parlevel.domain.forecast.dynamic:Dynamic",
    "ets": "parlevel.domain.forecast.stats:ETS",
    "arima": "parlevel.domain.forecast.stats:ARIMA",
    "theta": "parlevel.domain.forecast.stats:Theta",
}


SHARED = "global_"
"""What a candidate's name begins with when one model is learned from all groups; see `shared`."""

TUNED = "tuned_"
"""What a candidate's name begins with (after `SHARED`) when its hyperparameters were searched for; see `tune`."""


def forecaster(name: str, **hyperparameters: Any) -> Forecaster:
    """A new forecaster of that name.

    Raises:
        RegistryError: unknown name, or its library is not installed.
    """
    model: Forecaster = resolve("forecaster", FORECASTERS, name)(**hyperparameters)
    return model


def forecaster_class(name: str) -> type[Forecaster]:
    """The class behind a name, to load a stored model with `from_bytes`; shared or tuned or neither."""
    kind = name.removeprefix(SHARED).removeprefix(TUNED)
    found: type[Forecaster] = resolve("forecaster", FORECASTERS, kind)
    return found
