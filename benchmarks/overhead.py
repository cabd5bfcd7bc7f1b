"""What Spark costs beside the model fits: the same groups through Spark and through plain Python processes.

    python benchmarks/overhead.py --series 3000 --days 730 [--json FILE]

Sources, clean and features run once. Then the fits and forecasts of every group run twice, by the very functions of
the stages: as the stages train and forecast in Spark (tables read and written, shuffles and all), and over Arrow
tables in a pool of as many Python processes, heaviest group first. Both include starting workers and importing
libraries; Spark's own start is left out. `spark_share_pct` is the share of Spark's wall time that the plain pool does
not need.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from measure import Cost, save, show
from parlevel.config import Config
from parlevel.pipeline import train
from parlevel.pipeline.forecast_groups import MODEL_COLUMNS, Task, forecast_rows
from parlevel.pipeline.runner import run
from parlevel.pipeline.train_groups import assignment, group_sizes, grouped
from parlevel.spark.session import ONE_THREAD, get_session
from parlevel.spark.tables import Tables
from stages import configure, sized_parser


def main() -> None:
    parser = sized_parser(__doc__, 3_000, 730)
    parser.add_argument("--cores", type=int, default=2)
    asked = parser.parse_args()
    if any(each.scope == "all" for each in configure(Path(), 1, 28, asked.set).train.candidates):
        parser.error("models learned from all groups are a job of their own: choose candidates of scope group")
    with tempfile.TemporaryDirectory() as temporary:
        cfg = configure(Path(temporary), asked.series, asked.days, [f"spark.cores={asked.cores}", *asked.set])
        spark, groups = through_spark(cfg, Path(temporary))
        plain = {
            "train": in_pool(partial(plain_train, cfg=cfg), groups, asked.cores),
            "forecast": in_pool(partial(plain_forecast, cfg=cfg), with_models(groups, cfg), asked.cores),
        }
    rows = [
        {
            "what": name,
            "Spark wall s": spark[name].wall_s,
            "plain wall s": plain[name].wall_s,
            "Spark CPU s": spark[name].cpu_s,
            "plain CPU s": plain[name].cpu_s,
        }
        for name in plain
    ]
    wall, bare = sum(row["Spark wall s"] for row in rows), sum(row["plain wall s"] for row in rows)
    share = 100 * (wall - bare) / wall
    show(f"{asked.series:,} series x {asked.days} days, {len(groups)} groups, {asked.cores} cores", rows)
    show("Spark's share", [{"of": "wall time", "%": share}])
    save(asked.json, {"spark_share_pct": share, "spark_s": wall, "plain_s": bare, "groups": len(groups), "rows": rows})


def through_spark(cfg: Config, folder: Path) -> tuple[dict[str, Cost], list[pa.Table]]:
    """Costs of the two stages in Spark, and the groups' rows, heaviest first, as Spark's tasks get them."""
    session = get_session(cfg)
    try:
        done = run(session, cfg, stages=["sources", "clean", "features"])
        costs = {}
        for name in ("train", "forecast"):
            with Cost() as costs[name]:
                done = run(session, cfg, stages=[name])
        tables = Tables(session, cfg, done.run_id, {})
        rows = grouped(tables.read("features"), tables.read("series_profile"), cfg=cfg)
        order = assignment(group_sizes(rows)).task
        rows.write.parquet(str(folder / "groups"))
    finally:
        session.stop()
    whole = pq.read_table(folder / "groups")
    found = [whole.filter(pc.equal(whole["group_id"], group)) for group in sorted(order, key=lambda name: order[name])]
    return costs, found


def plain_train(table: pa.Table, cfg: Config) -> int:
    """One group's training, as the stage's grouped function does it; rows made."""
    made = train._train(table, plain=train.spec(cfg), deep=train.spec(cfg, deep=True), period=cfg.calendar.period)
    return int(made.num_rows)


def plain_forecast(table: pa.Table, cfg: Config) -> int:
    """One group's forecast, as the stage's grouped function does it; rows made."""
    calendar, models = cfg.calendar, cfg.forecast
    levels = tuple(models.levels)
    task = Task(calendar.horizon, levels, cfg.train.floor, calendar.period, models.cold_start, models.drivers)
    return int(forecast_rows(table, task=task).num_rows)


def with_models(groups: list[pa.Table], cfg: Config) -> list[pa.Table]:
    """Each group's rows with its models as further rows, as the forecast stage gets them."""
    models = DeltaTable(str(Path(cfg.paths.warehouse) / "models")).to_pyarrow_table()
    useful = models.filter(pc.or_(models["chosen"], pc.equal(models["model"], cfg.train.floor)))
    useful = useful.select(["group_id", *MODEL_COLUMNS])
    out = []
    for rows in groups:
        own = useful.filter(pc.equal(useful["group_id"], rows["group_id"][0]))
        series = rows.append_column("is_model", pa.array([False] * rows.num_rows))
        stored = own.append_column("is_model", pa.array([True] * own.num_rows))
        out.append(pa.concat_tables([series, stored], promote_options="permissive"))
    return out


def in_pool(fn: partial[int], groups: list[pa.Table], cores: int) -> Cost:
    """Cost of `fn` over all groups in a fresh pool of processes."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    # spawn: a pool that forks after TensorFlow or Arrow threads were started may hang
    with Cost() as cost, multiprocessing.get_context("spawn").Pool(cores) as pool:
        made = sum(pool.imap_unordered(fn, groups, chunksize=1))
    if not made:
        raise RuntimeError("the plain run made no rows")
    return cost


if __name__ == "__main__":
    main()
