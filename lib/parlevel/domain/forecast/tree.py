"""One decision tree on the design matrix, stored as plain arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.drivers import path_effects
from parlevel.domain.forecast.pooled import Pooled
from parlevel.domain.forecast.tabular import Rows

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Nodes:
    """A binary tree; each array has one entry per node, the root first.

    Attributes:
        left, right: child for feature <= threshold, and the other; -1 in leaves.
        feature: position of the feature asked.
        threshold: its bound.
        value: mean target of the rows in the node.
        gain: reduction of the squared error by the node's question, in row weights.
    """

    left: Ints
    right: Ints
    feature: Ints
    threshold: Floats
    value: Floats
    gain: Floats


class Tree(Pooled):
    """A regression tree of demand / scale: the one model here that fits on a page.

    Source: Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees.

    Args (beside those of `pooled.ROWS`):
        depth: questions on a path at most.
        min_leaf: rows of a leaf at least; less where there are few rows.
    """

    format: ClassVar[str] = "json"
    name: ClassVar[str] = "tree"
    refit: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {"max_rows": 60_000, "depth": 9, "min_leaf": 100}
    tunable: ClassVar[dict[str, tuple[Any, ...]]] = {
        "depth": (6, 9, 12),
        "min_leaf": (30, 100, 300),
        "years": (1.0, 2.0, 4.0),
        "recency": (0.5, 1.0, 2.0),
    }

    def learn(self, rows: Rows, seed: int) -> Nodes:
        """Grow the tree on the weighted rows."""
        from sklearn.tree import DecisionTreeRegressor

        grown = DecisionTreeRegressor(
            max_depth=self.parameters["depth"],
            min_samples_leaf=int(min(self.parameters["min_leaf"], max(1, len(rows.target) // 10))),
            random_state=seed,
        ).fit(rows.features, rows.target, sample_weight=rows.weight)
        tree = grown.tree_
        loss = tree.impurity * tree.weighted_n_node_samples
        inner = tree.children_left >= 0
        gain = np.where(inner, loss - loss[tree.children_left] - loss[tree.children_right], 0.0)
        return Nodes(
            tree.children_left, tree.children_right, tree.feature, tree.threshold, tree.value[:, 0, 0].copy(), gain
        )

    def apply(self, member: Nodes, features: Floats) -> Floats:
        """Expected demand / scale, (m,)."""
        return member.value[descend(member, features)]

    def attribute(self, member: Nodes, features: Floats, index: Ints) -> Floats:
        """What each question on the way to the leaf added; see `Pooled.attribute`."""
        effects = path_effects(member.left, member.right, member.feature, member.value, index)
        return effects[descend(member, features)]

    def to_bytes(self) -> bytes:
        """Everything as JSON."""
        members = [{name: array.tolist() for name, array in vars(m).items()} for m in self.members]
        return json.dumps({**self.about(), "members": members}).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """The model that `to_bytes` wrote."""
        content = json.loads(payload)
        model = cls.from_about(content)
        model.members = [Nodes(**{name: np.asarray(v) for name, v in m.items()}) for m in content["members"]]
        return model

    def describe(self) -> dict[str, Any]:
        """Hyperparameters, features, importances and leaves."""
        gain = np.zeros(len(self.features))
        for m in self.members:
            inner = m.left >= 0
            np.add.at(gain, m.feature[inner], m.gain[inner])
        shares = gain / max(gain.sum(), 1e-12)
        return {
            **super().describe(),
            "importances": {name: round(float(share), 6) for name, share in zip(self.features, shares, strict=True)},
            "leaves": sum(int((m.left < 0).sum()) for m in self.members),
        }


def descend(nodes: Nodes, features: Floats) -> Ints:
    """(m,) leaf that each row of (m, n_features) falls into; all rows go down one level at a time."""
    at = np.zeros(len(features), np.int64)
    rows = np.arange(len(features))
    while len(rows):
        here = at[rows]
        inner = nodes.left[here] >= 0
        rows, here = rows[inner], here[inner]
        goes_left = features[rows, nodes.feature[here]] <= nodes.threshold[here]
        at[rows] = np.where(goes_left, nodes.left[here], nodes.right[here])
    return at
