"""In which order places are planned: from the stores up, so that what they order is known where they order it."""

from __future__ import annotations

from collections.abc import Iterable

from parlevel.domain.replenish.network.model import Lane, Network, Node


def place_levels(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Height of each place: 0 where it supplies nobody, else one more than the highest place that it supplies.

    Args:
        pairs: (source, target) places; repeated pairs count once.

    Raises:
        DataError: goods run in a circle.

    >>> place_levels([("plant", "dc"), ("dc", "s1"), ("dc", "s2")])
    {'dc': 1, 'plant': 2, 's1': 0, 's2': 0}
    """
    known = sorted(set(pairs))
    names = sorted({name for pair in known for name in pair})
    network = Network([Node(name) for name in names], [Lane(*pair) for pair in known])
    height = dict.fromkeys(names, 0)
    supplied: dict[str, list[str]] = {name: [] for name in names}
    for source, target in known:
        supplied[source].append(target)
    for position in reversed(network.downstream_order):
        name = names[position]
        height[name] = max((1 + height[target] for target in supplied[name]), default=0)
    return height
