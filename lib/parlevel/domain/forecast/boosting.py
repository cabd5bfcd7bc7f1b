"""Gradient boosting with LightGBM: one direct model of all series and steps of a group."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.drivers import DRIVERS, multiplied, path_effects
from parlevel.domain.forecast.hyper import choice
from parlevel.domain.forecast.pooled import Pooled
from parlevel.domain.forecast.quantiles import enforce, mean_of, to_levels
from parlevel.domain.forecast.spread import FLOOR
from parlevel.domain.forecast.tabular import Rows, forecast_rows
from parlevel.domain.panel import Panel

Floats = NDArray[np.floating]

OBJECTIVES = ("tweedie", "poisson", "l2", "quantile")

LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
"""Levels that the quantile objective learns, a booster each; others are read between them."""


SHAP_ROWS = 256
"""Rows up to which TreeSHAP explains: it takes 3 ms a row and booster, the paths of the same trees .03 ms."""


class Boosting(Pooled):
    """LightGBM on demand divided by the series' own level, step as a feature.

    Scaling is what lets slow and fast series teach one model (on M5's daily series it is worth 4 % of the
    error); a Tweedie loss fits counts with many zeros. The two members are averaged.
    Source: Ke et al. (2017), LightGBM; Makridakis et al. (2022), M5 accuracy competition.

    Args (beside those of `pooled.ROWS`):
        objective: tweedie, poisson, l2 (mean, with a learned spread around it) or quantile (a booster per level).
        power: Tweedie variance power, 1 (Poisson) to 2 (gamma), exclusive.
        rounds: trees per member.
        learning_rate: shrinkage of each tree.
        leaves: leaves of a tree at most.
        min_leaf: rows of a leaf at least; less where there are few rows.
        features_share: share of the features that each tree looks at.
        rows_share: share of the rows that each tree is grown on.
        ridge: L2 penalty of the leaf values.
        bins: histogram bins per feature.
    """

    format: ClassVar[str] = "lightgbm"
    name: ClassVar[str] = "boosting"
    defaults: ClassVar[dict[str, Any]] = {
        "max_rows": 150_000,
        # more years cost nothing at a fixed number of rows, and steady the yearly season
        "years": 4.0,
        "recency": 1.5,
        "objective": "tweedie",
        "power": 1.3,
        "rounds": 150,
        "learning_rate": 0.05,
        "leaves": 63,
        "min_leaf": 100,
        "features_share": 0.5,
        "rows_share": 0.7,
        "ridge": 0.0,
        "bins": 63,
    }
    work: ClassVar[tuple[str, ...]] = ("rounds", "max_rows")
    tunable: ClassVar[dict[str, tuple[Any, ...]]] = {
        "power": (1.1, 1.2, 1.3, 1.4, 1.5),
        "rounds": (80, 150, 300, 500),
        "learning_rate": (0.02, 0.03, 0.05, 0.08),
        "leaves": (15, 31, 63, 127),
        "min_leaf": (30, 100, 300),
        "features_share": (0.25, 0.5, 0.8),
        "rows_share": (0.5, 0.7, 0.9),
        "ridge": (0.0, 1.0, 10.0),
        "years": (2.0, 3.0, 4.0, 6.0),
        "recency": (0.75, 1.5, 3.0),
    }

    def __init__(self, **hyperparameters: Any) -> None:
        super().__init__(**hyperparameters)
        choice(self.name, "objective", self.parameters["objective"], OBJECTIVES)

    def learn(self, rows: Rows, seed: int) -> Any:
        """A booster, or for the quantile objective one per level; a number where all targets are zero."""
        if not rows.target.any():
            return 0.0
        target = np.maximum(rows.target, 0.0)
        if self.parameters["objective"] == "quantile":
            return [self._boost(rows, target, seed, {"alpha": level}) for level in LEVELS]
        extra = {"tweedie_variance_power": self.parameters["power"]}
        return self._boost(rows, target, seed, extra if self.parameters["objective"] == "tweedie" else {})

    def apply(self, member: Any, features: Floats) -> Floats:
        """Expected demand / scale, (m,)."""
        if isinstance(member, float):
            return np.zeros(len(features))
        if isinstance(member, list):
            return mean_of(self._levels(member, features), LEVELS)
        return np.asarray(member.predict(features, num_threads=1), np.float64)

    def attribute(self, member: Any, features: Floats, index: NDArray[np.int64]) -> Floats:
        """TreeSHAP values by driver, or paths where they would take too long. See `Pooled.attribute`.

        With a log link both are of logarithms and made additive.
        """
        if isinstance(member, float):
            return np.zeros((len(features), len(DRIVERS)))
        if isinstance(member, list):
            return super().attribute(member, features, index)
        if len(features) > SHAP_ROWS:
            effects = _along_paths(member, features, index)
        else:
            found = np.asarray(member.predict(features, num_threads=1, pred_contrib=True), np.float64)
            effects = found[:, :-1] @ np.eye(len(DRIVERS))[index]
            effects[:, 0] += found[:, -1]
        return multiplied(effects) if self.parameters["objective"] in ("tweedie", "poisson") else effects

    def distribution(
        self, horizon: int, quantiles: NDArray[np.float64], panel: Panel | None = None
    ) -> tuple[Floats, Floats]:
        """Mean (n_series, horizon) and quantiles (n_series, horizon, n_quantiles); see `Forecaster.predict`."""
        if self.parameters["objective"] != "quantile":
            return super().distribution(horizon, quantiles, panel)
        panel = self._given(panel)
        features, scale, known = forecast_rows(panel, self._design(panel), horizon)
        found = np.mean([self._levels(member, features) for member in self.members], axis=0)
        found *= np.where(np.repeat(known, horizon), scale, np.nan)[:, None]
        mean = mean_of(found, LEVELS)
        limit = self._ceiling(panel, features, horizon)
        found *= np.where(mean > limit, limit / np.maximum(mean, FLOOR), 1.0)[:, None]
        shape = (panel.n_series, horizon)
        values = enforce(to_levels(found, LEVELS, quantiles)).reshape(*shape, -1)
        return np.minimum(mean, limit).reshape(shape).astype(np.float32), values.astype(np.float32)

    def to_bytes(self) -> bytes:
        """One line of JSON (hyperparameters, spread, lengths), then the boosters in LightGBM's text format."""
        texts: list[str] = []
        members: list[Any] = []
        for member in self.members:
            boosters = member if isinstance(member, list) else [member]
            members.append([0.0] if isinstance(member, float) else [len(texts) + k for k in range(len(boosters))])
            texts += [] if isinstance(member, float) else [each.model_to_string() for each in boosters]
        zero = [isinstance(member, float) for member in self.members]
        head = {**self.about(), "members": members, "zero": zero, "lengths": [len(text.encode()) for text in texts]}
        return (json.dumps(head) + "\n" + "".join(texts)).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        import lightgbm

        head, _, rest = payload.partition(b"\n")
        content = json.loads(head)
        stops = np.cumsum([0, *content["lengths"]])
        boosters = [lightgbm.Booster(model_str=rest[begin:stop].decode()) for begin, stop in pairwise(stops)]
        model = cls.from_about(content)
        many = model.parameters["objective"] == "quantile"
        for at, zero in zip(content["members"], content["zero"], strict=True):
            model.members.append(0.0 if zero else [boosters[k] for k in at] if many else boosters[at[0]])
        return model

    def describe(self) -> dict[str, Any]:
        """Hyperparameters, features, importances (share of the loss reduction) and number of trees."""
        gain = np.zeros(len(self.features))
        boosters = [b for m in self.members if not isinstance(m, float) for b in (m if isinstance(m, list) else [m])]
        for booster in boosters:
            gain += booster.feature_importance("gain")
        shares = gain / max(gain.sum(), 1e-12)
        return {
            **super().describe(),
            "importances": {name: round(float(share), 6) for name, share in zip(self.features, shares, strict=True)},
            "trees": int(sum(booster.num_trees() for booster in boosters)),
        }

    def _levels(self, member: Any, features: Floats) -> Floats:
        """(m, len(LEVELS)) quantiles of demand / scale."""
        if isinstance(member, float):
            return np.zeros((len(features), len(LEVELS)))
        return enforce(np.stack([booster.predict(features, num_threads=1) for booster in member], axis=1))

    def _boost(self, rows: Rows, target: Floats, seed: int, extra: dict[str, Any]) -> Any:
        import lightgbm

        p = self.parameters
        options = {
            "objective": p["objective"],
            "learning_rate": p["learning_rate"],
            "num_leaves": p["leaves"],
            # a tenth of the rows at most, so that small groups learn more than their mean
            "min_data_in_leaf": int(min(p["min_leaf"], max(1, len(target) // 10))),
            "feature_fraction": p["features_share"],
            "bagging_fraction": p["rows_share"],
            "bagging_freq": 1,
            "lambda_l2": p["ridge"],
            "max_bin": p["bins"],
            "seed": seed,
            "num_threads": 1,
            "deterministic": True,
            # left alone LightGBM times both layouts and the sums' order follows the clock
            "force_col_wise": True,
            "verbose": -1,
            **extra,
        }
        return lightgbm.train(options, lightgbm.Dataset(rows.features, target), num_boost_round=p["rounds"])


def _along_paths(booster: Any, features: Floats, index: NDArray[np.int64]) -> Floats:
    """(m, len(DRIVERS)) what each question on the way to the leaves of all trees added to the raw score."""
    leaves = np.asarray(booster.predict(features, num_threads=1, pred_leaf=True), np.int64).reshape(len(features), -1)
    out = np.zeros((len(features), len(DRIVERS)))
    for k, tree in enumerate(booster.dump_model()["tree_info"]):
        left, right, asked, value, leaf = _flat(tree["tree_structure"])
        out += path_effects(left, right, asked, value, index)[leaf[leaves[:, k]]]
    return out


def _flat(root: dict[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Floats, Any]:
    """A dumped tree as arrays: children, feature asked and value per node, the root first; node of each leaf."""
    nodes: list[dict[str, Any]] = [root]
    children: list[tuple[int, int]] = []
    at = 0
    while at < len(nodes):
        inner = "left_child" in nodes[at]
        children.append((len(nodes), len(nodes) + 1) if inner else (-1, -1))
        nodes += [nodes[at]["left_child"], nodes[at]["right_child"]] if inner else []
        at += 1
    left, right = np.array(children, np.int64).T
    asked = np.array([node.get("split_feature", -2) for node in nodes], np.int64)
    value = np.array([node["internal_value"] if "left_child" in node else node["leaf_value"] for node in nodes])
    place = {node.get("leaf_index", 0): k for k, node in enumerate(nodes) if "left_child" not in node}
    return left, right, asked, value, np.array([place[k] for k in range(len(place))], np.int64)
