"""What the next night costs: the whole job on a retailer's files, and the same when a day's rows were added.

    python benchmarks/update.py --series 3000 --days 730 [--json FILE]

The synthetic source draws the data once, uncounted. They lie as Parquet files which the source `tables` reads, as a
user's do; the first run finds all days but the last, the second a further file of sales with it. `train.refit_every` is
7: the second run takes groups, models and their measurement over, reads, cleans and forecasts anew, and plans.

    update_share_pct    wall time of the second run, per cent of the first's
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import duckdb
from deltalake import DeltaTable

from measure import save, show
from parlevel.config import Config, load
from stages import ROOT, configure, run_stages, sized_parser, totals

GIVEN = {
    "sales": "date, sales, in_stock",
    "prices": "date, price",
    "promotions": "start_date, end_date, kind, intensity",
}
"""Tables by series that the files hold, and their columns beside product and location."""


def main() -> None:
    parser = sized_parser(__doc__, 3_000, 730)
    parser.add_argument("--cores", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        drawn = configure(folder / "drawn", asked.series, asked.days, [f"spark.cores={asked.cores}"])
        run_stages(drawn, folder / "drawn", asked.series * asked.days, ["sources"])
        last = files(Path(drawn.paths.warehouse), folder / "files")
        cfg = job(folder, asked)
        nights = []
        for added in (False, True):
            if added:
                last.rename(folder / "files" / "sales" / last.name)
            nights.append(run_stages(cfg, folder, asked.series * asked.days, force=False))
    whole, again = (totals(night) for night in nights)
    rows = [
        {"stage": one.stage, "full wall s": one.wall_s, "update wall s": two.wall_s}
        | {"full CPU s": one.cpu_s, "update CPU s": two.cpu_s}
        for one, two in zip(*nights, strict=True)
    ]
    share = {
        "update_share_pct": 100 * again["wall_s"] / whole["wall_s"],
        "update_share_cpu_pct": 100 * again["cpu_s"] / whole["cpu_s"],
    }
    show(f"{asked.series:,} series x {asked.days:,} days on {asked.cores} cores, and a day more", rows)
    show("The update, % of the full run", [share])
    save(asked.json, {**share, "full": whole, "update": again})


def job(folder: Path, asked: argparse.Namespace) -> Config:
    """The main job on the files, with models that serve a week."""
    tables = {name: {"path": str(folder / "files" / name), "format": "parquet"} for name in (*GIVEN, "products")}
    sets = [
        "source.name=tables",
        f"source.options={{tables: {tables}}}",
        f"paths.warehouse={folder / 'warehouse'}",
        f"paths.report={folder / 'report.html'}",
        "train.refit_every=7",
        f"spark.cores={asked.cores}",
        *asked.set,
    ]
    return load([ROOT / "conf" / "base.yaml", ROOT / "conf" / "local.yaml"], sets)


def files(warehouse: Path, folder: Path) -> Path:
    """Write the tables as Parquet files; returns the file of the last day's sales, which lies beside them."""
    database = duckdb.connect()
    for name in ("series", "products", *GIVEN):
        database.register(name, DeltaTable(str(warehouse / name)).to_pyarrow_dataset())
    folder.mkdir()
    for name, columns in GIVEN.items():
        (folder / name).mkdir()
        rows = f"SELECT product_id, location_id, {columns} FROM {name} JOIN series USING (series_id)"
        if name != "sales":
            database.execute(f"COPY ({rows}) TO '{folder / name / 'all.parquet'}'")
    (folder / "products").mkdir()
    listed = "product_id, name, category, department, brand"
    database.execute(f"COPY (SELECT {listed} FROM products) TO '{folder / 'products' / 'all.parquet'}'")
    sales = f"SELECT product_id, location_id, {GIVEN['sales']} FROM sales JOIN series USING (series_id)"
    newest = folder / "newest.parquet"
    for target, which in ((folder / "sales" / "past.parquet", "<"), (newest, "=")):
        day = "(SELECT max(date) FROM sales)"
        database.execute(f"COPY ({sales} WHERE date {which} {day}) TO '{target}'")
    return newest


if __name__ == "__main__":
    main()
