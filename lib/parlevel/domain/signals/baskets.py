"""What baskets say about pairs of products: which are bought together, which instead of each other.

Complements share far more baskets than chance gives, substitutes of one kind of goods far fewer. All from counts, so
that every number can be checked by hand.
Source: Agrawal, Imielinski & Swami (1993), "Mining association rules between sets of items in large databases", for
support and confidence; Brin, Motwani, Ullman & Tsur (1997), "Dynamic itemset counting and implication rules for market
basket data", for lift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parlevel.domain.replenish.base import Bools, Floats

COMPLEMENT, SUBSTITUTE, NEITHER = "complement", "substitute", ""


@dataclass(frozen=True)
class Rules:
    """When counts say something.

    Attributes:
        min_together: baskets with both products, seen (complements) or expected by chance (substitutes).
        min_lift: lift from which on a pair is complementary, > 1.
        max_lift: lift up to which a pair of one kind of goods is a substitute, < 1.
    """

    min_together: int = 30
    min_lift: float = 1.5
    max_lift: float = 0.5


@dataclass(frozen=True)
class Pairs:
    """m ordered pairs (product, other), as counts of baskets.

    Attributes:
        together: (m,) baskets with both.
        product: (m,) baskets with the product.
        other: (m,) baskets with the other one.
        alike: (m,) whether both are of one kind of goods (a department).
        baskets: all baskets.
    """

    together: Floats
    product: Floats
    other: Floats
    alike: Bools
    baskets: float

    @property
    def support(self) -> Floats:
        """(m,) share of all baskets that hold both."""
        return self.together / self.baskets

    @property
    def confidence(self) -> Floats:
        """(m,) share of the product's baskets that hold the other one."""
        return self.together / self.product

    @property
    def chance(self) -> Floats:
        """(m,) share of all baskets that hold the other one: the confidence of products that ignore each other."""
        return self.other / self.baskets

    @property
    def lift(self) -> Floats:
        """(m,) confidence / chance; 1: the two ignore each other."""
        return self.confidence / self.chance

    def kinds(self, rules: Rules) -> NDArray[np.object_]:
        """(m,) complement, substitute or empty.

        >>> pair = lambda both: Pairs(np.array([both]), np.array([200.0]), np.array([300.0]), np.array([True]), 1000.0)
        >>> [pair(both).kinds(Rules())[0] for both in (120.0, 60.0, 12.0)]
        ['complement', '', 'substitute']
        """
        expected = self.chance * self.product
        more = (self.together >= rules.min_together) & (self.lift >= rules.min_lift)
        fewer = self.alike & (expected >= rules.min_together) & (self.lift <= rules.max_lift)
        return np.where(more, COMPLEMENT, np.where(fewer, SUBSTITUTE, NEITHER)).astype(object)

    def attached(self) -> Floats:
        """(m,) units of the other one that a basket with the product holds beyond chance, at one unit a basket."""
        return np.maximum(self.confidence - self.chance, 0.0)
