"""Bad series among good ones: do the good ones' forecasts move, and what becomes of the bad one?

    python benchmarks/bad_series.py --json FILE              # parlevel and the peers that are installed
    python benchmarks/bad_series.py --systems parlevel mlforecast --cases infinite --series 10

Each case puts one damaged series into the good ones' category, and a group of three such series beside it. The
pipeline (source `tables`, stages sources to forecast) and the peers get the same rows. Compared is every
number of the good series' forecasts with those of a run without the bad ones: bit by bit.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from bad_series_peers import PEERS, Answer
from measure import save, show
from parlevel.config import Config, load
from parlevel.errors import ParlevelError
from parlevel.pipeline.runner import run
from parlevel.schemas import STAGES
from parlevel.spark.session import get_session
from parlevel.spark.tables import Tables

ROOT = Path(__file__).parent.parent
DAYS, HORIZON = 400, 14
GOOD, BAD = "good", "bad"
SPIKE = 100.0
OURS = "parlevel"


def frame(values: np.ndarray, name: str, group: str) -> pd.DataFrame:
    """Rows of one series, one a day."""
    dates = pd.date_range("2017-09-30", periods=len(values), freq="-1D")[::-1]
    return pd.DataFrame({"product_id": name, "group": group, "date": dates, "sales": values.astype(float)})


def ten_missing(rows: pd.DataFrame) -> pd.DataFrame:
    """Ten rows whose sales are empty."""
    return rows.assign(sales=rows["sales"].mask(rows.index.isin(range(200, 300, 10))))


def all_missing(rows: pd.DataFrame) -> pd.DataFrame:
    """Every row's sales are empty."""
    return rows.assign(sales=np.nan)


def all_zero(rows: pd.DataFrame) -> pd.DataFrame:
    """Never sold."""
    return rows.assign(sales=0.0)


def three_values(rows: pd.DataFrame) -> pd.DataFrame:
    """The last three days only."""
    return rows.tail(3)


def duplicate_spike(rows: pd.DataFrame) -> pd.DataFrame:
    """One date twice, the second time with a hundred times the sales."""
    again = rows.iloc[[300]].assign(sales=lambda one: one["sales"] * SPIKE + SPIKE)
    return pd.concat([rows, again])


def ten_missing_days(rows: pd.DataFrame) -> pd.DataFrame:
    """Ten days in a row without a record."""
    return rows.drop(index=range(300, 310))


def infinite(rows: pd.DataFrame) -> pd.DataFrame:
    """Three infinite values."""
    return rows.assign(sales=rows["sales"].mask(rows.index.isin([250, 260, 270]), np.inf))


CASES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    each.__name__: each
    for each in (ten_missing, all_missing, all_zero, three_values, duplicate_spike, ten_missing_days, infinite)
}


def good_and_raw(folder: Path, n: int) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Rows of n good series, and the sales of four more to be damaged: item-stores of the Store Item data."""
    sales = pd.read_parquet(folder / "store_item" / "sales.parquet")
    wide = sales.pivot_table(index="date", columns=["item", "store"], values="sales", aggfunc="sum").tail(DAYS)
    chosen = [wide.iloc[:, k * 7 % wide.shape[1]].to_numpy() for k in range(n + 4)]
    return pd.concat([frame(v, f"good{k:02d}", GOOD) for k, v in enumerate(chosen[:n])]), chosen[n:]


def damaged(case: str, raw: list[np.ndarray]) -> pd.DataFrame:
    """One bad series among the good ones, three in a group of their own."""
    parts = [CASES[case](frame(raw[0], "bad0", GOOD))]
    return pd.concat(parts + [CASES[case](frame(v, f"bad{k}", BAD)) for k, v in enumerate(raw[1:], 1)])


def configure(folder: Path) -> Config:
    """The pipeline on the files in a folder, small enough to be run once a case."""
    (folder / "bad.yaml").write_text(
        f"""
paths: {{warehouse: {folder}/warehouse, report: {folder}/report.html}}
source:
  name: tables
  options:
    tables:
      sales: {{path: {folder}/sales.parquet}}
      products: {{path: {folder}/products.parquet}}
calendar: {{cutoff: 2017-09-30, horizon: {HORIZON}, holidays: false}}
train:
  min_group_series: 3
  folds: 2
  fold_step: {HORIZON}
  group_by: [category]
  candidates: [{{model: seasonal_naive}}, {{model: forest}}, {{model: boosting, parameters: {{rounds: 40}}}}]
