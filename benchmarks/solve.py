"""Orders for a whole supply network under one budget: gap to the bound and certified item solves per second and core.

The network is generated (solve_data.py); the solve is the stage's own `transform`: every supplier's items in one
Spark task (dynamic programme per item, column generation for the supplier's minimum and trucks), prices for the
budget that all suppliers share, repair. Times include everything that the stage does for a plan: demand paths,
item models, price rounds, repairs, reasons in words, projections and writing them to disk.

    gap_pct             (objective - bound) / bound of the whole network, per cent; the bound holds for every plan
                        that keeps the budget, the minimums and the trucks
    solves_per_s_core   items of the finished plan, each with its part in the bound, per second of processor time of
                        all processes: price rounds, plans, repairs, reasons, and Spark's own work

The floor in the same run: what the items would cost without anything shared (no plan can cost less), and single items
solved by an integer program from the same cost tables, which must come to the same objective.

    python benchmarks/solve.py [--items N] [--suppliers M] [--data-seed S] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from measure import Cost, save, show
from parlevel.config import Config, load
from parlevel.domain.replenish.batch import Batch
from parlevel.domain.replenish.model import ItemModel
from parlevel.domain.replenish.packed import unpack
from parlevel.domain.replenish.plan import Settings
from parlevel.domain.replenish.shared import ANSWER, answer
from parlevel.domain.replenish.solvers import dp
from parlevel.domain.replenish.solvers.linear import Program, solve_integer
from parlevel.pipeline import replenish_solve
from parlevel.pipeline.replenish_overview import overview
from parlevel.pipeline.replenish_rows import with_limits
from parlevel.spark.grouped import apply_groups
from parlevel.spark.scratch import Scratch
from parlevel.spark.session import cores, get_session
from solve_data import block, network

SMALL = 50_000  # items up to which Spark's own work is quicker interpreted than compiled
SMALL_CONF = Path(__file__).parent.parent / "conf" / "small.yaml"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000, help="series, 1,000 to 1,000,000")
    parser.add_argument("--suppliers", type=int, default=0, help="0: one for every 100 items, 50 to 5,000")
    parser.add_argument("--weeks", type=int, default=8, help="order steps planned")
    parser.add_argument("--paths", type=int, default=64, help="demand paths an item")
    parser.add_argument("--budget", type=float, default=1.0, help="of a week / what typical orders of a week cost")
    parser.add_argument("--trucks", type=float, default=0.1, help="share of suppliers that deliver by whole trucks")
    parser.add_argument("--sample", type=int, default=40, help="items also solved by the integer program; 0: none")
    parser.add_argument("--solver", default="SCIP", help="integer solver of that floor and of the groups")
    parser.add_argument("--data-seed", type=int, default=1, help="of the network")
    parser.add_argument("--json", help="write the figures to this file")
    return parser.parse_args()


def config(asked: argparse.Namespace, folder: str) -> Config:
    """Settings of a run as a user would have them: conf/small.yaml is made for data of this size."""
    sets = [
        f"paths.warehouse={folder}",
        "calendar.period=week",
        f"calendar.horizon={asked.weeks}",
        f"replenish.n_paths={asked.paths}",
        f"replenish.solver={asked.solver}",
        "spark.driver_memory=3g",
    ]
    return load([SMALL_CONF] if asked.items <= SMALL else [], sets)


def solve(asked: argparse.Namespace, cfg: Config) -> dict[str, float | str]:
    """Generate the network, plan it, read the certificate off."""
    # the workers draw the network: they must find solve_data, too
    os.environ["PYTHONPATH"] = f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    spark = get_session(cfg)
    suppliers = asked.suppliers or int(np.clip(asked.items // 100, 50, 5000))
    data = network(spark, asked.items, suppliers, asked.weeks, asked.data_seed, asked.budget, asked.trucks)
    with Scratch(spark, cfg, "benchmark") as scratch:
        resources = scratch.keep(data[1])
        rows = scratch.keep(with_limits(data[0], resources))
        with Cost() as cost:
            plan, chain = replenish_solve.transform(rows, resources, scratch, cfg=cfg)
        report = plan.where("kind = 'plan_report'").agg(
            F.count("*").alias("groups"), F.sum("n_items").alias("items"), F.sum("objective").alias("objective"),
            F.sum("bound").alias("bound"), F.sum("seconds").alias("seconds"), F.max("seconds").alias("longest"),
        ).head(1)[0]  # fmt: skip
        status = plan.where("kind = 'plan_report'").groupBy("status").count().orderBy("status").collect()  # bounded: 5
        whole = chain.head(1)[0] if chain is not None else None
        free = unconstrained(rows, resources, cfg)
    bound = whole["bound"] if whole else report["bound"]
    objective = whole["objective"] if whole else report["objective"]
    rounds = whole["rounds"] if whole else 1
    return {
        "items": asked.items, "suppliers": suppliers, "groups": report["groups"],
        "gap_pct": 100 * (objective - bound) / bound, "objective": objective, "bound": bound,
        "unconstrained": free, "price_rounds": rounds, "prices": len(whole["prices"]) if whole else 0,
        "overdrawn": len(whole["relaxed"]) if whole else 0,
        "groups_by_status": ", ".join(f"{r['count']} {r['status']}" for r in status),
        "wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "cores": cores(spark), "peak_gib": cost.peak_gib,
        "longest_group_s": report["longest"], "group_s": report["seconds"],
        "solves_per_s_core": asked.items / cost.cpu_s, "items_per_s": asked.items / cost.wall_s,
    }  # fmt: skip


def unconstrained(rows: object, resources: object, cfg: Config) -> float:
    """Sum of all items' own optima: the floor below every bound."""
    job = replenish_solve.make_job(overview(rows).cutoff, resources, cfg)
    label = "budget@1"
    asked = partial(answer, job=job, labels=[label], points=np.zeros((1, 1)))
    answers = apply_groups(rows, ["solve_group"], asked, ANSWER)
    return float(answers.where("label = ''").agg(F.sum("priced")).head(1)[0][0])


