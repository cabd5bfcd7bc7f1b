"""The VN2 game: six weekly orders for 599 store-products, eight weeks simulated, money counted.

    python benchmarks/vn2.py --games 8          # eight starts inside the published weeks
    python benchmarks/vn2.py --start 2024-04-08 --sales FILE --orders OUT.csv --json FILE

Each round runs the pipeline (sources to replenish, `conf/presets/vn2.yaml`) on files that hold nothing
later than the week just ended. Beside it play the organiser's policy (seasonal mean of 13 weeks, four
weeks' cover) and an order for exactly what will sell. A start at the last published week plays from
the published stock; an earlier one from the stock that eight weeks of the organiser's policy leave.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from measure import Cost, save, show
from parlevel.config import load
from parlevel.errors import ConfigError, DataError, ParlevelError
from parlevel.pipeline.runner import run
from parlevel.schemas import STAGES
from parlevel.sources.vn2 import HOLDING, IN_STOCK, SALES, SHORTAGE, STATE
from parlevel.spark.session import get_session
from parlevel.spark.tables import Tables

ROOT = Path(__file__).parent.parent
ORDERS, WEEKS, WARM_UP, SPACING = 6, 8, 8, 8
KEYS = ["Store", "Product"]

Units = NDArray[np.float64]


@dataclass
class Shelf:
    """Stock of every item at the end of a week: on hand, and what arrives in the next two weeks."""

    on_hand: Units
    next_week: Units
    week_after: Units

    def play(self, demand: Units, order: Units) -> tuple[Shelf, float, float]:
        """Place `order` (arrives in three weeks), then live through one week of `demand`.

        Returns: the shelf at the week's end, its holding cost and its shortage cost.
        """
        stock = self.on_hand + self.next_week
        sold = np.minimum(stock, demand)
        left = stock - sold
        after = Shelf(left, self.week_after, order)
        return after, HOLDING * float(left.sum()), SHORTAGE * float((demand - sold).sum())

    @property
    def position(self) -> Units:
        """Units on hand and on order."""
        return self.on_hand + self.next_week + self.week_after


@dataclass(frozen=True)
class Weeks:
    """The published form: items as rows, weeks as columns."""

    items: pd.DataFrame
    dates: list[str]
    sales: Units
    in_stock: NDArray[np.bool_]

    def at(self, date: str) -> int:
        """Column of a week."""
        if date not in self.dates:
            raise DataError(f"--start must be a week in the file, {self.dates[0]} to {self.dates[-1]}. Got {date!r}.")
        return self.dates.index(date)


Policy = Callable[[int, Shelf], Units]


def read(folder: Path, sales: Path | None) -> Weeks:
    """Sales and availability; weeks that the availability file lacks count as available."""
    wide = pd.read_csv(sales or folder / SALES)
    missing = [key for key in KEYS if key not in wide]
    dates = sorted(name for name in wide.columns if name[:2] == "20")
    if missing or len(dates) < WEEKS + 52:
        raise DataError(
            f"{sales or SALES} must have the columns Store, Product and one a week, at least {WEEKS + 52}. "
            f"Got {len(dates)} weeks; missing {missing}."
        )
    flags = wide[KEYS].merge(pd.read_csv(folder / IN_STOCK), on=KEYS, how="left").reindex(columns=dates)
    known = flags.astype("boolean").fillna(True).to_numpy(dtype=bool)
    return Weeks(wide[KEYS], dates, wide[dates].fillna(0.0).to_numpy(float), known)


def organiser(weeks: Weeks) -> Policy:
    """Seasonal mean of 13 weeks (chain-wide week-of-year factors), order up to four weeks' cover."""

    def order(now: int, shelf: Shelf) -> Units:
        seen = weeks.sales[:, : now + 1]
        numbers = pd.to_datetime(pd.Index(weeks.dates)).isocalendar().week.to_numpy().astype(int)
        ahead = pd.date_range(weeks.dates[now], periods=5, freq="7D")[1:].isocalendar().week.to_numpy().astype(int)
        total = seen.sum(axis=0)
        factor = {w: total[numbers[: now + 1] == w].mean() / total.mean() for w in set(numbers[: now + 1])}
        season = np.array([factor[w] for w in numbers[: now + 1]])
        level = (seen[:, -13:] / np.maximum(season[-13:], 1e-9)).mean(axis=1)
        cover = level * sum(factor.get(w, 1.0) for w in ahead)
        return np.maximum(np.rint(cover - shelf.position), 0.0)

    return order


def clairvoyant(weeks: Weeks) -> Policy:
    """What three weeks from now will sell and nothing on the shelf will cover: no forecast does better."""

    def order(now: int, shelf: Shelf) -> Units:
        left = shelf.on_hand
        for ahead, due in ((1, shelf.next_week), (2, shelf.week_after)):
            left = np.maximum(left + due - weeks.sales[:, now + ahead], 0.0)
        return np.maximum(weeks.sales[:, now + 3] - left, 0.0)

    return order


