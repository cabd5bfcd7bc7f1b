"""What comes in: the contracts of the stages sources, clean and features.

Each entry: stage, name, keys, what a row is, then the columns as (name, type, meaning[, unit]);
a `!` after the type means NOT NULL. Every table carries `run_id` last. Arrays called "packed" run
over the series' own time axis: element 0 is `start_date`, one element a period. Flattened arrays
are row-major in the order that their meaning names.
"""

from __future__ import annotations

from parlevel.schemas.common import ASSUMED, CUTOFF, LOCATION, PRODUCT, SERIES, START
from parlevel.schemas.form import table

SOURCES = (
    table("sources", "series", "series_id", "a series that can be forecast and ordered", SERIES, PRODUCT, LOCATION),
    table(
        "sources", "sales", "series_id date", "units sold in one period; only periods with a record", SERIES,
        ("date", "date", "first day of the period"),
        ("sales", "double", "units sold; negative = returned; capped by stock", "units"),
        ("in_stock", "boolean", "false: not (fully) available in the period; null: unknown"),
    ),
    table(
        "sources", "products", "product_id", "a product and its place in the hierarchy", PRODUCT,
        ("name", "string", "what a planner calls it"),
        ("category", "string", "top of the product hierarchy"),
        ("department", "string", "middle of the product hierarchy"),
        ("brand", "string", "brand or brand type"),
        ("manufacturer", "string", "who makes it"),
        ("pack_size", "string", "as printed"),
        ("unit_weight", "double", "weight of one unit", "kg"),
        ("unit_volume", "double", "volume of one unit", "litre"),
    ),
    table(
        "sources", "locations", "location_id", "a place that holds stock", LOCATION,
        ("name", "string", "what a planner calls it"),
        ("kind", "string!", "store, warehouse or chain"),
        ("country", "string", "ISO 3166 code, for holidays"),
        ("subdivision", "string", "ISO 3166-2 part after the dash, for holidays"),
    ),
    table(
        "sources", "prices", "series_id date", "the price of one unit from `date` until the series' next row", SERIES,
        ("date", "date!", "first day it holds"),
        ("price", "double", "what a customer pays", "money / unit"),
    ),
    table(
        "sources", "promotions", "series_id start_date kind", "a promotion of a series", SERIES,
        ("start_date", "date!", "first day"),
        ("end_date", "date!", "last day, inclusive"),
        ("kind", "string!", "display, mailer, discount ..."),
        ("intensity", "double!", "share of stores or customers reached, 0 to 1"),
    ),
    table(
        "sources", "calendar", "location_id date", "a day with something to know about it, past or known future", LOCATION,
        ("date", "date!", "the day"),
        ("is_open", "boolean!", "false: the location sells nothing that day"),
        ("event", "string", "name of the event, if any"),
        ("event_kind", "string", "holiday, cultural, sporting, benefit ..."),
    ),
    table(
        "sources", "inventory", "series_id", "the stock of a series at the cutoff", SERIES,
        ("as_of", "date!", "end of this period"),
        ("on_hand", "double!", "units in stock, >= 0", "units"),
        ("backorders", "double!", "units owed to customers, >= 0", "units"),
        ("due_dates", "array<date>!", "expected receipts: when"),
        ("due_qty", "array<double>!", "expected receipts: how much", "units"),
        ASSUMED,
    ),
    table(
        "sources", "supply_terms", "series_id", "how a series is ordered and what it costs", SERIES,
        ("supplier_id", "string!", "who delivers it"),
        ("lead_time", "int!", "periods from order to receipt, >= 0; 0: sold from in the order's own next period", "periods"),
        ("lead_time_sd", "double!", "standard deviation of the lead time", "periods"),
        ("review_period", "int!", "periods between order decisions, >= 1", "periods"),
        ("min_order_qty", "double!", "smallest order that is not zero", "units"),
        ("case_pack", "double!", "orders are multiples of it, > 0", "units"),
        ("max_stock", "double", "inventory position may not exceed it; null: no limit", "units"),
        ("min_stock", "double!", "display stock that should stay on the shelf", "units"),
        ("shelf_life", "int", "periods until a unit perishes; null: never", "periods"),
        ("unit_cost", "double!", "what the supplier is paid", "money / unit"),
        ("unit_price", "double!", "what a customer pays", "money / unit"),
        ("holding_cost", "double!", "per unit left at the end of a period", "money / unit / period"),
        ("shortage_cost", "double!", "per lost unit", "money / unit"),
        ("backorder_cost", "double", "per unit late; null: unmet demand is lost", "money / unit / period"),
        ("order_cost", "double!", "per order line that is not zero", "money / order"),
        ("target", "double!", "cycle service level asked for, 0 to 1"),
        ("unit_weight", "double!", "weight of one unit", "kg"),
        ("unit_volume", "double!", "volume of one unit", "litre"),
        ASSUMED,
    ),
    table(
        "sources", "resources", "resource_id period", "something that several series share when they are ordered",
        ("resource_id", "string!", "for example min:SUPPLIER or budget"),
        ("period", "int!", "step after the cutoff it holds for, 1..horizon; 0: every period"),
        ("kind", "string!", "supplier_min, truck, budget, inbound or storage"),
        ("supplier_id", "string", "only this supplier's lines; null: any"),
        ("location_id", "string", "only this location's lines; null: any"),
        ("measure", "string!", "what is counted: value, units, weight or volume"),
        ("amount", "double!", "minimum (supplier_min), size of one truck (truck), maximum (others)", "per measure"),
        ("cost", "double!", "per truck used (truck), else 0", "money"),
        ASSUMED,
    ),
    table(
        "sources", "order_lines", "order_id line", "a line of a customer's basket",
        ("order_id", "string!", "the basket"),
        ("line", "int!", "position in the basket"),
        ("date", "date!", "day of sale"),
        PRODUCT,
        LOCATION,
        ("customer_key", "string", "keyed hash of the customer"),
        ("quantity", "double!", "units; negative = returned", "units"),
        ("value", "double!", "money paid", "money"),
        optional=True,
    ),
    table(
        "sources", "true_demand", "series_id date", "the demand that the synthetic source drew before stockouts", SERIES,
        ("date", "date!", "first day of the period"),
        ("demand", "double!", "units wanted", "units"),
        optional=True,
    ),
)  # fmt: skip

