"""Lays what a source gives over what the rules assume, column by column."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.errors import ConfigError
from parlevel.registry import nearest
from parlevel.schemas import contract
from parlevel.sources.base import contract_frame


def terms(given: DataFrame | None, ruled: DataFrame) -> DataFrame:
    """Supply terms of every series: given values win, nulls are filled by rule and mark the row assumed.

    Args:
        given: terms from the source, any series, any columns null; None: it has none.
        ruled: terms by rule, one row per series.
    """
    if given is None:
        return ruled
    names = [column.name for column in contract("supply_terms").data_columns if column.name != "series_id"]
    needed = [column.name for column in contract("supply_terms").data_columns if not column.nullable]
    known = given.select("series_id", *[F.col(name).alias(f"given_{name}") for name in names])
    joined = ruled.join(known, "series_id", "left")
    filled = F.greatest(*[F.col(f"given_{name}").isNull() for name in needed if name not in ("series_id", "assumed")])
    # A limit that was left empty in a table of terms means "no limit", so rules do not invent one.
    optional = [name for name in names if name not in needed]
    values = {name: F.coalesce(f"given_{name}", name) for name in names}
    values |= {name: F.col(f"given_{name}") for name in optional}
    values["assumed"] = filled | F.coalesce("given_assumed", F.lit(False))
    return contract_frame(joined, "supply_terms", **values)


def set_for_all(made: DataFrame, values: Mapping[str, Any]) -> DataFrame:
    """Supply terms with some columns set to one value for every series; the rows then count as assumed.

    Args:
        made: contract supply_terms.
        values: column -> value, from `source.terms`.

    Raises:
        ConfigError: a name is no column of supply_terms, or names the series.
    """
    known = [
        column.name for column in contract("supply_terms").data_columns if column.name not in ("series_id", "assumed")
    ]
    for name in values:
        if name not in known:
            raise ConfigError(f"source.terms must name columns of supply_terms. Got {name!r}.{nearest(name, known)}")
    if not values:
        return made
    return contract_frame(made, "supply_terms", assumed=F.lit(True), **{k: F.lit(v) for k, v in values.items()})


def stock(given: DataFrame | None, ruled: DataFrame, cutoff: date) -> DataFrame:
    """Stock of every series: as given; a series without a row has none, and its row is marked assumed.

    Args:
        given: inventory from the source; None: it has none, and the rules' stock is taken.
        ruled: inventory by rule, one row per series.
        cutoff: date of rows that are filled in.
    """
    if given is None:
        return ruled
    names = [column.name for column in contract("inventory").data_columns if column.name != "series_id"]
    known = given.select("series_id", *[F.col(name).alias(f"given_{name}") for name in names])
    joined = ruled.select("series_id").join(known, "series_id", "left")
    return contract_frame(
        joined,
        "inventory",
        as_of=F.coalesce("given_as_of", F.lit(cutoff)),
        on_hand=F.coalesce("given_on_hand", F.lit(0.0)),
        backorders=F.coalesce("given_backorders", F.lit(0.0)),
        due_dates=F.coalesce("given_due_dates", F.array().cast("array<date>")),
        due_qty=F.coalesce("given_due_qty", F.array().cast("array<double>")),
        assumed=F.coalesce("given_assumed", F.lit(False)) | F.col("given_on_hand").isNull(),
    )
