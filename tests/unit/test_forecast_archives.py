"""A model is the same bytes whoever fitted it, wherever its parts lay in memory, whenever it was saved."""

from __future__ import annotations

import time

import numpy as np
import pytest

from panels import daily
from parlevel.domain.forecast.build import build
from parlevel.domain.forecast.registry import FORECASTERS

SMALL = {"lstm": {"epochs": 1, "units": 4}, "forest": {"trees": 5}, "mlp": {"epochs": 2}}


@pytest.mark.parametrize("name", ["forest", "tree", "lstm", "boosting", "dynamic", "linear", "mlp", "seasonal_naive"])
def test_the_same_fit_is_the_same_bytes_and_still_loads(name: str) -> None:
    assert name in FORECASTERS
    panel, shared = daily(8, 150), {"horizon": 7, "seed": 1}
    made, keep = [], []
    for _ in range(2):
        model = build(name, SMALL.get(name, {}), shared).fit(panel)
        made.append(model.to_bytes())
        keep.append([np.empty(1000) for _ in range(50)])  # other addresses for the second
        time.sleep(2.1)  # archives keep time in steps of two seconds
    assert made[0] == made[1]
    again = type(model).from_bytes(made[0])
    levels = np.array([0.1, 0.5, 0.9])
    for first, second in zip(again.distribution(7, levels, panel), model.distribution(7, levels, panel), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)
