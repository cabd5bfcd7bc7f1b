"""Losses of one fold's forecasts, as the choice of models needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.forecast.decision import decision_cost
from parlevel.domain.forecast.quantiles import blend, to_levels
from parlevel.domain.stakes import Stakes

Floats = NDArray[np.floating]

LOSSES: dict[str, str] = {
    "wape": "wape",
    "rmsse": "rmsse",
    "mase": "mase",
    "pinball": "wql",
    "decision_cost": "decision_cost",
}
"""`train.loss` -> the metric that the choice minimises (pinball: pooled, as a share of demand)."""

INTERVALS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Backtest:
    """One model's forecasts at one past cutoff, beside what came.

    Attributes:
        fold: 0 is the oldest.
        cutoff: period index.
        mean: (n, horizon) units; NaN rows where the model had no forecast.
        quantiles: (n, horizon, n_levels) units.
        actual, available: (n, horizon).
        spread: (n,) units at that cutoff; see `calibrate.spread`.
        naive_mae, naive_mse: (n,) units and units^2; see `folds.naive_errors`.
        seconds: fit and predict.
        stakes: what orders are decided by; None: no decision is judged.
    """

    fold: int
    cutoff: int
    mean: Floats
    quantiles: Floats
    actual: Floats
    available: NDArray[np.bool_]
    spread: Floats
    naive_mae: Floats
    naive_mse: Floats
    seconds: float = 0.0
    stakes: Stakes | None = None


def combine(parts: Mapping[str, Backtest], weights: Mapping[str, float]) -> Backtest:
    """The forecast of a blend at one cutoff."""
    used = [parts[name] for name in weights]
    shares = list(weights.values())
    if len(used) == 1:
        return used[0]
    return replace(
        used[0],
        mean=blend([part.mean for part in used], shares),
        quantiles=blend([part.quantiles for part in used], shares),
        seconds=sum(part.seconds for part in used),
    )


def metrics(result: Backtest, levels: NDArray[np.float64], coverage: bool = True) -> dict[str, float]:
    """Losses of one fold; a metric whose denominator is zero is left out, and coverage where it is not asked for.

    Returns: wape, bias, wql (pooled over cells, as shares of demand), mae, pinball_loss (units per cell), mase,
        rmsse, scaled_pinball (per series, then averaged), coverage_50, coverage_80, coverage_95; decision_cost (money
        per series and period) where it is known what is at stake.
    """
    scored = result.available & ~np.isnan(result.mean) & ~np.isnan(result.actual)
    if not scored.any():
        return {}
    error = np.where(scored, result.mean - result.actual, 0.0).astype(np.float64)
    short = np.where(scored[:, :, None], result.actual[:, :, None] - result.quantiles, 0.0)
    pinball = np.maximum(levels * short, (levels - 1) * short).mean(axis=2)
    units, n = float(np.abs(result.actual[scored]).sum()), int(scored.sum())
    out = {"mae": float(np.abs(error).sum()) / n, "pinball_loss": float(pinball.sum()) / n}
    if units > 0:
        out["wape"], out["bias"] = float(np.abs(error).sum()) / units, float(error.sum()) / units
        out["wql"] = 2 * float(pinball.sum()) / units
    count = scored.sum(axis=1)
    out |= _scaled("mase", np.abs(error).sum(axis=1), count, result.naive_mae)
    out |= _scaled("scaled_pinball", pinball.sum(axis=1), count, result.naive_mae)
    out |= _scaled("rmsse", (error**2).sum(axis=1), count, result.naive_mse, root=True)
    if result.stakes:
        cost = decision_cost(result.mean, result.quantiles, result.actual, scored, levels, result.stakes)
        out |= {"decision_cost": cost} if np.isfinite(cost) else {}
    return out | _coverage(result, levels, scored) if coverage else out


def loss_of(found: list[dict[str, float]], loss: str) -> float:
    """Mean over folds of the metric that `train.loss` names; infinite where no fold could be scored.

    Where a share of demand is not defined (nothing was sold), units per period stand in, and pinball loss for a cost
    of decisions without terms to decide by.
    """
    plain = {"wape": "mae", "wql": "pinball_loss", "mase": "mae", "rmsse": "mae", "decision_cost": "pinball_loss"}
    name = LOSSES[loss]
    if not all(name in each for each in found):
        name = plain[name]
    values = [each[name] for each in found if name in each]
    return float(np.mean(values)) if values else float("inf")


def _scaled(name: str, total: Floats, count: Floats, scale: Floats, root: bool = False) -> dict[str, float]:
    use = (count > 0) & (scale > 0)
    if not use.any():
        return {}
    ratio = total[use] / count[use] / scale[use]
    return {name: float(np.mean(np.sqrt(ratio) if root else ratio))}


def _coverage(result: Backtest, levels: NDArray[np.float64], scored: NDArray[np.bool_]) -> dict[str, float]:
    wanted = np.array([[(1 - width) / 2, (1 + width) / 2] for width in INTERVALS]).reshape(-1)
    if wanted.min() < levels[0] - 1e-9 or wanted.max() > levels[-1] + 1e-9:
        wanted = np.clip(wanted, levels[0], levels[-1])
    ends = to_levels(result.quantiles[scored], levels, wanted)
    actual = result.actual[scored]
    # a hair of tolerance: a quantile of exactly 0 must cover a demand of exactly 0 after interpolation
    inside = (actual[:, None] >= ends[:, 0::2] - 1e-6) & (actual[:, None] <= ends[:, 1::2] + 1e-6)
    return {f"coverage_{round(100 * width)}": float(inside[:, k].mean()) for k, width in enumerate(INTERVALS)}