def pipeline(weeks: Weeks, data: str | None, work: Path, sets: list[str]) -> Policy:
    """parlevel: the first order of the plan made from files that end with the current week."""

    def order(now: int, shelf: Shelf) -> Units:
        folder = work / weeks.dates[now]
        folder.mkdir(parents=True, exist_ok=True)
        seen = weeks.dates[: now + 1]
        for name, values in (("sales", weeks.sales), ("in_stock", weeks.in_stock)):
            frame = pd.DataFrame(values[:, : now + 1], columns=seen)
            pd.concat([weeks.items, frame], axis=1).to_csv(folder / f"{name}.csv", index=False)
        columns = {
            "End Inventory": shelf.on_hand,
            "In Transit W+1": shelf.next_week,
            "In Transit W+2": shelf.week_after,
        }
        weeks.items.assign(**columns).to_csv(folder / "state.csv", index=False)
        options = [f"source.options.{name}={folder / f'{name}.csv'}" for name in ("sales", "in_stock", "state")]
        options += [f"source.options.data_dir={data}"] if data else []
        cfg = load(
            [ROOT / "conf" / "base.yaml", ROOT / "conf" / "presets" / "vn2.yaml"],
            [f"paths.warehouse={work / 'warehouse'}", *options, *sets],
        )
        spark = get_session(cfg)
        result = run(spark, cfg, stages=STAGES[: STAGES.index("replenish") + 1])
        tables = Tables(spark, cfg, result.run_id, result.outputs)
        plan = tables.read("order_plan")
        first = plan.agg({"order_date": "min"}).head()[0]
        rows = plan.where(plan["order_date"] == first).select("series_id", "order_qty").toPandas()
        ids = weeks.items["Product"].astype(str) + "@" + weeks.items["Store"].astype(str)
        return rows.set_index("series_id")["order_qty"].reindex(ids).to_numpy()

    return order


def opening(weeks: Weeks, start: int, folder: Path) -> Shelf:
    """The stock to start from: published for the last published week, else eight weeks of the organiser's policy."""
    state = pd.read_csv(folder / STATE)
    if weeks.dates[start] == STATE.split(" - ")[1]:
        own = weeks.items.merge(state, on=KEYS, how="left")
        return Shelf(*(own[c].to_numpy(float) for c in ("End Inventory", "In Transit W+1", "In Transit W+2")))
    first = start - WARM_UP
    week = np.rint(weeks.sales[:, first - 12 : first + 1].mean(axis=1))
    shelf, policy = Shelf(2 * week, week, week), organiser(weeks)
    for now in range(first, start):
        shelf = shelf.play(weeks.sales[:, now + 1], policy(now, shelf))[0]
    return shelf


def play(weeks: Weeks, start: int, shelf: Shelf, policy: Policy) -> tuple[float, float, Units]:
    """One game: (holding cost, shortage cost, orders (n, 6))."""
    holding = shortage = 0.0
    orders = []
    for week in range(WEEKS):
        order = policy(start + week, shelf) if week < ORDERS else np.zeros(len(shelf.on_hand))
        if week < ORDERS:
            orders.append(order)
        shelf, held, short = shelf.play(weeks.sales[:, start + week + 1], order)
        holding, shortage = holding + held, shortage + short
    return holding, shortage, np.stack(orders, axis=1)


def starts(weeks: Weeks, start: str | None, games: int) -> list[int]:
    """Columns to start from: the one asked for, else the newest that leave eight weeks to play, eight apart."""
    last = len(weeks.dates) - 1 - WEEKS
    if start:
        if weeks.at(start) > last:
            raise DataError(
                f"a game needs the sales of the {WEEKS} weeks after its start. {start} leaves "
                f"{len(weeks.dates) - 1 - weeks.at(start)}: give a --sales file with more weeks, or an earlier --start."
            )
        return [weeks.at(start)]
    return [last - SPACING * k for k in range(games)][::-1]


def main() -> None:
    args = _arguments()
    data = Path(args.data or ROOT.parent / "shared" / "data")
    folder = data if (data / SALES).is_file() else data / "vn2"
    weeks = read(folder, args.sales)
    rows, work = [], Path(tempfile.mkdtemp(prefix="vn2-"))
    for start in starts(weeks, args.start, args.games):
        shelf = opening(weeks, start, folder)
        with Cost() as cost:
            held, short, orders = play(weeks, start, shelf, pipeline(weeks, args.data, work, args.set))
        base = sum(play(weeks, start, shelf, organiser(weeks))[:2])
        best = sum(play(weeks, start, shelf, clairvoyant(weeks))[:2])
        rows.append(
            {"start": weeks.dates[start], "parlevel": held + short, "holding": held, "shortage": short,
             "organiser": base, "perfect": best, "saved_pct": 100 * (1 - (held + short) / base), "seconds": cost.wall_s}
        )  # fmt: skip
        show(f"VN2 game from {weeks.dates[start]}", rows[-1:])
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "start"}
    mean["saved_pct"] = 100 * (1 - mean["parlevel"] / mean["organiser"])
    show("VN2: cost of eight weeks, money", [*rows, {"start": "mean", **mean}])
    if args.orders:
        named = pd.DataFrame(orders.astype(int), columns=[f"Order {k + 1}" for k in range(ORDERS)])
        pd.concat([weeks.items, named], axis=1).to_csv(args.orders, index=False)
    save(args.json, {"games": rows, **mean})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder that holds vn2/ (default: ../shared/data)")
    parser.add_argument("--sales", type=Path, help="wide sales file, may hold more weeks (default: the published)")
    parser.add_argument("--start", help="last week known at the first order, YYYY-MM-DD; default: --games starts")
    parser.add_argument("--games", type=int, default=8, help="games inside the published weeks, eight weeks apart")
    parser.add_argument("--orders", type=Path, help="write the (last) game's orders to this CSV file")
    parser.add_argument("--set", action="append", default=[], help="a setting laid over the preset, section.key=value")
    parser.add_argument("--json", help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except (ParlevelError, ConfigError) as error:
        raise SystemExit(f"vn2: {error}") from None
