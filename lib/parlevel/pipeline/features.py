"""Stage features: panel, products, locations and calendar -> what models read, and where each series is trained."""

from __future__ import annotations

from functools import partial

import numpy as np
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.domain.evaluate.folds import least_history
from parlevel.domain.features import calendar as days
from parlevel.domain.features.build import STATICS, Settings, feature_rows
from parlevel.domain.features.channels import CHANNELS, known_channels
from parlevel.domain.periods import to_index
from parlevel.errors import DataError
from parlevel.pipeline import features_baskets, features_groups, train_kept
from parlevel.schemas import contract
from parlevel.spark.grouped import map_packed
from parlevel.spark.scratch import Scratch
from parlevel.spark.tables import Tables

CODED = {f"{name}_code": name for name in train_kept.NUMBERED["products"]}


def run(tables: Tables, cfg: Config) -> str:
    """Read the panel and what is known of products and places, write features and series_profile.

    Recommendations are written too, where baskets are asked for.

    Raises:
        DataError: a series got lost, or a location's country is unknown.
    """
    panel, products = tables.read("panel"), tables.read("products")
    locations, calendar = tables.read("locations"), tables.read("calendar")
    settings = find_settings(panel, locations, calendar, cfg)
    features = transform(panel, products, locations, calendar, settings=settings)
    n_features = tables.write("features", features)
    with Scratch(tables.spark, cfg, "features") as scratch:
        base = scratch.keep(features_groups.base_profile(panel, products, settings=settings))
        profile, groups = features_groups.transform(base, cfg=cfg)
        kept = train_kept.find(tables, cfg)
        n_profile = tables.write("series_profile", train_kept.assign(profile, kept))
    expected = panel.count()
    if not expected == n_features == n_profile:
        raise DataError(
            "every series of the panel must have one row in features and one in series_profile. "
            f"Got {expected:,} series, {n_features:,} and {n_profile:,} rows. Is a product or a location listed twice?"
        )
    # Baskets of the newest periods are left out: plans are judged there, by what was known before.
    own = panel.select("product_id").distinct().join(products.select("product_id", "department"), "product_id")
    pairs = features_baskets.run(tables, own, settings.cutoff - settings.horizon, cfg)
    told = f"; groups and models of run {kept.run_id} serve" if kept else ""
    return f"{expected:,} series in {groups:,} groups; channels: {', '.join(settings.channels)}{pairs}{told}"


def find_settings(panel: DataFrame, locations: DataFrame, calendar: DataFrame, cfg: Config) -> Settings:
    """What to compute: a channel exists where the data can fill it, for all series alike.

    Raises:
        DataError: the panel is empty, or a location's country is unknown.
    """
    first = panel.select("cutoff").first()
    if first is None:
        raise DataError("the panel must have at least one series. Got none. Run the stage clean first.")
    kinds = calendar.agg(
        F.max(~F.col("is_open")).alias("open"),
        F.max(_is_kind("holiday")).alias("holiday"),
        F.max(_is_kind("benefit")).alias("benefit"),
        F.max(F.col("event").isNotNull() & ~_is_kind("holiday") & ~_is_kind("benefit")).alias("event"),
    ).first()
    known = panel.agg(
        F.max("n_periods").alias("longest"),
        F.max(F.exists("price", lambda x: ~F.isnan(x))).alias("price"),
        F.max(F.exists("promo", lambda x: x > 0)).alias("promo"),
    ).first()
    holiday = bool(kinds and kinds["holiday"]) or (cfg.calendar.holidays and _check_places(locations))
    there = {
        "price": bool(known and known["price"]),
        "promo": bool(known and known["promo"]),
        "holiday": holiday,
        **{name: bool(kinds and kinds[name]) for name in ("event", "benefit", "open")},
    }
    there["event_code"] = cfg.calendar.period == "day" and (there["holiday"] or there["event"])
    owner = {"price_ratio": "price", "discount": "price", "holiday_next": "holiday", "holiday_since": "holiday"}
    # a channel that no data fills would be constant; a model with none at all still knows the days
    channels = tuple(name for name in CHANNELS if there[owner.get(name, name)]) or ("open",)
    return Settings(
        period=cfg.calendar.period,
        cutoff=int(to_index(np.array([first["cutoff"]], "datetime64[D]"), cfg.calendar.period)[0]),
        horizon=cfg.calendar.horizon,
        channels=channels,
        ahead=known_channels(cfg.features.known_future, channels),
        lags=tuple(cfg.features.lags),
        windows=tuple(cfg.features.windows),
        halflives=tuple(cfg.features.halflives),
        max_history=cfg.features.max_history,
        holidays=cfg.calendar.holidays,
        judged=judged(int(known["longest"]) if known else 0, cfg),
    )


