"""Prune a grown tree: small subtrees become leaves that hold the mixture of what was below them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def prune(tree: Any, values: Floats, least: float) -> tuple[Any, Floats]:
    """A tree that asks no question of fewer than `least` rows.

    Args:
        tree: scikit-learn's `Tree`.
        values: (n_nodes, 1 + k) mean and k evenly spaced quantiles of each leaf; inner nodes hold zeros.
        least: training rows; what lies below a node with fewer is merged into one leaf.

    Returns: a new tree and its (n_kept, 1 + k) values.
    """
    state = tree.__getstate__()
    left, right, rows = tree.children_left, tree.children_right, tree.weighted_n_node_samples
    inner = left >= 0
    cut = inner & (rows < least)
    kept = np.zeros(len(left), bool)
    merged = values.copy()
    todo = [0]
    while todo:
        node = todo.pop()
        kept[node] = True
        if cut[node]:
            below = _leaves(node, left, right)
            merged[node] = mixed(values[below], rows[below])
        elif inner[node]:
            todo += [left[node], right[node]]
    place = np.cumsum(kept) - 1
    # a copy would leave what lies in memory between the fields, and the model's bytes would be others every time
    nodes = np.zeros(int(kept.sum()), state["nodes"].dtype)
    for name in nodes.dtype.names or ():
        nodes[name] = state["nodes"][name][kept]
    ends = (nodes["left_child"] < 0) | cut[kept]
    for name in ("left_child", "right_child"):
        nodes[name] = np.where(ends, -1, place[nodes[name]])
    nodes["feature"] = np.where(ends, -2, nodes["feature"])
    nodes["threshold"] = np.where(ends, -2.0, nodes["threshold"])
    small = type(tree)(tree.n_features, np.asarray(tree.n_classes, np.intp), tree.n_outputs)
    small.__setstate__(
        {**state, "node_count": int(kept.sum()), "nodes": nodes, "values": np.ascontiguousarray(state["values"][kept])}
    )
    return small, merged[kept]


def mixed(values: Floats, weight: Floats) -> Floats:
    """Mean and evenly spaced quantiles of a weighted mixture of leaves.

    >>> mixed(np.array([[1.0, 0.0, 2.0], [3.0, 2.0, 4.0]]), np.array([1.0, 1.0])).tolist()
    [2.0, 1.0, 3.0]
    """
    k = values.shape[1] - 1
    atoms = values[:, 1:].reshape(-1)
    mass = np.repeat(weight / weight.sum() / k, k)
    order = np.argsort(atoms, kind="stable")
    reached = np.cumsum(mass[order]) - mass[order] / 2
    quantiles = np.interp((np.arange(k) + 0.5) / k, reached, atoms[order])
    return np.concatenate([[float(values[:, 0] @ weight / weight.sum())], quantiles]).astype(values.dtype)


def _leaves(node: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    out, todo = [], [node]
    while todo:
        at = todo.pop()
        if left[at] < 0:
            out.append(at)
        else:
            todo += [left[at], right[at]]
    return np.array(out, np.int64)