CLEAN = (
    table(
        "clean", "panel", "series_id", "one series' whole history, packed, ending at the cutoff", SERIES, PRODUCT, LOCATION, CUTOFF, START,
        ("n_periods", "int!", "length of the packed past arrays"),
        ("demand", "array<float>!", "packed: demand estimate; NaN = unknown", "units"),
        ("sales", "array<float>!", "packed: recorded sales net of returns; NaN = no record expected", "units"),
        ("available", "array<float>!", "packed: 1 = observed and sellable, 0 = masked from training"),
        ("flags", "array<int>!", "packed: bits of parlevel.domain.clean.flags"),
        ("price", "array<float>!", "packed: price; NaN = unknown", "money / unit"),
        ("promo", "array<float>!", "packed: strongest promotion, 0 to 1"),
        ("price_future", "array<float>!", "horizon values after the cutoff; NaN = unknown", "money / unit"),
        ("promo_future", "array<float>!", "horizon values after the cutoff; NaN = unknown"),
        ("content_key", "string!", "hash of the packed arrays: orders series without looking at names"),
    ),
    table(
        "clean", "quarantine", "table rule row_key", "a rejected input row and the rule that caught it",
        ("table", "string!", "where it came from"),
        ("rule", "string!", "the rule that caught it"),
        ("row_key", "string!", "the row's key as text"),
        ("reason", "string!", "what is wrong and what would be right"),
        ("row", "string!", "the row as JSON"),
    ),
    table(
        "clean", "data_quality", "table rule", "what one rule did in a run",
        ("table", "string!", "the table checked"),
        ("rule", "string!", "the rule"),
        ("action", "string!", "quarantined, merged, filled, capped, masked, estimated, kept or flagged"),
        ("n_rows", "bigint!", "rows or packed periods looked at"),
        ("n_hit", "bigint!", "rows or packed periods that the rule caught"),
        ("doc", "string!", "what the rule says"),
    ),
)  # fmt: skip

FEATURES = (
    table(
        "features", "features", "series_id", "everything a model reads of one series: past and known future on one time axis", SERIES, CUTOFF, START,
        ("n_past", "int!", "periods up to and including the cutoff"),
        ("n_future", "int!", "periods after the cutoff (the horizon)"),
        ("demand", "array<float>!", "packed past: demand estimate; NaN = unknown", "units"),
        ("available", "array<float>!", "packed past: 1 = train on it, 0 = masked"),
        ("channels", "array<string>!", "names of the covariate channels"),
        ("channel_values", "array<float>!", "flattened (channel, n_past + n_future)"),
        ("statics", "array<string>!", "names of the per-series codes and numbers"),
        ("static_values", "array<float>!", "their values"),
        ("statistics", "array<string>!", "names of the lag, rolling and exponential statistics"),
        ("statistic_values", "array<float>!", "their values at the cutoff"),
    ),
    table(
        "features", "series_profile", "series_id", "what kind of series it is and where it is trained", SERIES, PRODUCT, LOCATION,
        ("category", "string", "of the product"),
        ("department", "string", "of the product"),
        ("brand", "string", "of the product"),
        ("velocity", "string!", "A, B or C by cumulated volume"),
        ("pattern", "string!", "smooth, erratic, intermittent, lumpy, new, dead or empty"),
        ("high_volume", "boolean!", "among the top share that gets the deep model"),
        ("adi", "double", "average periods between sales (Syntetos-Boylan)", "periods"),
        ("cv2", "double", "squared variation of non-zero demand (Syntetos-Boylan)"),
        ("n_periods", "int!", "length of the history", "periods"),
        ("n_positive", "int!", "periods with demand > 0", "periods"),
        ("total", "double!", "demand over the history", "units"),
        ("recent_mean", "double!", "mean demand of the last 28 days (13 weeks, 6 months)", "units / period"),
        ("age", "int!", "periods since the first sale", "periods"),
        ("since_last_sale", "int!", "periods since the last sale", "periods"),
        ("group_id", "string!", "SKU group: category x velocity x pattern, packed or split to the memory budget"),
        ("predicted_bytes", "bigint!", "what the series adds to its group's memory", "bytes"),
        ("content_key", "string!", "orders series without looking at names"),
    ),
)  # fmt: skip