def judged(longest: int, cfg: Config) -> int:
    """Periods before the cutoff that training's folds judge models on; 0 where the history is too short for a fold.

    Args:
        longest: periods of the longest history.
        cfg: horizon and folds.
    """
    longest, horizon, step = min(longest, cfg.features.max_history), cfg.calendar.horizon, cfg.train.fold_step
    spans = [horizon + back * step for back in range(cfg.train.folds)]
    return max((span for span in spans if longest - span >= least_history(cfg.calendar.period, horizon)), default=0)


def transform(
    panel: DataFrame, products: DataFrame, locations: DataFrame, calendar: DataFrame, *, settings: Settings
) -> DataFrame:
    """The contract `features`.

    Args:
        panel: contract `panel`.
        products: contract `products`.
        locations: contract `locations`.
        calendar: contract `calendar`.
        settings: from `find_settings`.
    """
    coded = products.select("product_id", *CODED.values())
    for code, name in CODED.items():
        coded = coded.join(F.broadcast(codes(products, name, code)), name, "left")
    place = locations.select("location_id", "country", "subdivision").join(
        codes(locations, "location_id", "location_code"), "location_id", "left"
    )
    rows = (
        panel.drop("sales", "flags")
        .join(coded.drop(*CODED.values()), "product_id", "left")
        .join(F.broadcast(place), "location_id", "left")
        .join(F.broadcast(pack_calendar(calendar)), "location_id", "left")
    )
    wanted = [F.col(name).cast("double") if name in STATICS else F.col(name) for name in rows.columns]
    return map_packed(rows.select(*wanted), partial(feature_rows, settings=settings), contract("features").data_columns)


def codes(frame: DataFrame, column: str, code: str) -> DataFrame:
    """Distinct values of a column numbered 1, 2, ... in alphabetical order; as many rows as values."""
    values = frame.where(F.col(column).isNotNull()).agg(F.sort_array(F.collect_set(column)).alias("v"))
    return values.select(F.posexplode("v").alias("k", column)).select(column, (F.col("k") + 1).alias(code))


def pack_calendar(calendar: DataFrame) -> DataFrame:
    """One row a location: the days with something to know, and the bits of `domain.features.calendar`."""
    event = F.col("event").isNotNull() | F.col("event_kind").isNotNull()
    other = event & ~_is_kind("holiday") & ~_is_kind("benefit")
    pairs = (
        (~F.col("is_open"), days.CLOSED),
        (_is_kind("holiday"), days.HOLIDAY),
        (_is_kind("benefit"), days.BENEFIT),
        (other, days.EVENT),
    )
    bits = F.lit(0)
    for condition, bit in pairs:
        bits = bits + F.when(condition, bit).otherwise(0)
    # several events of a day are joined in one name: the first one counts, and benefits come too often to have a name
    name = F.when(_is_kind("benefit"), None).otherwise(F.substring_index("event", " + ", 1))
    code = F.coalesce(F.crc32(name.cast("binary")).bitwiseAND(F.lit(days.CODE_MASK).cast("bigint")), F.lit(0))
    bits = bits + F.shiftleft(code, days.CODE_SHIFT)
    entry = F.struct(F.unix_date("date").cast("bigint").alias("d"), bits.cast("bigint").alias("b"))
    packed = calendar.where(bits > 0).groupBy("location_id").agg(F.sort_array(F.collect_list(entry)).alias("c"))
    return packed.select("location_id", F.col("c.d").alias("calendar_day"), F.col("c.b").alias("calendar_bits"))


def _is_kind(kind: str) -> SparkColumn:
    return F.coalesce(F.lower("event_kind") == kind, F.lit(False))


def _check_places(locations: DataFrame) -> bool:
    """Whether any location has a country; refuses unknown ones."""
    places = locations.where(F.col("country").isNotNull()).select("country", "subdivision").distinct()
    found = places.collect()  # bounded: countries and their parts
    for row in found:
        days.check_country(row["country"], row["subdivision"])
    return bool(found)
