"""Safety-stock placement in supply networks: the guaranteed-service networks and the 38 chains of Willems (2008).

For each chain: the cost when every stage holds stock (no optimisation), ours, and the bound of an integer program
where the chain is small enough for one. Stages hold stock at the price of everything added so far; stochastic lead
times of the chains enter by their mean, as in the files.

    python benchmarks/network.py [--data DIR] [--seconds S] [--stages N] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from measure import save, show
from parlevel.domain.replenish.network.files import read_stages
from parlevel.domain.replenish.network.general import bound_network, solve_network
from parlevel.domain.replenish.network.service import decoupled

DATA = Path(os.environ.get("PARLEVEL_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with inventory/willems2008, gsm_networks")
    parser.add_argument("--seconds", type=float, default=10.0, help="per chain, for our search and for the bound")
    parser.add_argument("--stages", type=int, default=160, help="bound chains with up to this many stages")
    parser.add_argument("--rate", type=float, default=0.3, help="money per money of stock and year")
    parser.add_argument("--json", help="write the figures to this file")
    return parser.parse_args()


def one(path: Path, asked: argparse.Namespace) -> dict[str, float | str]:
    network = read_stages(path.read_text().splitlines(), asked.rate, added=True)
    base = decoupled(network).cost
    begin = time.monotonic()
    found = solve_network(network, asked.seconds)
    took = time.monotonic() - begin
    if found.bound < 0 and len(network.nodes) <= asked.stages:
        found = bound_network(network, asked.seconds, found)
    known = found.bound >= 0
    return {
        "chain": path.stem,
        "stages": len(network.nodes),
        "lanes": len(network.lanes),
        "every stage holds": base,
        "cost": found.cost,
        "saved_pct": 100 * (1 - found.cost / base) if base else 0.0,
        "bound": found.bound if known else float("nan"),
        "gap_pct": 100 * (found.cost - found.bound) / max(found.cost, 1e-9) if known else float("nan"),
        "seconds": took,
    }


def main() -> None:
    asked = arguments()
    folder = asked.data / "inventory"
    files = [*sorted((folder / "gsm_networks").glob("*.txt")), *sorted((folder / "willems2008").glob("willems_*.csv"))]
    if not files:
        sys.exit("needs inventory/gsm_networks and inventory/willems2008 of the reference data: --data DIR")
    rows = []
    for path in files:
        rows.append(one(path, asked))
        sys.stderr.write(f"{rows[-1]['chain']}: saves {rows[-1]['saved_pct']:.1f} %, gap {rows[-1]['gap_pct']:.2f} %\n")
    show(f"Safety-stock placement, {asked.seconds:g} s", rows)
    gaps = [row["gap_pct"] for row in rows if row["gap_pct"] == row["gap_pct"]]
    figures = {
        "chains": len(rows),
        "saved_pct": sum(row["saved_pct"] for row in rows) / len(rows),
        "bounded": len(gaps),
        "gap_pct": sum(gaps) / len(gaps),
        "seconds": sum(row["seconds"] for row in rows) / len(rows),
        "rows": rows,
    }
    save(asked.json, figures)


if __name__ == "__main__":
    main()
