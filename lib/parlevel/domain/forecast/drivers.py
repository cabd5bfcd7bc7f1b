"""Why a forecast is what it is: its mean split over drivers that a planner knows, in units.

Every explanation adds up: the level plus the effects of the other drivers is the model's mean. Trees are
followed from the root to the leaf, boosters give TreeSHAP values, other models are asked what changes when
one driver after the other is put to what is usual.
Source: Lundberg et al. (2020), Nature Machine Intelligence 2 (TreeSHAP); Saabas (2014) for the paths; Ang (2005),
Energy Policy 33, for additive effects of factors that multiply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.panel import Panel

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

LEVEL = "sales level"
"""What the series sold of late, before anything else is looked at; all other drivers add to it or take from it."""

SIMILAR = "similar items"

DRIVERS: tuple[str, ...] = (
    LEVEL, "recent sales", "season", "promotion", "price", "holidays and events", "availability", "age",
    "product and place", "time ahead", SIMILAR,
)  # fmt: skip

PREFIXES: tuple[tuple[str, str], ...] = (
    ("promo", "promotion"),
    ("regular_mean", "promotion"),
    ("price", "price"),
    ("discount", "price"),
    ("log_price", "price"),
    ("holiday", "holidays and events"),
    ("event", "holidays and events"),
    ("benefit", "holidays and events"),
    ("open", "holidays and events"),
    ("available_share", "availability"),
    ("age", "age"),
    ("step", "time ahead"),
    ("same_", "season"),
    ("year_", "season"),
    ("weekday_", "season"),
    ("month", "season"),
    ("week_of_year", "season"),
    ("day_of_month", "season"),
    ("dow", "season"),
)
"""Beginnings of feature names and the driver that they belong to; what is left tells of recent sales."""

N_STEPS = 7
"""Steps that an explanation looks at: spread over the horizon, every weekday among them in four weeks."""


@runtime_checkable
class Explains(Protocol):
    """A forecaster that can split its mean over drivers."""

    def explain(self, steps: Ints, panel: Panel) -> Floats:
        """(n_series, n_steps, len(DRIVERS)) units per period, adding up to `predict_mean` at those steps."""
        ...


def steps_of(horizon: int) -> Ints:
    """The steps that are explained, evenly spread from 1 on.

    >>> steps_of(28).tolist()
    [1, 5, 9, 13, 17, 21, 25]
    """
    n = min(N_STEPS, horizon)
    return 1 + np.arange(n, dtype=np.int64) * (horizon // n)


def driver_of(feature: str) -> str:
    """The driver that a feature belongs to.

    >>> driver_of("same_weekday_mean_8"), driver_of("lag_1"), driver_of("brand_code")
    ('season', 'recent sales', 'product and place')
    """
    if feature.endswith("_code"):
        return "product and place"
    return next((driver for begin, driver in PREFIXES if feature.startswith(begin)), "recent sales")


def index_of(features: Sequence[str]) -> Ints:
    """(n_features,) position in DRIVERS of each feature."""
    return np.array([DRIVERS.index(driver_of(name)) for name in features], np.int64)


def path_effects(left: Ints, right: Ints, feature: Ints, value: Floats, index: Ints) -> Floats:
    """What each driver added on the way from the root to each node of a tree.

    Args:
        left, right: (n_nodes,) children, -1 in leaves; the root is node 0.
        feature: (n_nodes,) feature asked.
        value: (n_nodes,) prediction in each node.
        index: (n_features,) from `index_of`.

    Returns: (n_nodes, len(DRIVERS)); the row of a leaf adds up to its value, the root's value standing as LEVEL.
    """
    out = np.zeros((len(value), len(DRIVERS)))
    out[0, 0] = value[0]
    for parents in levels_of(left, right):
        for child in (left[parents], right[parents]):
            out[child] = out[parents]
            out[child, index[feature[parents]]] += value[child] - value[parents]
    return out


def inner_values(left: Ints, right: Ints, leaf_value: Floats, weight: Floats) -> Floats:
    """(n_nodes,) weighted mean of the leaves below each node, for trees whose inner nodes hold no value.

    Args:
        left, right: (n_nodes,) children, -1 in leaves.
        leaf_value: (n_nodes,) of the leaves; other entries are not read.
        weight: (n_nodes,) >= 0 of the leaves.
    """
    leaf = left < 0
    mass = np.where(leaf, weight, 0.0)
    total = np.where(leaf, weight * leaf_value, 0.0)
    for parents in reversed(levels_of(left, right)):
        mass[parents] = mass[left[parents]] + mass[right[parents]]
        total[parents] = total[left[parents]] + total[right[parents]]
    mean = np.divide(total, mass, out=np.zeros_like(total), where=mass > 0)
    return np.where(leaf, leaf_value, mean)


def levels_of(left: Ints, right: Ints) -> list[Ints]:
    """Inner nodes of a tree, one array per depth, the root's first."""
    out: list[Ints] = []
    at = np.zeros(1, np.int64)
    while True:
        at = at[left[at] >= 0]
        if not len(at):
            return out
        out.append(at)
        at = np.concatenate([left[at], right[at]])


def multiplied(log_effects: Floats) -> Floats:
    """Additive effects of factors that multiply, exact by the logarithmic mean.

    Args:
        log_effects: (m, len(DRIVERS)) logarithms of factors; the first one is the level.

    Returns: (m, len(DRIVERS)); a row adds up to exp(its sum); the first entry is exp(first).
    """
    total = log_effects.sum(axis=1)
    base = np.exp(log_effects[:, 0])
    moved = total - log_effects[:, 0]
    safe = np.where(np.abs(moved) > 1e-9, moved, 1.0)
    weight = np.where(np.abs(moved) > 1e-9, (np.exp(total) - base) / safe, base)
    out = log_effects * weight[:, None]
    out[:, 0] = base
    return out


def switched(predict: Callable[[list[int]], Floats], present: Sequence[int]) -> Floats:
    """Effects of drivers switched from usual to actual, averaged over two opposite orders.

    Args:
        predict: expected demand, any shape, with the drivers at these positions actual and the others usual.
        present: positions in DRIVERS that the model looks at.

    Returns: shape + (len(DRIVERS),), adding up to the prediction with all of them actual.
    """
    base, everything = predict([]), predict(list(present))
    out = np.zeros((*base.shape, len(DRIVERS)))
    out[..., 0] = base
    for order in (list(present), list(present)[::-1]):
        before = base
        for k, driver in enumerate(order, 1):
            after = everything if k == len(order) else predict(order[:k])
            out[..., driver] += (after - before) / 2
            before = after
    return out


def in_units(ratio: Floats, scale: Floats, level: Floats) -> Floats:
    """Effects on demand / scale as units; what the scale has beyond the series' level is season.

    Args:
        ratio: (m, len(DRIVERS)).
        scale, level: (m,) units.
    """
    out = ratio * scale[:, None]
    season = ratio[:, 0] * (scale - level)
    out[:, 0] -= season
    out[:, DRIVERS.index("season")] += season
    return np.asarray(out)


def plain(mean: Floats, driver: str = LEVEL) -> Floats:
    """All of a mean put down to one driver: models that look at nothing but past sales."""
    out = np.zeros((*mean.shape, len(DRIVERS)))
    out[..., DRIVERS.index(driver)] = mean
    return out
