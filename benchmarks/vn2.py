"""The VN2 game: six weekly orders for 599 store-products, eight weeks simulated, money counted.

    python benchmarks/vn2.py                    # eight starts inside the published weeks
    python benchmarks/vn2.py --start 2024-04-08 --sales FILE --orders OUT.csv --json FILE

Each round runs the pipeline (sources to replenish, `conf/presets/vn2.yaml`) on files that hold nothing
later than the week just ended. Beside it play the organiser's policy (seasonal mean of 13 weeks, four
weeks' cover), a newsvendor who is told every item's level, the future's included, but not its chance, and an
order for exactly what will sell. Every game begins with the published stock; with `--opening inherited`, with
what eight weeks of the organiser's policy leave.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from measure import save, show
from parlevel.config import load
from parlevel.errors import DataError, ParlevelError
from parlevel.pipeline.runner import run
from parlevel.schemas import STAGES
from parlevel.sources.vn2 import SALES
from parlevel.spark.session import get_session
from parlevel.spark.tables import Tables
from vn2_game import (
    ORDERS,
    STOCK,
    WARM_UP,
    WEEKS,
    Played,
    Policy,
    Shelf,
    Units,
    Weeks,
    clairvoyant,
    inherited_shelf,
    level_known,
    organiser,
    play,
    published_shelf,
    read,
)

ROOT = Path(__file__).parent.parent
SPACING = 8  # weeks between the starts of games: they share no week
NO_DRIVERS = "forecast.drivers=false"  # what moved a forecast is for readers: no order depends on it
PLANS = STAGES[: STAGES.index("replenish") + 1]


def pipeline(data: str | None, work: Path, start: str, sets: list[str]) -> Policy:
    """parlevel: the first order of the plan made from files that end with the current week, in a game from `start`."""
    end = pd.Timestamp(start) + pd.Timedelta(weeks=WEEKS)

    def order(seen: Weeks, shelf: Shelf) -> Units:
        files = write_round(seen, shelf, work / seen.dates[-1])
        options = [f"source.options.{name}={file}" for name, file in files.items()]
        options += [f"source.options.data_dir={data}"] if data else []
        cfg = load(
            [ROOT / "conf" / name for name in ("base.yaml", "presets/vn2.yaml", "small.yaml")],
            [f"paths.warehouse={work / 'warehouse'}", f"replenish.end={end:%Y-%m-%d}", NO_DRIVERS, *options, *sets],
        )
        spark = get_session(cfg)
        result = run(spark, cfg, stages=PLANS)
        plan = Tables(spark, cfg, result.run_id, result.outputs).read("order_plan")
        today = plan.groupBy("series_id").agg({"order_date": "min"}).withColumnRenamed("min(order_date)", "order_date")
        rows = plan.join(today, ["series_id", "order_date"]).select("series_id", "order_qty").toPandas()
        found = rows.set_index("series_id")["order_qty"].reindex(_ids(seen.items))
        if found.isna().any():
            raise DataError(f"every item must have an order. Got none for {int(found.isna().sum())} items.")
        return np.rint(found.to_numpy(float))

    return order


def write_round(seen: Weeks, shelf: Shelf, folder: Path) -> dict[str, Path]:
    """The files that a round's pipeline reads: option of the source -> file."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "sales": pd.DataFrame(seen.sales, columns=seen.dates),
        "in_stock": pd.DataFrame(seen.in_stock, columns=seen.dates),
        "state": pd.DataFrame(dict(zip(STOCK, (shelf.on_hand, shelf.next_week, shelf.week_after), strict=True))),
    }
    files = {name: folder / f"{name}.csv" for name in tables}
    for name, table in tables.items():
        pd.concat([seen.items, table], axis=1).to_csv(files[name], index=False)
    return files


