"""Packed rows of the replenish stage for tests: one plain item, anything of it set by name."""

from __future__ import annotations

from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.solvers.outcome import Effort

HORIZON = 6
CUTOFF = 19813  # 2024-03-31
LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]


def item(name: str, mean: float | list[float] = 4.0, **given: object) -> dict[str, object]:
    """A row of `PACKED`."""
    path = [mean] * HORIZON if isinstance(mean, float) else mean
    plain = {
        "series_id": name, "product_id": f"p{name}", "location_id": "store", "supplier_id": "maker",
        "solve_group": "maker @ store", "content_key": name, "assumed": False, "cutoff_index": CUTOFF,
        "missing": None, "mean": path, "levels": LEVELS,
        "quantiles": [max(0.0, m + d) for m in path for d in (-2, -1, 0, 1, 2)], "path_correlation": 0.1,
        "history": [path[0]] * 30, "on_hand": 6.0, "backorders": 0.0, "due_steps": [], "due_qty": [],
        "lead_time_sd": 0.0, "min_order_qty": 0.0, "case_pack": 6.0, "max_stock": None, "min_stock": 0.0,
        "unit_cost": 2.0, "unit_price": 3.0, "holding_cost": 0.05, "shortage_cost": 3.0, "backorder_cost": None,
        "order_cost": 0.5, "target": 0.95, "unit_weight": 1.0, "unit_volume": 1.0, "lead_time": 1,
        "review_period": 2, "shelf_life": None,
    }  # fmt: skip
    return {**plain, **given}


def job(**given: object) -> Job:
    """What groups share: a horizon of `HORIZON` days after `CUTOFF`."""
    return Job(CUTOFF, "day", Settings(HORIZON, 7, n_paths=32), Effort(), **given)
