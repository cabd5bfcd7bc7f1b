"""What a forecaster is: fit a whole group's panel at once, predict its demand distribution."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.panel import Panel

Floats = NDArray[np.float32]


@runtime_checkable
class Forecaster(Protocol):
    """A model of many series.

    A class takes its hyperparameters as keyword arguments, all with defaults, among them `horizon`
    (periods that `predict` will be asked for at most) and `seed`. The same panel, hyperparameters
    and seed give the same forecasts, whatever the names of the series.
    """

    format: ClassVar[str]
    """Format of `to_bytes`: skops, lightgbm, keras or json. Never a pickle."""

    def fit(self, panel: Panel) -> Self:
        """Learn from the panel's available periods.

        Raises:
            DataError: there is nothing to learn from; the caller falls back.
        """
        ...

    def predict(self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None) -> Floats:
        """Quantile forecasts after the panel's cutoff.

        Args:
            horizon: periods ahead.
            quantiles: (n_quantiles,) levels, increasing, inside (0, 1).
            panel: histories to forecast from; default: the panel fitted on.

        Returns: (n_series, horizon, n_quantiles) units per period, non-decreasing on the last axis,
            never negative; NaN rows for series that this model cannot forecast.
        """
        ...

    def predict_mean(self, horizon: int, panel: Panel | None = None) -> Floats:
        """Expected demand, (n_series, horizon) units per period, never negative."""
        ...

    def to_bytes(self) -> bytes:
        """The fitted model in `format`, without any panel."""
        ...

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote; it predicts only with `panel` given."""
        ...

    def describe(self) -> dict[str, Any]:
        """What it learned, as JSON-able facts: hyperparameters, features, importances."""
        ...


class FromDistribution:
    """The two forecasts of `Forecaster` for a model that makes mean and quantiles in one pass."""

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles); see `Forecaster.predict`."""
        raise NotImplementedError

    def predict(self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None) -> Floats:
        """Quantile forecasts; see `Forecaster.predict`."""
        return np.asarray(self.distribution(horizon, quantiles, panel)[1], np.float32)

    def predict_mean(self, horizon: int, panel: Panel | None = None) -> Floats:
        """Expected demand; see `Forecaster.predict_mean`."""
        return np.asarray(self.distribution(horizon, np.array([0.5]), panel)[0], np.float32)