forecast: {{max_failed_share: 1.0}}
"""
    )
    return load([ROOT / "conf" / "base.yaml", folder / "bad.yaml"])


def parlevel(spark: SparkSession, rows: pd.DataFrame) -> Answer:
    """Stages sources to forecast; forecasts of every series and what the tables say about them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows[["product_id", "date", "sales"]].to_parquet(folder / "sales.parquet", coerce_timestamps="us")
        products = rows[["product_id", "group"]].drop_duplicates().rename(columns={"group": "category"})
        products.to_parquet(folder / "products.parquet")
        cfg = configure(folder)
        try:
            done = run(spark, cfg, stages=STAGES[: STAGES.index("forecast") + 1])
        except ParlevelError as error:
            return Answer({}, {}, f"{type(error).__name__}: {error}")
        tables = Tables(spark, cfg, done.run_id, done.outputs)
        made = tables.read("forecast").toPandas().sort_values(["series_id", "step"])
        status = tables.read("forecast_status").toPandas()
        failures = tables.read("failures").toPandas()
    numbers = {
        key.split("@")[0]: np.column_stack([part["demand_mean"], np.stack(part["demand_quantiles"])])
        for key, part in made.groupby("series_id")
    }
    said = {row.series_id.split("@")[0]: f"{row.model}: {row.reason}" for row in status.itertuples()}
    said |= {row.series_id.split("@")[0]: f"failed: {row.reason}" for row in failures.itertuples()}
    return Answer(numbers, said)


def moved(before: Answer, after: Answer) -> tuple[int, float]:
    """Good series whose forecasts differ in any bit or are gone, and the largest change as a share of the mean."""
    n, largest = 0, 0.0
    for key in (key for key in before.forecasts if key.startswith(GOOD)):
        first, second = before.forecasts[key], after.forecasts.get(key)
        if second is None or first.shape != second.shape:
            n, largest = n + 1, float("inf")
        elif first.tobytes() != second.tobytes():
            n += 1
            largest = max(largest, float(np.abs(second - first).max() / max(np.abs(first).mean(), 1e-9)))
    return n, largest


def verdict(answer: Answer, key: str) -> str:
    """What became of a bad series, in words."""
    if answer.error:
        return answer.error[:70]
    if key not in answer.forecasts:
        return answer.said.get(key, "no row, no word")
    values = answer.forecasts[key][:, 0]
    mean = f"mean {np.nanmean(values):.3g}" if np.isfinite(values).any() else "NaN"
    return f"{mean}; {answer.said.get(key, 'not a word')}"


def _share(change: float) -> str:
    if not np.isfinite(change):
        return "gone"
    return f"{change:.1%}" if change < 10 else "over 1,000 %"


def compare(name: str, solve: Callable[[pd.DataFrame], Answer], cases: list[str], data: Any) -> list[dict[str, Any]]:
    """One row a case for one system."""
    good, raw = data
    base, out = solve(good), []
    for case in cases:
        answer = solve(pd.concat([good, damaged(case, raw)]))
        n, largest = moved(base, answer)
        row = {"system": name, "case": case, "good moved": f"{n} of {good['product_id'].nunique()}"}
        row |= {"largest": _share(largest) if n else "0", "one bad series": verdict(answer, "bad0")}
        out.append(row | {"a bad group": verdict(answer, "bad1")})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PARLEVEL_DATA", ROOT.parent / "shared/data")))
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--series", type=int, default=24, help="good series")
    parser.add_argument("--systems", nargs="+", choices=[OURS, *PEERS], default=[OURS, *PEERS])
    parser.add_argument("--json", help="write the rows to this file")
    args = parser.parse_args()
    data = good_and_raw(args.data, args.series)
    spark = get_session(load(sets=["spark.driver_memory=1g", "name=bad series"]))
    rows = []
    for name in args.systems:
        peer = PEERS.get(name, lambda rows, _, spark: parlevel(spark, rows))
        rows += compare(name, lambda rows, peer=peer: peer(rows, HORIZON, spark), args.cases, data)
    show("Bad series among good ones", rows)
    save(args.json, {"horizon": HORIZON, "days": DAYS, "rows": rows})
    spark.stop()


if __name__ == "__main__":
    main()
