"""The Complete Journey product hierarchy: departments, with the huge grocery department cut into aisles.

GROCERY alone holds three quarters of the products that sell; planners and models both need it finer.
The rules read product categories as the data print them (with their abbreviations); the first that
matches wins.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

AISLES: tuple[tuple[str, str], ...] = (
    ("FROZEN", r"^(FRZN|FROZEN|ICE CREAM|SEAFOOD - FROZEN)"),
    ("ALCOHOL", r"BEER|WINE|LIQUOR|SPIRITS"),
    ("BREAKFAST", r"CEREAL|BRKFST|BREAKFAST|SYRUP|PANCAKE"),
    ("DAIRY", r"CHEESE|YOGURT|MILK|MARGARINE|BUTTER|EGGS|DAIRY|REFRGRATD DOUGH"),
    ("BEVERAGES", r"DRINK|DRNK|JUICE|WATER|COFFEE|TEAS|COCOA"),
    ("BREAD & CAKES", r"BAKED|BREAD|BUNS"),
    ("SNACKS", r"SNACK|CRACKER|COOKIE|POPCORN|NUTS|CANDY"),
    ("CANNED", r"SHELF STABLE|SOUP|CANNED|OLIVES|PICKLE"),
    ("PASTA, RICE & SAUCES", r"PASTA|NOODLE|DINNER MXS|DRY BN|RICE|HISPANIC|SAUCES/GRAVY|CONDIMENT|SALD DRSNG|ASIAN"),
    ("BAKING", r"BAKING|SPICE|SUGAR|FLOUR|SHORTENING|PNT BTR|DESSERT|PUDDING"),
    ("HOUSEHOLD", r"PAPER|TISS|DETERGENT|BLEACH|LAUNDRY|CLEAN|BAGS|AIR CARE|HOUSEWARE|CHARCOAL"),
    ("PET", r"^(CAT|DOG|PET|BIRD) "),
)

DEPARTMENTS: tuple[tuple[str, str], ...] = (
    ("DRUG & GENERAL", r"^(DRUG GM|COSMETICS|GM MERCH EXP|TOYS|AUTOMOTIVE|ELECT)"),
    ("PRODUCE", r"^PRODUCE"),
    ("PACKAGED MEAT", r"^MEAT-PCKGD"),
    ("MEAT", r"^MEAT"),
    ("DELI & PREPARED", r"^(DELI|SALAD BAR|CHEF SHOPPE|RESTAURANT)"),
    ("BAKERY", r"^PASTRY"),
    ("SEAFOOD", r"^SEAFOOD"),
    ("NUTRITION", r"^NUTRITION"),
    ("ALCOHOL", r"^SPIRITS"),
)


def category(department: Column, product_category: Column, product_type: Column) -> Column:
    """Top of the hierarchy, about 20 values."""
    named = F.coalesce(product_category, F.lit(""))
    grocery = F.when(named.rlike(AISLES[0][1]), AISLES[0][0])
    for label, pattern in AISLES[1:]:
        grocery = grocery.when(named.rlike(pattern), label)
    result = F.when(product_type.startswith("GASOLINE"), "FUEL").when(
        department.rlike("^(GROCERY|FROZEN GROCERY)"), grocery.otherwise("GROCERY, OTHER")
    )
    for label, pattern in DEPARTMENTS:
        result = result.when(department.rlike(pattern), label)
    return result.otherwise("OTHER")
