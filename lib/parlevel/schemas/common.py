"""Columns that several contracts share."""

from __future__ import annotations

SERIES = ("series_id", "string!", "one product at one location")
PRODUCT = ("product_id", "string!", "the product")
LOCATION = ("location_id", "string!", "the location")
CUTOFF = ("cutoff", "date!", "last observed period, inclusive")
ASSUMED = ("assumed", "boolean!", "true where a documented rule made the row, not the data")
START = ("start_date", "date!", "first period of the packed arrays")
GROUP = ("group_id", "string!", "the SKU group that is trained together")
MODEL = ("model", "string!", "registry name of the forecaster")
LEVELS = ("levels", "array<double>!", "quantile levels, increasing")
AS_WRITTEN = (
    "as_written",
    "string",
    "the texts of the row that could not be read, as JSON, or its whole malformed line",
)
