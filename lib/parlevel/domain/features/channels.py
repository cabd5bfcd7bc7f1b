"""Names of the covariate channels, and which of them a model may read beyond a cutoff."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from parlevel.domain.panel import Panel
from parlevel.errors import ConfigError
from parlevel.registry import nearest

FAMILIES: dict[str, tuple[str, ...]] = {
    "price": ("price_ratio", "discount"),
    "promo": ("promo",),
    "holiday": ("holiday", "holiday_next", "holiday_since", "event", "benefit", "event_code"),
    "open": ("open",),
}
"""What `features.known_future` names -> the channels it stands for."""

CHANNELS: tuple[str, ...] = tuple(name for names in FAMILIES.values() for name in names)
"""Every channel that the features stage can write, in its order."""


def known_channels(families: Iterable[str], channels: Iterable[str] = CHANNELS) -> frozenset[str]:
    """The channels whose values after a cutoff a configuration calls known.

    Args:
        families: `features.known_future`: family names ("price") or single channels ("discount").
        channels: the channels there are.

    Raises:
        ConfigError: a name is neither a family nor a channel.

    >>> sorted(known_channels(["price", "promo"]))
    ['discount', 'price_ratio', 'promo']
    """
    present = list(channels)
    found: set[str] = set()
    for name in families:
        if name not in FAMILIES and name not in present and name not in CHANNELS:
            known = sorted({*FAMILIES, *present})
            raise ConfigError(f"features.known_future must name any of {known}. Got {name!r}.{nearest(name, known)}")
        found |= set(FAMILIES.get(name, (name,))) & set(present)
    return frozenset(found)


def with_known_future(panel: Panel) -> Panel:
    """The panel with `known_future` as its data says: channels that have values after the cutoff.

    The features stage leaves NaN there in channels that the configuration does not call known, and in
    those that nobody planned ahead (no promotion is entered beyond the cutoff). A model that learned
    from a channel in the past must not find it empty when it forecasts, nor look better in a backtest.
    """
    ahead = {
        name: values[:, panel.n_periods :]
        for name, values in panel.channels.items()
        if values.shape[1] > panel.n_periods
    }
    return replace(
        panel, known_future=frozenset(name for name, values in ahead.items() if bool(np.isfinite(values).any()))
    )
