"""Configuration of where data comes from and how it is cleaned and described."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from parlevel.config.section import Section
from parlevel.places import is_remote

Share = Annotated[float, Field(ge=0, le=1)]
Method = Literal["drop", "zero", "mean", "median", "interpolate", "seasonal", "model", "keep"]


class Paths(Section):
    """Where tables live."""

    warehouse: str = "warehouse"  # folder (or URI) that holds one Delta folder per table
    catalog: str | None = None  # "catalog.schema" to write tables by name instead of by path
    keep_runs: int | None = Field(None, ge=1)  # finished runs whose rows stay, older ones go after a run; null: all
    report: str = "warehouse/report.html"  # the HTML report; where it is not given: report.html in the warehouse

    @model_validator(mode="before")
    @classmethod
    def _report_in_warehouse(cls, given: Any) -> Any:
        """A warehouse of one's own holds its report too, so that no other run's is overwritten."""
        root = given.get("warehouse") if isinstance(given, dict) else None
        if not isinstance(root, str) or is_remote(root):
            return given
        return {"report": f"{root.rstrip('/')}/report.html", **given}


class Calendar(Section):
    """The time axis."""

    period: Literal["day", "week", "month"] = "day"  # length of a period; weeks start on Monday
    cutoff: date | None = None  # last period to learn from, inclusive; null: the last date in sales
    start: date | None = None  # first period to read; null: all of history
    horizon: int = Field(28, ge=1, le=400)  # periods to forecast
    holidays: bool = True  # use the holidays library for each location's country


class Source(Section):
    """Which source is read, and its own options (checked by the source itself)."""

    name: str = "complete_journey"  # registry name
    options: dict[str, Any] = Field(default_factory=dict)  # see the source's page in docs/
    terms: dict[str, Any] = Field(default_factory=dict)  # columns of supply_terms and the value that all series get


class Missing(Section):
    """How a value that should be there and is not is replaced, per column."""

    sales: Method = "keep"  # periods marked missing; keep = unknown, masked from training
    price: Method = "interpolate"  # drop: the channel stays unknown


class Clean(Section):
    """Rules of the clean stage."""

    gaps: Literal["zero", "missing"] = "zero"  # what an absent record between two records means
    missing: Missing = Missing()  # replacement of missing values
    duplicates: Literal["quarantine", "max", "sum"] = "quarantine"  # rows of one key that differ; sum: rows are lines
    max_sales: float = Field(1e9, gt=0)  # units in one row beyond which, either sign, it is rejected
    returns: Literal["net", "drop", "keep"] = (
        "net"  # negative sales: net against earlier sales, drop to quarantine, or keep
    )
    outliers: Literal["cap", "flag", "off"] = "cap"  # what happens to a spike no promotion explains
    outlier_z: float = Field(8.0, gt=0)  # robust z-score (median, MAD of the non-zero periods) beyond which it is one
    censoring: Literal["estimate", "mask", "off"] = "estimate"  # what happens to periods with a stockout
    stockout_run: int = Field(
        0, ge=0
    )  # zero periods in a row that count as a stockout where in_stock is unknown; 0: never
    max_quarantined_share: Share = 0.2  # stop above this share of rejected sales rows


class Features(Section):
    """What models see."""

    lags: list[int] = [1, 2, 3, 4, 5, 6, 7, 14, 21, 28]  # periods
    windows: list[int] = [7, 14, 28, 56, 91, 182]  # periods, rolling mean and sd
    halflives: list[float] = [3.5, 14.0, 56.0]  # periods, exponential means
    known_future: list[str] = ["price", "promo", "holiday", "open"]  # channels whose future is known when forecasting
    max_history: int = Field(2000, ge=1)  # periods of history that models see


class Signals(Section):
    """What baskets say about products."""

    baskets: bool = False  # count which products are bought together, in the table recommendations; needs order_lines
    min_together: int = Field(30, ge=5)  # baskets with both products, seen or expected, below which a pair says nothing
    min_lift: float = Field(1.5, gt=1)  # baskets with both over what chance gives, from which on they are complements
    max_lift: float = Field(0.5, gt=0, lt=1)  # the same up to which two products of a department are substitutes
    per_product: int = Field(5, ge=1)  # pairs of each kind that are kept of a product
    max_basket: int = Field(100, ge=2)  # products in a basket beyond which it is a trader's and not counted
