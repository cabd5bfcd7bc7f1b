"""The replenishment policies that a configuration can name."""

from __future__ import annotations

from typing import Any

from parlevel.domain.replenish.base import Policy
from parlevel.registry import resolve

POLICIES: dict[str, str] = {
    "min_max": "parlevel.domain.replenish.policies.min_max:MinMax",
    "optimal": "parlevel.domain.replenish.policies.optimal:Optimal",
    "base_stock": "parlevel.domain.replenish.policies.base_stock:BaseStock",
    "newsvendor": "parlevel.domain.replenish.policies.newsvendor:Newsvendor",
    "safety_stock_csl": "parlevel.domain.replenish.policies.safety_stock:SafetyStockCsl",
    "safety_stock_fill_rate": "parlevel.domain.replenish.policies.safety_stock:SafetyStockFillRate",
    "s_S": "parlevel.domain.replenish.policies.ss:MinMaxOnForecast",
    "r_Q": "parlevel.domain.replenish.policies.rq:ReorderPoint",
    "eoq": "parlevel.domain.replenish.policies.eoq:EconomicOrderQuantity",
    "wagner_whitin": "parlevel.domain.replenish.policies.wagner_whitin:WagnerWhitin",
}

OPTIMAL = "optimal"
"""The policy that plans the items of a group together."""

AUTO = "auto"
"""In place of a policy: each series has the policy that cost its segment least after past cutoffs."""


def policy(name: str, **parameters: Any) -> Policy:
    """A new policy of that name.

    Raises:
        RegistryError: unknown name.
    """
    found: Policy = resolve("policy", POLICIES, name)(**parameters)
    return found