def item_program(model: ItemModel, item: int) -> Program:
    """An item's plan as an integer program over its own cost table.

    Binary x[k, l]: level l is reached by opportunity k; arcs y[k, a, b] would be many, so orders are told by o[k]:
    the level rises at k only if o[k], and then by at least the smallest order.
    """
    levels, count = model.n_levels, int(model.time.count[item])
    nx, big = count * levels, float(levels)
    size = np.arange(levels, dtype=float)
    cost = np.concatenate([model.cost[item, :count].ravel(), np.full(count, model.terms.order_cost[item])])
    high = np.ones(nx + count)
    matrix, low, top = [], [], []
    for k in range(count):
        one = np.zeros(nx + count)
        one[k * levels : (k + 1) * levels] = 1
        rise = np.zeros(nx + count)
        rise[k * levels : (k + 1) * levels] = size
        if k:
            rise[(k - 1) * levels : k * levels] = -size
        upper, lower = rise.copy(), rise.copy()
        upper[nx + k], lower[nx + k] = -min(big, float(model.most[item, k])), -float(model.least[item])
        reach = np.zeros(nx + count)
        reach[k * levels : (k + 1) * levels] = size
        reach[nx + k] = big
        matrix += [one, upper, lower, reach]
        low += [1.0, -np.inf, 0.0, -np.inf]
        top += [1.0, 0.0, np.inf, float(model.cap[item, k]) + big]
    bottom = np.zeros(nx + count)
    return Program(cost, bottom, high, csr_matrix(np.array(matrix)), np.array(low), np.array(top), high > 0)


def floor(asked: argparse.Namespace, cfg: Config) -> dict[str, float]:
    """A sample of items by dynamic programme and by integer program, from the same tables."""
    table = block(0, min(asked.sample, 500), 50, asked.weeks, asked.data_seed)
    items = unpack(table, asked.weeks)
    job = Settings(asked.weeks, 52, n_paths=asked.paths, seed=cfg.seed)
    batch = Batch(items.state, items.forecast, items.terms, job)
    begin = time.process_time()
    ours = [dp.solve(model) for model in batch.models]
    took = time.process_time() - begin
    worst, begin = 0.0, time.process_time()
    for model, plans in zip(batch.models, ours, strict=True):
        for item in range(model.n_items):
            program = item_program(model, item)
            found = solve_integer(program, asked.solver, 1e-9, 60.0)
            value = found.value + model.sunk[item]
            worst = max(worst, abs(value - plans.priced[0, item]) / max(abs(value), 1e-9))
    mip = time.process_time() - begin
    return {
        "sample": items.n, "dp_solves_per_s_core": items.n / took,
        "dp_ms_item": 1e3 * took / items.n, "mip_ms_item": 1e3 * mip / items.n,
        "mip_over_dp": mip / took, "largest_difference_pct": 100 * worst,
    }  # fmt: skip


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        cfg = config(asked, folder)
        figures: dict[str, float | str] = solve(asked, cfg)
        show("Network under one budget", [{"figure": k, "value": v} for k, v in figures.items()])
        if asked.sample:
            beside = floor(asked, cfg)
            show("Single items: dynamic programme against integer program, the same costs", [beside])
            figures |= beside
    save(asked.json, figures)


if __name__ == "__main__":
    main()
