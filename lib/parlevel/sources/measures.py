"""Weight and volume of one unit, read from a printed pack size such as `22 LB`, `12 OZ` or `2 L`."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

# Unit as printed -> kg; an ounce of a package is taken as weight, of liquids too (water weighs the same).
KILOGRAMS = {"OZ": 0.02835, "LB": 0.4536, "ML": 0.001, "L": 1.0, "QT": 0.946, "PT": 0.473, "GAL": 3.785, "GA": 3.785}
HEAVIEST = 12.0  # kg; what prints more (bananas, "40 LB") names the case, not the unit that is sold
LITRES_PER_KG = 1.3  # packed goods with their air
PATTERN = r"^\s*(\d+(?:\.\d+)?|\.\d+)\s*(OZ|LB|ML|L|QT|PT|GAL|GA)\b"


def pack_weight(pack_size: Column) -> Column:
    """Kilograms of one unit; null where the pack size does not say."""
    text = F.upper(pack_size)
    number = F.regexp_extract(text, PATTERN, 1)
    unit = F.regexp_extract(text, PATTERN, 2)
    factor = F.lit(None).cast("double")
    for name, per_unit in KILOGRAMS.items():
        factor = F.when(unit == name, per_unit).otherwise(factor)
    kilograms = F.round(number.try_cast("double") * factor, 3)
    return F.when((number != "") & (kilograms <= HEAVIEST), kilograms)


def pack_volume(pack_size: Column) -> Column:
    """Litres of one unit; null where the pack size does not say."""
    return F.round(pack_weight(pack_size) * LITRES_PER_KG, 3)
