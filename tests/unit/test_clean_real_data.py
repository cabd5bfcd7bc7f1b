"""Demand estimates on real sales: hide what was sold in random periods, and see what the rules make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parlevel.domain.clean.censoring import estimate
from parlevel.domain.clean.missing import METHODS, fill


@pytest.fixture(scope="module")
def daily_sales(data_dir: Path) -> np.ndarray:
    """(100 series, 730 days) of ten stores; no stockouts."""
    pd = pytest.importorskip("pandas")
    frame = pd.read_parquet(data_dir / "store_item" / "sales.parquet")
    wide = frame[frame["item"] <= 10].pivot_table(index=["store", "item"], columns="date", values="sales")
    return wide.to_numpy(float)[:, -730:]


@pytest.mark.parametrize("sold_share", [0.0, 0.5])
def test_estimated_demand_is_right_on_average(daily_sales, sold_share):
    out = np.random.default_rng(0).random(daily_sales.shape) < 0.1
    sales = np.where(out, np.floor(daily_sales * sold_share), daily_sales)
    demand = estimate(sales, np.ones(sales.shape, bool), out, "day")
    assert demand[out].mean() == pytest.approx(daily_sales[out].mean(), rel=0.01)
    assert (demand >= sales).all()


def test_the_model_fills_better_than_the_seasonal_mean_and_that_better_than_the_mean(daily_sales):
    holes = np.random.default_rng(1).random(daily_sales.shape) < 0.1
    error = {
        name: np.abs(fill(daily_sales, ~holes, holes, name, "day") - daily_sales)[holes].mean() for name in METHODS
    }
    assert error["model"] < 0.8 * error["seasonal"] < 0.8 * error["mean"]
    assert error["model"] < error["interpolate"]
