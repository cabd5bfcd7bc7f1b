"""Hyperparameters from a configuration: what is no value for one is refused before any work."""

from __future__ import annotations

import pytest

from parlevel.domain.forecast.build import build
from parlevel.domain.forecast.registry import FORECASTERS, forecaster_class
from parlevel.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("forest", {"trees": "many"}, "trees of forest must be a whole number, such as 28. Got 'many'"),
        ("forest", {"trees": 2.5}, "must be a whole number"),
        ("forest", {"trees": True}, "must be a whole number"),
        ("forest", {"trees": -3}, "must be a whole number of at least 0, such as 28. Got -3"),
        ("forest", {"rows_share": "half"}, "must be a number"),
        ("forest", {"lags": 7}, "lags of forest must be a list"),
        ("boosting", {"objective": 1}, "must be a word, such as 'tweedie'"),
        ("arima", {"approximation": "yes"}, "must be true or false"),
        ("forest", {"treez": 3}, "Did you mean 'trees'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(name: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(name, given, {})


@pytest.mark.parametrize("name", sorted(FORECASTERS))
def test_every_default_is_a_value_that_is_taken(name: str) -> None:
    usual = forecaster_class(name)().describe()["hyperparameters"]
    assert build(name, usual, {}).describe()["hyperparameters"] == usual


def test_whole_numbers_are_numbers() -> None:
    assert build("forest", {"years": 3}, {}).describe()["hyperparameters"]["years"] == 3
