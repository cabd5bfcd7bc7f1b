"""A chain of stages, one feeding the next: echelon base-stock levels of least expected cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.signal import fftconvolve

from parlevel.domain.replenish.textbook.newsvendor import Floats


@dataclass(frozen=True)
class Chain:
    """`levels` (N,) echelon base-stock levels, stage 1 (next to the customer) first, units; money / period `cost`."""

    levels: tuple[float, ...]
    cost: float


@dataclass(frozen=True)
class Grid:
    """A distribution on a grid: P(first + i step) = probability[i]."""

    first: float
    step: float
    probability: Floats


def serial_system(echelon_holding: Sequence[float], stockout_cost: float, demand: Sequence[Grid]) -> Chain:
    """Clark and Scarf's decomposition: one stage after the other, upstream stages pay for what they cannot send.

    C_j(y) = E[h_j (y - D_j) + C_{j-1}(min(S_{j-1}, y - D_j))], C_0(x) = (p + sum h) max(-x, 0); S_j minimises C_j.

    Args:
        echelon_holding: (N,) h_j, stage 1 first, money / unit / period.
        stockout_cost: p, money / unit / period late at stage 1.
        demand: (N,) demand over each stage's lead time, all on grids of one step.

    Source: Clark & Scarf (1960), Management Science 6; Chen & Zheng (1994); Snyder & Shen eqs. 6.16-6.18.
    """
    step = demand[0].step
    reach = sum(grid.first + len(grid.probability) * step for grid in demand)
    x = step * np.arange(-int(np.ceil(reach / step)), int(np.ceil(reach / step)) + 1)
    passed = (stockout_cost + sum(echelon_holding)) * np.maximum(-x, 0.0)
    levels, cost = [], 0.0
    for holding, grid in zip(echelon_holding, demand, strict=True):
        expected = _expected(holding * x + passed, grid)
        best = int(expected.argmin())
        levels.append(float(x[best]))
        cost = float(expected[best])
        passed = expected[np.minimum(np.arange(len(x)), best)]
    return Chain(tuple(levels), cost)


def serial_heuristic(
    echelon_holding: Sequence[float], stockout_cost: float, demand: Sequence[stats.distributions.rv_frozen]
) -> tuple[float, ...]:
    """Echelon base-stock levels as means of two newsvendor bounds, stage 1 first.

    Args:
        echelon_holding, stockout_cost: as in `serial_system`.
        demand: (N,) demand over the lead times of stages 1 to j together.

    Source: Shang & Song (2003), Management Science 49.
    """
    levels, total = [], sum(echelon_holding)
    for j, distribution in enumerate(demand):
        upstream = stockout_cost + sum(echelon_holding[j + 1 :])
        bounds = upstream / (stockout_cost + total), upstream / (upstream + echelon_holding[j])
        levels.append(sum(float(distribution.ppf(ratio)) for ratio in bounds) / 2)
    return tuple(levels)


def poisson_grid(mean: float) -> Grid:
    """Poisson demand up to a tail of 1e-14."""
    return Grid(0.0, 1.0, stats.poisson.pmf(np.arange(int(stats.poisson.isf(1e-14, mean)) + 2), mean))


def normal_grid(mean: float, sd: float, step: float) -> Grid:
    """Normal demand, eight standard deviations each way, as cells of width `step` around multiples of it."""
    cells = np.arange(int(np.floor((mean - 8 * sd) / step)), int(np.ceil((mean + 8 * sd) / step)) + 1)
    edges = stats.norm.cdf((np.append(cells, cells[-1] + 1) - 0.5) * step, mean, sd)
    mass = np.diff(edges)
    return Grid(float(cells[0]) * step, step, mass / mass.sum())


def _expected(cost: Floats, grid: Grid) -> Floats:
    """E cost(x - D) on the grid of x; beyond its ends cost goes on as a straight line."""
    shift = round(grid.first / grid.step)
    pad = len(grid.probability) + abs(shift)
    steps = np.arange(1, pad + 1)
    left = cost[0] - (cost[1] - cost[0]) * steps[::-1]
    right = cost[-1] + (cost[-1] - cost[-2]) * steps
    long = np.concatenate([left, cost, right])
    # Values far from zero would drown the result of an FFT; take them off and put them back.
    base = float(cost.min())
    mixed = (
        fftconvolve(long - base, grid.probability, mode="full")
        if len(grid.probability) > 2000
        else np.convolve(long - base, grid.probability)
    )
    return np.asarray(mixed[pad - shift : pad - shift + len(cost)] + base, np.float64)
