"""SKU groups: merge what is too small to learn from, split what is too large for memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Key = tuple[str, ...]

REST = "rest"
MIXED = "*"


@dataclass(frozen=True)
class Size:
    """What a group holds."""

    n_series: int
    n_bytes: int

    def __add__(self, other: Size) -> Size:
        return Size(self.n_series + other.n_series, self.n_bytes + other.n_bytes)


@dataclass(frozen=True)
class Group:
    """Where the series of one key go: a group, cut into `parts` by content."""

    name: str
    parts: int


def group_names(keys: Mapping[Key, Size], min_series: int, max_bytes: float) -> dict[Key, Group]:
    """The group of every key.

    Small keys are merged with their neighbours: first those that differ in the last part only (the
    demand pattern), then in the last two (velocity), and so on; what is still too small is the rest,
    which joins the smallest group if it is too small itself. Groups over the budget are cut in parts.

    Args:
        keys: key (category, velocity, pattern, ...) -> series and bytes. All keys have one length.
        min_series: a smaller group is merged.
        max_bytes: a larger group is cut.

    >>> keys = {("a", "x"): Size(9, 0), ("a", "y"): Size(1, 0), ("a", "z"): Size(4, 0)}
    >>> [group.name for group in group_names(keys, 5, 1e9).values()]
    ['a/x', 'a/*', 'a/*']
    """
    members: dict[Key, list[Key]] = {}
    open_keys: dict[Key, list[Key]] = {key: [key] for key in sorted(keys)}
    depth = len(next(iter(keys), ()))
    for level in range(depth, -1, -1):
        pooled: dict[Key, list[Key]] = {}
        for prefix, inside in open_keys.items():
            if _size(keys, inside).n_series >= min_series:
                members[prefix] = inside
            else:
                pooled.setdefault(prefix[: level - 1] if level else (), []).extend(inside)
        # what was merged at this level competes as one group at the next
        open_keys = pooled
        if level == 0:
            break
    rest = open_keys.get((), [])
    if rest and members:
        smallest = min(members, key=lambda name: (_size(keys, members[name]).n_series, name))
        members[smallest] = members[smallest] + rest
    elif rest:
        members[()] = rest
    return _named(keys, members, depth, max_bytes)


def with_left_out(
    teaching: Mapping[Key, Size], others: Mapping[Key, Size], min_series: int, max_bytes: float
) -> tuple[dict[Key, Group], dict[Key, Group]]:
    """The group of every key, for series that teach and for those that are left out.

    Groups are made of the series that teach alone, so that a series which is left out moves nobody. It goes to
    the largest key that shares most of its parts; where such guests would fill a group's memory by themselves,
    the group is cut in more parts after all.

    Args:
        teaching, others: key -> series and bytes.
        min_series, max_bytes: as in `group_names`.

    Returns: groups of the keys of `teaching`, and of `others`.

    >>> teaching = {("a", "x"): Size(9, 0), ("b", "x"): Size(9, 0)}
    >>> with_left_out(teaching, {("b", "new"): Size(1, 0)}, 5, 1e9)[1]
    {('b', 'new'): Group(name='b/x', parts=1)}
    """
    if not teaching:
        return {}, group_names(others, min_series, max_bytes)
    homes = {key: _nearest(key, teaching) for key in others}
    sizes = dict(teaching)
    for home in set(homes.values()):
        guests = sum(others[key].n_bytes for key in others if homes[key] == home)
        sizes[home] = sizes[home] + Size(0, max(0, guests - int(max_bytes)))
    groups = group_names(sizes, min_series, max_bytes)
    return groups, {key: groups[home] for key, home in homes.items()}


def _nearest(key: Key, teaching: Mapping[Key, Size]) -> Key:
    """The key with the longest common beginning, of several the one with most series."""

    def common(other: Key) -> int:
        return next((k for k, (a, b) in enumerate(zip(key, other, strict=True)) if a != b), len(key))

    return max(sorted(teaching), key=lambda other: (common(other), teaching[other].n_series))


def _named(
    keys: Mapping[Key, Size], members: Mapping[Key, Sequence[Key]], depth: int, max_bytes: float
) -> dict[Key, Group]:
    out = {}
    for prefix, inside in members.items():
        size = _size(keys, inside)
        parts = max(1, min(math.ceil(size.n_bytes / max_bytes), size.n_series))
        label = "/".join(prefix) if len(prefix) == depth else "/".join((*prefix, MIXED))
        for key in inside:
            out[key] = Group(label if prefix else REST, parts)
    return {key: out[key] for key in keys}


def _size(keys: Mapping[Key, Size], inside: Sequence[Key]) -> Size:
    return sum((keys[key] for key in inside), Size(0, 0))


def abc_limits(volumes: Sequence[tuple[int, int, float]], shares: tuple[float, float] = (0.8, 0.95)) -> tuple[int, int]:
    """Lowest volume bucket of class A and of class B.

    Args:
        volumes: (bucket, series, volume) of a histogram over the logarithm of volume.
        shares: cumulated shares of volume at which A and B end.

    Returns: a series in bucket >= first is A, >= second is B, else C.
    """
    total = sum(volume for _, _, volume in volumes)
    limits, before = [_NONE, _NONE], 0.0
    for bucket, _, volume in sorted(volumes, reverse=True):
        for k, share in enumerate(shares):
            if before < share * total:
                limits[k] = bucket
        before += volume
    return limits[0], limits[1]


def top_limit(volumes: Sequence[tuple[int, int, float]], share: float) -> int:
    """Lowest bucket of the top `share` of series; series without volume count, and are never in it."""
    wanted = share * sum(n for _, n, _ in volumes)
    limit, before = _NONE, 0
    for bucket, n, volume in sorted(volumes, reverse=True):
        if before < wanted and volume > 0:
            limit = bucket
        before += n
    return limit


_NONE = 2**31 - 1  # no bucket is as high
