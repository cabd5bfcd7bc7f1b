"""What a lost unit costs when the goods that fill its baskets are lost with it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from parlevel.config import Config
from parlevel.errors import ConfigError
from parlevel.spark.sums import exact_sum
from parlevel.spark.tables import Tables


def basket_terms(tables: Tables, cfg: Config) -> DataFrame:
    """Contract `supply_terms`; with `replenish.basket_share`, shortage costs with the baskets that are lost too.

    Raises:
        ConfigError: a share is asked for and baskets are not counted.
    """
    terms = tables.read("supply_terms")
    if not cfg.replenish.basket_share:
        return terms
    if not cfg.signals.baskets:
        raise ConfigError(
            "replenish.basket_share needs the baskets to be counted. Set signals.baskets=true, or the share to 0."
        )
    profile = tables.read("series_profile")
    return with_baskets(terms, profile, tables.read("recommendations"), cfg.replenish.basket_share)


def with_baskets(terms: DataFrame, profile: DataFrame, recommendations: DataFrame, share: float) -> DataFrame:
    """Terms whose shortage cost counts the margin of complements.

    A basket that the product would have been in holds `attached` units of a complement beyond chance; `share` of them
    are not bought when the product is missing, and their margin is lost with it.
    Source: Cachon & Kok (2007), "Category management and coordination in retail assortment planning in the presence of
    basket shopping consumers", Management Science 53, for why an item is worth its basket.

    Args:
        terms: contract `supply_terms`.
        profile: says which product and location a series is.
        recommendations: contract; complements at the series' own location count.
        share: 0 to 1.
    """
    places = profile.select("series_id", "product_id", "location_id")
    margin = F.greatest(F.col("unit_price") - F.col("unit_cost"), F.lit(0.0)).alias("_margin")
    others = places.join(terms.select("series_id", margin), "series_id").select(
        F.col("product_id").alias("other_id"), "location_id", "_margin"
    )
    complements = recommendations.where("kind = 'complement'").select("product_id", "other_id", "attached")
    lost = (
        places.join(complements, "product_id")
        .join(others, ["other_id", "location_id"])
        .groupBy("series_id")
        .agg(exact_sum(F.lit(share) * F.col("attached") * F.col("_margin")).alias("_basket"))
    )
    more = F.coalesce(F.col("_basket"), F.lit(0.0))
    joined = terms.join(lost, "series_id", "left")
    return joined.withColumn("shortage_cost", F.col("shortage_cost") + more).select(*terms.columns)
