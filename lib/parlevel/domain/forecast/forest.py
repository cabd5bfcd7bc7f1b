"""Random forest: direct multi-step on pooled rows, with the distribution kept in the leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, ClassVar, Self
from zipfile import ZIP_DEFLATED

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.features.design import Design
from parlevel.domain.forecast.archives import timeless
from parlevel.domain.forecast.base import FromDistribution
from parlevel.domain.forecast.drivers import DRIVERS, in_units, index_of, inner_values, path_effects
from parlevel.domain.forecast.prune import prune
from parlevel.domain.forecast.quantiles import enforce
from parlevel.domain.forecast.tabular import Floats, forecast_rows, step_rows, training_rows
from parlevel.domain.panel import Panel
from parlevel.errors import DataError

TRUSTED = ["sklearn.tree._tree.Tree"]
"""The one type beyond skops' own list that an artifact may hold."""

PRUNED = (8.0, 5.0, 3.0)
"""Times `min_leaf` that a node must hold to keep its question, in the variants that compression tries."""

BLOCK = 20_000
"""Rows whose leaf values are laid out at once: bounds memory to about 80 MB."""


class Forest(FromDistribution):
    """Quantile regression forest over a group.

    Each tree is grown on demand divided by the series' own level. A leaf keeps `leaf_values` evenly spaced
    quantiles of the targets that fell into it; a forecast's distribution is the mixture of its leaves.
    Source: Breiman (2001), Machine Learning 45; Meinshausen (2006), JMLR 7.

    Args:
        horizon: largest step.
        seed: of rows and trees.
        lags, windows, halflives: of the features; see `parlevel.domain.features.design`.
        trees: number of trees.
        min_leaf: training rows in a leaf at least.
        features_share: share of the features looked at per split.
        rows_share: share of the rows drawn per tree.
        max_rows: training rows at most.
        years: of history that targets are drawn from.
        recency: years after which a target is drawn half as often.
        leaf_values: quantiles kept per leaf.
        power: splits are chosen on demand / level to this power; the root evens out counting noise, so that
            a few large ratios do not choose them. Leaves hold plain demand / level.
    """

    format: ClassVar[str] = "skops"
    work: ClassVar[tuple[str, ...]] = ("trees", "max_rows")
    tunable: ClassVar[dict[str, tuple[Any, ...]]] = {
        "trees": (28, 48),
        "min_leaf": (5, 10, 20, 40),
        "features_share": (0.1, 0.2, 0.35, 0.5),
        "rows_share": (0.4, 0.6, 0.9),
        "max_rows": (8_000, 16_000, 32_000),
        "years": (1.0, 2.0, 4.0),
        "recency": (0.5, 1.0, 2.0),
        "power": (0.35, 0.5, 0.75, 1.0),
    }

    def __init__(
        self,
        *,
        horizon: int = 28,
        seed: int = 0,
        lags: Sequence[int] = (1, 2, 3, 7, 14, 28),
        windows: Sequence[int] = (7, 28, 91),
        halflives: Sequence[float] = (14.0,),
        trees: int = 28,
        min_leaf: int = 10,
        features_share: float = 0.2,
        rows_share: float = 0.6,
        max_rows: int = 8_000,
        years: float = 2.0,
        recency: float = 1.0,
        leaf_values: int = 12,
        power: float = 0.5,
    ) -> None:
        self.parameters: dict[str, Any] = {
            "horizon": horizon,
            "seed": seed,
            "lags": list(lags),
            "windows": list(windows),
            "halflives": list(halflives),
            "trees": trees,
            "min_leaf": min_leaf,
            "features_share": features_share,
            "rows_share": rows_share,
            "max_rows": max_rows,
            "years": years,
            "recency": recency,
            "leaf_values": leaf_values,
            "power": power,
        }
        self.names: list[str] = []
        self._forest: Any = None
        self._values: list[Floats] = []
        self._panel: Panel | None = None

    def fit(self, panel: Panel) -> Self:
        """Grow the trees; see `Forecaster.fit`."""
        from sklearn.ensemble import RandomForestRegressor

        p = self.parameters
        rows = training_rows(
            panel,
            self._design(panel),
            max_rows=p["max_rows"],
            years=p["years"],
            halflife=p["recency"],
            seed=p["seed"],
        )
        self._forest = RandomForestRegressor(
            n_estimators=p["trees"],
            min_samples_leaf=min(p["min_leaf"], max(1, len(rows.target) // 20)),
            max_features=p["features_share"],
            max_samples=p["rows_share"] if len(rows.target) > 50 else None,
            n_jobs=1,
            random_state=p["seed"],
        ).fit(rows.features, np.maximum(rows.target, 0.0) ** p["power"], sample_weight=rows.weight)
        leaves = self._forest.apply(rows.features)
        counts = [tree.tree_.node_count for tree in self._forest.estimators_]
        self._values = [
            leaf_quantiles(leaves[:, k], rows.target, rows.weight, n, p["leaf_values"]) for k, n in enumerate(counts)
        ]
        self.names, self._panel = rows.names, panel
        return self

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles) from one pass over the trees."""
        panel, features, scale = self._rows(horizon, panel)
        mean = np.empty(len(features), np.float32)
        out = np.empty((len(features), len(quantiles)), np.float32)
        for start in range(0, len(features), BLOCK):
            block = slice(start, start + BLOCK)
            leaves = self._forest.apply(features[block])
            found = np.stack([values[leaves[:, k]] for k, values in enumerate(self._values)], axis=1)
            mean[block] = found[:, :, 0].mean(axis=1)
            mixture = found[:, :, 1:].reshape(len(found), -1)
            out[block] = sorted_quantiles(np.sort(mixture, axis=1), quantiles)
        shape = (panel.n_series, horizon)
        scaled = enforce((out * scale[:, None]).reshape(*shape, -1))
        return (mean * scale).reshape(shape), scaled

    def explain(self, steps: NDArray[np.int64], panel: Panel) -> NDArray[np.floating]:
        """What each question on the way to the leaves added; see `parlevel.domain.forecast.drivers`."""
        features, scale, level = step_rows(panel, self._design(panel), steps)
        index = index_of(self.names)
        total = np.zeros((len(features), len(DRIVERS)))
        for grown, values in zip(self._forest.estimators_, self._values, strict=True):
            tree = grown.tree_
            left, right = tree.children_left, tree.children_right
            value = inner_values(left, right, values[:, 0].astype(np.float64), tree.weighted_n_node_samples)
            total += path_effects(left, right, tree.feature, value, index)[tree.apply(features)]
        units = in_units(total / len(self._values), scale, level)
        return units.reshape(panel.n_series, len(steps), -1)

    def to_bytes(self) -> bytes:
        """Trees, leaf values and hyperparameters in one skops archive."""
        import skops.io

        content = {"forest": self._forest, "values": self._values, "about": json.dumps([self.parameters, self.names])}
        return timeless(skops.io.dumps(content), compression=ZIP_DEFLATED)

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote; refuses archives with any type but the tree."""
        import skops.io

        content = skops.io.loads(payload, trusted=TRUSTED)
        parameters, names = json.loads(content["about"])
        model = cls(**parameters)
        model.names, model._forest, model._values = names, content["forest"], content["values"]
        return model

    def smaller(self) -> Iterator[tuple[str, Forest]]:
        """Pruned forests, the smallest first; see `parlevel.domain.forecast.compress`."""
        for times in PRUNED:
            least = round(times * self._forest.min_samples_leaf)
            yield f"trees pruned to questions on {least} rows", self._pruned(least)

    def _pruned(self, least: int) -> Forest:
        made, forest = copy(self), copy(self._forest)
        grown = [prune(one.tree_, values, least) for one, values in zip(forest.estimators_, self._values, strict=True)]
        forest.estimators_ = [copy(one) for one in forest.estimators_]
        for one, (tree, _) in zip(forest.estimators_, grown, strict=True):
            one.tree_ = tree
        made._forest, made._values = forest, [values for _, values in grown]
        return made

    def describe(self) -> dict[str, Any]:
        """Hyperparameters, feature names, importances and size."""
        importances = self._forest.feature_importances_ if self._forest is not None else []
        return {
            "hyperparameters": self.parameters,
            "features": self.names,
            "importances": {name: float(v) for name, v in zip(self.names, importances, strict=False)},
            "leaves": int(sum(tree.tree_.n_leaves for tree in self._forest.estimators_)) if self._forest else 0,
        }

    def _rows(self, horizon: int, panel: Panel | None) -> tuple[Panel, Floats, Floats]:
        panel = panel if panel is not None else self._panel
        if self._forest is None or panel is None:
            raise DataError("a forest must be fitted, and given a panel once it was stored, before it predicts.")
        features, scale, known = forecast_rows(panel, self._design(panel), horizon)
        return panel, features, np.where(np.repeat(known, horizon), scale, np.float32(np.nan))

    def _design(self, panel: Panel) -> Design:
        p = self.parameters
        return Design(
            lags=p["lags"], windows=p["windows"], halflives=p["halflives"], horizon=p["horizon"], period=panel.period
        )


def leaf_quantiles(leaf: NDArray[np.int64], target: Floats, weight: Floats, n_nodes: int, n_values: int) -> Floats:
    """Weighted mean and evenly spaced weighted quantiles of the targets in each leaf.

    With weights near the rows' scale the mean is a ratio estimator, sum(demand) / sum(scale): the plain mean
    of ratios would over-forecast series whose level is measured with much noise.

    Args:
        leaf: (m,) node that each row fell into.
        target: (m,).
        weight: (m,) > 0.
        n_nodes: nodes of the tree; inner ones and leaves without rows get zeros.
        n_values: k; the quantiles are at (i + 1/2) / k.

    Returns: (n_nodes, 1 + n_values) float32: the mean, then the quantiles.
    """
    order = np.lexsort((target, leaf))
    count = np.bincount(leaf, minlength=n_nodes)
    total = np.bincount(leaf, weights=weight, minlength=n_nodes)
    reached = np.cumsum(weight[order], dtype=np.float64)
    first = np.cumsum(count) - count
    before = np.concatenate([[0.0], reached])[first]
    wanted = before[:, None] + (np.arange(n_values) + 0.5) / n_values * total[:, None]
    last = np.maximum(first + count - 1, 0)[:, None]
    at = np.clip(np.searchsorted(reached, wanted), np.minimum(first, len(target) - 1)[:, None], last)
    values = target[order][at]
    mean = np.bincount(leaf, weights=target * weight, minlength=n_nodes) / np.where(total > 0, total, 1.0)
    found = np.concatenate([mean[:, None], values], axis=1)
    return np.where(count[:, None] > 0, found, 0.0).astype(np.float32)


def sorted_quantiles(values: Floats, levels: NDArray[np.float64]) -> Floats:
    """Quantiles of rows that are sorted already: (m, k) -> (m, n_levels), with straight lines between midpoints."""
    k = values.shape[1]
    position = np.clip(np.asarray(levels) * k - 0.5, 0, k - 1)
    low = np.floor(position).astype(np.int64)
    share = (position - low).astype(np.float32)
    return values[:, low] * (1 - share) + values[:, np.minimum(low + 1, k - 1)] * share
