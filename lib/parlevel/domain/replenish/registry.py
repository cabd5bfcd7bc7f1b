"""The replenishment policies that a configuration can name."""

from __future__ import annotations

from typing import Any

from parlevel.domain.replenish.base import Policy
from parlevel.registry import resolve

POLICIES: dict[str, str] = {
    "min_max": "parlevel.domain.replenish.policies.min_max:MinMax",
    "optimal": "parlevel.domain.replenish.policies.optimal:Optimal",
}


def policy(name: str, **parameters: Any) -> Policy:
    """A new policy of that name.

    Raises:
        RegistryError: unknown name.
    """
    found: Policy = resolve("policy", POLICIES, name)(**parameters)
    return found
