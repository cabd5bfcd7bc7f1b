"""Capacitated lot sizing with setup times: Trigeiro's instances, against an integer program given the same seconds.

gap_pct is the mean of (cost - bound) / bound over all instances, bound = the integer program's; where that ended
without any plan (OR-Tools then gives no bound either), or with a weaker one, the bound of our own prices. mip_gap_pct
is the same for the integer program's plans, over the instances in which it had one that keeps the capacity.
Costs are setups and stock; the production cost is the same for every plan and left out.

    python benchmarks/lotsizing.py [--data DIR] [--instances N] [--seconds S] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

from measure import save, show
from parlevel.domain.replenish.lotsizing.improve import solve
from parlevel.domain.replenish.lotsizing.problem import read_trigeiro
from parlevel.domain.replenish.lotsizing.whole import solve_whole

DATA = Path(os.environ.get("PARLEVEL_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with inventory/trigeiro_x")
    parser.add_argument("--instances", type=int, default=0, help="this many, spread evenly; 0: all")
    parser.add_argument("--seconds", type=float, default=5.0, help="per instance, for us and for the integer program")
    parser.add_argument("--solver", default="SCIP", help="integer solver: SCIP, HIGHS or CP_SAT")
    parser.add_argument("--json", help="write the figures to this file")
    return parser.parse_args()


def choose(folder: Path, count: int) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    wanted = min(count or len(files), len(files))
    return [files[i * len(files) // wanted] for i in range(wanted)]


def one(path: Path, seconds: float, solver: str) -> dict[str, float | str]:
    problem = read_trigeiro(path.read_text())
    begin = time.monotonic()
    plan = solve(problem, seconds, solver)
    took = time.monotonic() - begin
    begin = time.monotonic()
    whole, bound = solve_whole(problem, seconds, solver)
    whole_took = time.monotonic() - begin
    best = max(bound, plan.bound)
    kept = whole is not None and whole.overtime == 0
    return {
        "instance": path.name,
        "cost": plan.cost,
        "overtime": plan.overtime,
        "bound": plan.bound,
        "own_gap_pct": 100 * plan.gap,
        "gap_pct": 100 * (plan.cost - best) / best,
        "seconds": took,
        "mip_cost": whole.cost if whole is not None and kept else float("nan"),
        "mip_bound": bound,
        "mip_gap_pct": 100 * (whole.cost - best) / best if whole is not None and kept else float("nan"),
        "mip_seconds": whole_took,
    }


def mean(rows: list[dict], key: str) -> float:
    known = [row[key] for row in rows if row[key] == row[key]]
    return sum(known) / len(known) if known else float("nan")


def summary(name: str, rows: list[dict]) -> dict[str, float | str]:
    without = [row for row in rows if row["mip_gap_pct"] != row["mip_gap_pct"]]
    both = [row for row in rows if row["mip_gap_pct"] == row["mip_gap_pct"]]
    return {
        "instances": name,
        "count": len(rows),
        "feasible": sum(row["overtime"] == 0 for row in rows),
        "gap_pct": mean(rows, "gap_pct"),
        "gap_pct where MIP has a plan": mean(both, "gap_pct"),
        "mip_gap_pct": mean(rows, "mip_gap_pct"),
        "MIP without plan": len(without),
        "own bound gap_pct": mean(rows, "own_gap_pct"),
        "seconds": mean(rows, "seconds"),
        "mip_seconds": mean(rows, "mip_seconds"),
    }


def main() -> None:
    asked = arguments()
    folder = asked.data / "inventory" / "trigeiro_x"
    if not folder.is_dir():
        sys.exit("needs the folder inventory/trigeiro_x of the reference data: --data DIR or PARLEVEL_DATA")
    rows = []
    for path in choose(folder, asked.instances):
        rows.append(one(path, asked.seconds, asked.solver))
        row = rows[-1]
        sys.stderr.write(f"{row['instance']}: gap {row['gap_pct']:.2f} %, MIP {row['mip_gap_pct']:.2f} %\n")
    classes = defaultdict(list)
    for row in rows:
        classes[row["instance"][:-1]].append(row)
    table = [summary(name, some) for name, some in sorted(classes.items())]
    total = summary("all", rows)
    show(f"Lot sizing, {asked.seconds:g} s per instance and method", [*table, total])
    figures = {
        "gap_pct": total["gap_pct"],
        "mip_gap_pct": total["mip_gap_pct"],
        "gap_pct_where_mip_has_plan": total["gap_pct where MIP has a plan"],
        "own_bound_gap_pct": total["own bound gap_pct"],
        "instances": len(rows),
        "feasible": total["feasible"],
        "mip_without_plan": total["MIP without plan"],
        "seconds": total["seconds"],
        "mip_seconds": total["mip_seconds"],
        "seconds_allowed": asked.seconds,
        "rows": rows,
    }
    save(asked.json, figures)


if __name__ == "__main__":
    main()
