"""Every source by name; a new one is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parlevel.config import Config
from parlevel.errors import ConfigError, RegistryError
from parlevel.registry import nearest, resolve

if TYPE_CHECKING:  # names are looked up without Spark
    from parlevel.sources.base import Source

SOURCES: dict[str, str] = {
    "carparts": "parlevel.sources.carparts:Carparts",
    "complete_journey": "parlevel.sources.complete_journey:CompleteJourney",
    "m5": "parlevel.sources.m5:M5",
    "online_retail": "parlevel.sources.online_retail:OnlineRetail",
    "rossmann": "parlevel.sources.rossmann:Rossmann",
    "store_item": "parlevel.sources.store_item:StoreItem",
    "synthetic": "parlevel.sources.synthetic:Synthetic",
    "tables": "parlevel.sources.tables:UserTables",
    "vn2": "parlevel.sources.vn2:VN2",
}


def check_name(name: str) -> None:
    """Check that there is such a source, without importing it.

    Raises:
        ConfigError: there is none; says the nearest.
    """
    if name not in SOURCES:
        raise ConfigError(f"source.name must be one of {sorted(SOURCES)}. Got {name!r}.{nearest(name, list(SOURCES))}")


def source(name: str, cfg: Config) -> Source:
    """The source called `name`, with the options of the configuration checked.

    Raises:
        ConfigError: no such source, or its options are wrong.
        DataError: its data are not there.
    """
    check_name(name)
    try:
        made = resolve("source", SOURCES, name)
    except RegistryError as error:
        raise ConfigError(f"source.name: {error}") from None
    result: Source = made(cfg.source.options, cfg)
    return result