def starts(weeks: Weeks, start: str | None, games: int) -> list[int]:
    """Columns to start from: the one asked for, else the newest that leave eight weeks to play, eight apart."""
    if start:
        return [weeks.at(start)]
    last = len(weeks.dates) - 1 - WEEKS
    found = [last - SPACING * k for k in range(games)][::-1]
    if found[0] < 52:
        raise DataError(f"a game needs a year of sales before its start. {games} games leave {found[0] + 1} weeks.")
    return found


def one_game(weeks: Weeks, start: int, shelf: Shelf, policy: Policy) -> tuple[dict[str, object], Played]:
    """A row of the table: the pipeline beside the organiser's policy and a perfect forecast."""
    begun = time.perf_counter()
    own = play(weeks, start, shelf, policy)
    rounds = own.orders.shape[1]
    seconds = (time.perf_counter() - begun) / rounds
    base = play(weeks, start, shelf, organiser)
    row: dict[str, object] = {"start": weeks.dates[start], "rounds": rounds, "s_per_round": seconds}
    if len(weeks.dates) - 1 - start >= WEEKS:
        best, level = play(weeks, start, shelf, clairvoyant(weeks)), play(weeks, start, shelf, level_known(weeks))
        row |= {
            "parlevel": own.cost, "holding": own.holding, "shortage": own.shortage, "organiser": base.cost,
            "level_known": level.cost, "perfect": best.cost, "saved_pct": 100 * (1 - own.cost / base.cost),
        }  # fmt: skip
    return row, own


def write_orders(file: Path, items: pd.DataFrame, orders: Units) -> None:
    """Store, Product and six columns; orders that cannot be decided yet stay empty."""
    table = pd.DataFrame(index=items.index, columns=[f"Order {k + 1}" for k in range(ORDERS)], dtype="Int64")
    for k in range(orders.shape[1]):
        table[f"Order {k + 1}"] = orders[:, k].astype(np.int64)
    pd.concat([items, table], axis=1).to_csv(file, index=False)


def main() -> None:
    args = _arguments()
    data = Path(args.data or ROOT.parent / "shared" / "data")
    folder = data if (data / SALES).is_file() else data / "vn2"
    weeks = read(folder, args.sales)
    rows, work = [], Path(tempfile.mkdtemp(prefix="vn2-"))
    for start in starts(weeks, args.start, args.games):
        shelf = inherited_shelf(weeks, start) if args.opening == "inherited" else published_shelf(weeks, folder)
        row, own = one_game(weeks, start, shelf, pipeline(args.data, work, weeks.dates[start], args.set))
        rows.append(row)
        show(f"VN2 game from {weeks.dates[start]}", [row])
        if args.orders:
            write_orders(args.orders, weeks.items, own.orders)
    figures = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "start"}
    if "parlevel" in figures:
        figures["saved_pct"] = 100 * (1 - figures["parlevel"] / figures["organiser"])
        show("VN2: cost of eight weeks, money", [*rows, {"start": "mean", **figures}])
    else:
        show(f"VN2: orders of the rounds that {len(weeks.dates)} weeks decide; no game is complete", rows)
    save(args.json, {"games": rows, **figures})


def _ids(items: pd.DataFrame) -> list[str]:
    return [f"{product}@{store}" for product, store in zip(items["Product"], items["Store"], strict=True)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder that holds vn2/ (default: ../shared/data)")
    parser.add_argument("--sales", type=Path, help="wide sales file, may hold more weeks (default: the published)")
    parser.add_argument("--start", help="last week known at the first order, YYYY-MM-DD; default: --games starts")
    parser.add_argument("--games", type=int, default=8, help="games inside the published weeks, eight weeks apart")
    parser.add_argument("--opening", choices=["published", "inherited"], default="published",
                        help=f"first stock: the contest's, or what {WARM_UP} weeks of the organiser leave")  # fmt: skip
    parser.add_argument("--orders", type=Path, help="write the (last) game's orders to this CSV file")
    parser.add_argument("--set", action="append", default=[], help="a setting laid over the preset, section.key=value")
    parser.add_argument("--json", help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except ParlevelError as error:
        raise SystemExit(f"vn2: {error}") from None
