"""Coherent forecasts: series and the nodes above them (store, category, ...) say the same, and nothing is negative.

A node is a set of series. With base forecasts b of the series and a of the nodes, A the membership (nodes by
series), the incoherence is r = a - A b. Minimum-trace reconciliation moves series by what their own errors
allow: y = y^ - W C' (C W C')^-1 C y^ with C = [I, -A]. The errors' covariance W is shrunk to its diagonal, so
it is a diagonal plus as many columns as there are error vectors, and everything that couples series are sums over
the nodes' members: no matrix has a row and a column per series. A series then only needs its own errors and the
nodes' multipliers. Source: Wickramasuriya, Athanasopoulos, Hyndman (2019), JASA 114; Schafer and Strimmer
(2005) for the shrinkage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Method = Literal["bottom_up", "top_down", "mint_shrink"]


@dataclass(frozen=True)
class Sums:
    """What the nodes' members add up to; a distributed run brings these together and nothing else.

    Attributes:
        total: (n_nodes, horizon) series' forecasts, units.
        variance: (n_nodes, n_nodes) variances of series that are members of both nodes, units^2.
        errors: (n_nodes, n_errors) series' errors on past folds, units.
    """

    total: Floats
    variance: Floats
    errors: Floats


@dataclass(frozen=True)
class Nodes:
    """Base forecasts of the nodes themselves.

    Attributes:
        mean: (n_nodes, horizon) units.
        errors: (n_nodes, n_errors) their errors in the same places as the series' errors, units.
    """

    mean: Floats
    errors: Floats


@dataclass(frozen=True)
class Multipliers:
    """What a series needs to know of the others.

    Attributes:
        node: (n_nodes, horizon) of the nodes' constraints.
        error: (n_errors, horizon) of the error vectors; zero where W is diagonal.
        shrinkage: weight of the diagonal in W, 0 to 1.
    """

    node: Floats
    error: Floats
    shrinkage: float


def sums(bottom: Floats, member: NDArray[np.bool_], variance: Floats, errors: Floats) -> Sums:
    """The sums of series held in memory.

    Args:
        bottom: (n_series, horizon) units.
        member: (n_nodes, n_series).
        variance: (n_series,) units^2.
        errors: (n_series, n_errors) units.
    """
    a = member.astype(np.float64)
    return Sums(a @ bottom, (a * variance) @ a.T, a @ errors)


def multipliers(found: Sums, nodes: Nodes) -> Multipliers:
    """Solve the nodes' system; its size is the number of nodes, whatever the number of series."""
    n_errors = max(nodes.errors.shape[1], 1)
    own = np.maximum((nodes.errors**2).mean(axis=1) if nodes.errors.size else np.zeros(len(nodes.mean)), 1e-9)
    shrinkage = shrink(nodes.errors)
    gap_errors = nodes.errors - found.errors
    gap = shrinkage * (np.diag(own) + found.variance) + (1 - shrinkage) * gap_errors @ gap_errors.T / n_errors
    # nodes that hold the same series are one constraint twice: the least solution does
    node = np.linalg.lstsq(gap, nodes.mean - found.total, rcond=1e-10)[0]
    return Multipliers(node, (1 - shrinkage) * gap_errors.T @ node / n_errors, shrinkage)


def adjusted(bottom: Floats, variance: Floats, errors: Floats, above: Floats, found: Multipliers) -> Floats:
    """Reconciled forecasts of series, each from its own numbers alone; never negative.

    Args:
        bottom: (n_series, horizon) units.
        variance: (n_series,) units^2.
        errors: (n_series, n_errors) units.
        above: (n_series, horizon) sum of the node multipliers of each series' nodes.
        found: from `multipliers`.
    """
    moved = found.shrinkage * variance[:, None] * above - errors @ found.error
    return np.asarray(np.maximum(bottom + moved, 0.0))


def shrink(errors: Floats) -> float:
    """Weight of the diagonal in a covariance of few observations of many variables, 0 to 1.

    Args:
        errors: (n_variables, n_observations).

    >>> shrink(np.zeros((3, 1)))
    1.0
    """
    n = errors.shape[1]
    sd = np.sqrt((errors**2).mean(axis=1)) if n else np.zeros(len(errors))
    if n < 3 or (sd > 0).sum() < 2:
        return 1.0
    scaled = errors[sd > 0] / sd[sd > 0, None]
    correlation = scaled @ scaled.T / n
    # variance of each correlation: spread of the products over the observations
    noise = ((scaled**2) @ (scaled**2).T / n - correlation**2) / (n - 1)
    off = ~np.eye(len(scaled), dtype=bool)
    signal = float((correlation[off] ** 2).sum())
    return float(np.clip(noise[off].sum() / signal, 0.0, 1.0)) if signal > 0 else 1.0


def reconcile(
    bottom: Floats, member: NDArray[np.bool_], nodes: Nodes, variance: Floats, errors: Floats, method: Method
) -> tuple[Floats, Floats]:
    """Reconcile series held in memory, by the same steps that a distributed run takes.

    Args:
        bottom: (n_series, horizon) base forecasts, units.
        member: (n_nodes, n_series); for top_down node 0 holds all series.
        nodes: base forecasts of the nodes; not read for bottom_up.
        variance, errors: (n_series,) and (n_series, n_errors) of the series' past errors; for mint_shrink.
        method: bottom_up adds, top_down spreads the first node's forecast, mint_shrink weighs all of them.

    Returns: (n_series, horizon) and (n_nodes, horizon) units; nodes are the exact sums of their members.
    """
    a = member.astype(np.float64)
    out = bottom
    if method == "top_down":
        out = bottom * factor(a[0] @ bottom, nodes.mean[0])
    elif method == "mint_shrink":
        found = multipliers(sums(bottom, member, variance, errors), nodes)
        out = adjusted(bottom, variance, errors, a.T @ found.node, found)
    return out, a @ out


def factor(total: Floats, wanted: Floats) -> Floats:
    """What every series is multiplied by so that the total is the one wanted; 1 where there is nothing to spread."""
    return np.asarray(np.where(total > 0, np.maximum(wanted, 0.0) / np.where(total > 0, total, 1.0), 1.0))


def spread_around(mean: Floats, errors: Floats, levels: NDArray[np.float64]) -> Floats:
    """Quantiles of nodes from the errors that their members' sums made on past folds.

    Args:
        mean: (n_nodes, horizon) units.
        errors: (n_nodes, n_errors) actual - forecast of the sum, units; all steps alike.
        levels: (n_levels,).

    Returns: (n_nodes, horizon, n_levels) units, non-decreasing, never negative.
    """
    if errors.shape[1] == 0:
        return np.repeat(mean[:, :, None], len(levels), axis=2)
    around = np.quantile(errors, levels, axis=1, method="hazen").T
    return np.asarray(np.maximum(mean[:, :, None] + around[:, None, :], 0.0))


def temporal(mean: Floats, bucket: NDArray[np.int64]) -> Floats:
    """(n, n_buckets) sums of (n, horizon) over buckets of steps, so that a week is the sum of its days.

    >>> temporal(np.array([[1.0, 2.0, 4.0]]), np.array([0, 0, 1])).tolist()
    [[3.0, 4.0]]
    """
    return np.asarray(mean @ np.eye(int(bucket.max()) + 1)[bucket])
