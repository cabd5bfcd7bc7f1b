"""The data sets of `accuracy.py`: how parlevel reads each, and what was really sold, from the same files.

The actuals come from the raw files and not from parlevel's tables, so that its cleaning cannot flatter it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from parlevel.domain.periods import Period
from parlevel.errors import DataError
from parlevel.sources.m5 import CALENDAR, FILES, FIRST_DAY
from parlevel.sources.vn2 import IN_STOCK, SALES

ROOT = Path(__file__).parent.parent
SINGLE = 12
"""Level of series that are no sums, as M5 counts."""

VALIDATION, EVALUATION = pd.Timestamp("2016-04-24"), pd.Timestamp("2016-05-22")
"""Cutoffs of M5's two official windows, d_1913 and d_1941."""


@dataclass(frozen=True)
class Part:
    """One table of series that is forecast in one run.

    Attributes:
        name: as it is printed.
        preset: file of conf/presets.
        period: length of a period.
        sets: further settings.
        read: folder -> series_id, level, date, sales (NaN = not known), level 12 for single series,
            and columns that peers may use: known covariates under their own names.
        known: covariates in `read`'s frame that are known ahead.
    """

    name: str
    preset: str
    period: Period
    sets: tuple[str, ...]
    read: Callable[[Path], pd.DataFrame]
    known: tuple[str, ...] = ()


def folder_of(data: str | None, name: str) -> Path:
    """The folder of a data set: `data`/name, or `data` itself; default PARLEVEL_DATA, else ../shared/data."""
    root = Path(data or os.environ.get("PARLEVEL_DATA") or ROOT.parent / "shared" / "data")
    folder = root / name if (root / name).is_dir() else root
    if not folder.is_dir():
        raise DataError(f"--data must be the folder that holds {name}/. Got {str(root)!r}, which is not there.")
    return folder


def m5_bottom(folder: Path) -> pd.DataFrame:
    """991 item-stores by day; days before an item's first sale are no history."""
    wide = pd.read_parquet(folder / FILES["bottom"]).set_index("series_id")
    days = [name for name in wide.columns if name.startswith("d_")]
    dates = pd.date_range(FIRST_DAY, periods=len(days))
    frame = wide[days].set_axis(dates, axis=1).rename_axis("date", axis=1).stack().rename("sales").reset_index()
    return _from_first_sale(frame.assign(level=SINGLE))


def m5_aggregates(folder: Path) -> pd.DataFrame:
    """The 154 sums of levels 1 to 9."""
    raw = pd.read_parquet(folder / FILES["aggregates"])
    return raw.assign(series_id=raw["series"], date=pd.to_datetime(raw["date"]))[
        ["series_id", "level", "date", "sales"]
    ]


def m5_weights(folder: Path, cutoff: pd.Timestamp) -> pd.DataFrame:
    """Official weight and scale per series for the window after the cutoff.

    Columns weight and scale, index series_id. At another cutoff the validation window's weights stand in, and
    the scale is left to the caller (NaN).
    """
    table = pd.read_parquet(folder / "wrmsse_weights_scales.parquet").query("level <= 9").set_index("series")
    window = "eval" if cutoff == EVALUATION else "validation"
    found = pd.DataFrame({"weight": table[f"weight_{window}"], "scale": table[f"scale_{window}"]})
    if cutoff not in (VALIDATION, EVALUATION):
        found["scale"] = float("nan")
    return found.rename_axis("series_id")


def vn2(folder: Path) -> pd.DataFrame:
    """599 store-products by week; a week out of stock is not known."""
    keys = ["Store", "Product"]
    wide, flags = (pd.read_csv(folder / name).set_index(keys) for name in (SALES, IN_STOCK))
    weeks = sorted(name for name in wide.columns if name[:2] == "20")
    known = flags.reindex(index=wide.index, columns=weeks).astype("boolean").fillna(True).astype(bool)
    long = wide[weeks].where(known).rename_axis("date", axis=1).stack(future_stack=True).rename("sales").reset_index()
    long["series_id"] = long["Product"].astype(str) + "@" + long["Store"].astype(str)
    long["date"] = pd.to_datetime(long["date"])
    return _from_first_sale(long.assign(level=SINGLE)[["series_id", "level", "date", "sales"]])


def store_item(folder: Path) -> pd.DataFrame:
    """500 store-items by day."""
    raw = pd.read_parquet(folder / "sales.parquet")
    name = "item " + raw["item"].astype(str) + "@store " + raw["store"].astype(str)
    frame = raw.assign(series_id=name, level=SINGLE, date=pd.to_datetime(raw["date"]))
    return frame[["series_id", "level", "date", "sales"]]


def rossmann(folder: Path) -> pd.DataFrame:
    """1,115 stores by day; a closed day is not known, and not scored."""
    raw = pd.read_parquet(folder / "sales_open_days.parquet")
    frame = raw.assign(
        series_id="store " + raw["Store"].astype(str),
        level=SINGLE,
        date=pd.to_datetime(raw["Date"]),
        sales=raw["Sales"],
        promo=raw["Promo"].astype(float),
        school_holiday=raw["SchoolHoliday"].astype(float),
        open=1.0,  # days without a row are closed, and peers get 0 there
    )
    return frame[["series_id", "level", "date", "sales", "promo", "school_holiday", "open"]]


def carparts(folder: Path) -> pd.DataFrame:
    """2,674 spare parts by month."""
    raw = pd.read_parquet(folder / "sales_monthly.parquet")
    frame = raw.assign(series_id=raw["part_id"].astype(str), level=SINGLE, date=pd.to_datetime(raw["month"] + "-01"))
    return frame[["series_id", "level", "date", "sales"]]


def _from_first_sale(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the rows before a series' first sale."""
    first = frame[frame["sales"] > 0].groupby("series_id")["date"].min().rename("first")
    known = frame.join(first, on="series_id")
    return known[known["date"] >= known["first"]].drop(columns="first").reset_index(drop=True)


PARTS: dict[str, tuple[Part, ...]] = {
    "m5": (
        Part("m5 levels 1-9", "m5", "day", ("source.options.level=aggregates",), m5_aggregates),
        Part("m5 991 series", "m5", "day", ("source.options.level=bottom",), m5_bottom),
    ),
    "vn2": (Part("vn2", "vn2", "week", (), vn2),),
    "store_item": (Part("store_item", "store_item", "day", (), store_item),),
    "rossmann": (Part("rossmann", "rossmann", "day", (), rossmann, ("promo", "school_holiday", "open")),),
    "carparts": (Part("carparts", "carparts", "month", (), carparts),),
}
"""Data set -> its parts."""

__all__ = ["CALENDAR", "PARTS", "Part", "folder_of", "m5_weights"]
