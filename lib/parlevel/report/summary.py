"""What a run ends with in the terminal: rows per table, plan against history-based policy, what to look at next."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from parlevel.config import Config
from parlevel.config.data import Paths
from parlevel.report import data
from parlevel.report.warehouse import Warehouse, open_warehouse
from parlevel.schemas import STAGES, TABLES

QUERY = "SELECT name, location_id, order_qty, order_value, reason FROM orders_today ORDER BY order_value DESC LIMIT 10"
"""A query to try."""

KEPT = "limits:kept"
"""Segment of the groups that stage evaluate played with their limits."""


@dataclass(frozen=True)
class Kpi:
    """One key figure: its name, what the plan and the baseline got, and which is better."""

    name: str
    plan: str
    baseline: str
    change: str
    better: bool | None


@dataclass(frozen=True)
class Summary:
    """What a run left behind.

    Attributes:
        run_id: the run.
        counts: (stage, table, rows of this run).
        policy: the plan's policy.
        baseline: the policy it is compared with.
        kpis: the comparison over the simulated cutoffs.
        limits: the same where groups keep their limits, in a line; empty if no group was played with them.
        warehouse: folder of the Delta tables, one folder each.
        report: where the HTML report is; None if it was not drawn.
        command: a question to the tables to try; None if there is no order plan yet.
    """

    run_id: str
    counts: tuple[tuple[str, str, int], ...]
    policy: str
    baseline: str
    kpis: tuple[Kpi, ...]
    limits: str
    warehouse: str
    report: str | None
    command: str | None


# name, column of policy_costs, "money", "share" or "number", and whether more is better (None: neither)
_KPIS = (
    ("total cost", "total_cost", "money", False),
    ("holding cost", "holding_cost", "money", False),
    ("shortage cost", "shortage_cost", "money", False),
    ("order cost", "order_cost", "money", False),
    ("fill rate", "fill_rate", "share", True),
    ("stockout rate", "stockout_rate", "share", False),
    ("turnover per year", "turnover", "number", True),
    ("days of supply", "days_of_supply", "number", False),
    ("replenishment accuracy", "replenishment_accuracy", "share", True),
    ("nervousness", "nervousness", "share", False),
    ("mean stock value", "stock_value", "money", False),
    ("order lines", "orders", "count", None),
)


def summarise(
    cfg: Config, run_id: str | None = None, warehouse: Warehouse | None = None, last: str = STAGES[-1]
) -> Summary:
    """Look at a run's tables.

    Args:
        cfg: the configuration.
        run_id: the run; None: the newest.
        warehouse: its tables, if they are open already.
        last: stage that it ended with; what later stages of other runs made stays out.

    Raises:
        DataError: there is no warehouse, or no such run.
    """
    house = warehouse or open_warehouse(cfg.paths.warehouse, run_id)
    reached = STAGES[: STAGES.index(last) + 1]
    stages = [(TABLES[name].stage, name) for name in house.tables if TABLES[name].stage in reached]
    counts = tuple((stage, name, house.count(name)) for stage, name in stages)
    report = Path(cfg.paths.report)
    return Summary(
        run_id=house.run_id,
        counts=counts,
        policy=cfg.replenish.policy,
        baseline=cfg.evaluate.baseline,
        kpis=compare(house, cfg) if "evaluate" in reached else (),
        limits=with_limits(house, cfg) if "evaluate" in reached else "",
        warehouse=str(cfg.paths.warehouse),
        report=str(report) if report.is_file() and "publish" in reached else None,
        command=command(cfg) if house.has("orders_today") and "replenish" in reached else None,
    )


def command(cfg: Config) -> str:
    """A question to the tables as it can be pasted: with the program as it was called, and where the tables are."""
    called = sys.argv[0] if Path(sys.argv[0]).name == "parlevel" else "parlevel"
    root = cfg.paths.warehouse
    where = "" if root == Paths().warehouse else f" --set {shlex.quote('paths.warehouse=' + root)}"
    return f'{called} sql "{QUERY}"{where}'


def compare(house: Warehouse, cfg: Config) -> tuple[Kpi, ...]:
    """The key figures of the plan's policy beside the baseline's; empty before the evaluate stage."""
    if not house.has("policy_costs"):
        return ()
    rows = {row["policy"]: row for row in house.rows("SELECT * FROM policy_costs WHERE segment = 'all'")}
    plan, base = rows.get(cfg.replenish.policy), rows.get(cfg.evaluate.baseline)
    if plan is None or base is None:
        return ()
    out = []
    for name, column, kind, more_is_better in _KPIS:
        mine, theirs = plan[column], base[column]
        known = mine is not None and theirs is not None
        change = _change(mine, theirs, kind) if known else ""
        better = None if more_is_better is None or not known or mine == theirs else (mine > theirs) == more_is_better
        out.append(Kpi(name, _text(mine, kind, cfg), _text(theirs, kind, cfg), change, better))
    return tuple(out)


def with_limits(house: Warehouse, cfg: Config) -> str:
    """The plan's policy beside the baseline where groups keep what their items share, in a line."""
    for row in data.policies_by_segment(house, cfg.replenish.policy, cfg.evaluate.baseline, limits=True):
        if row["segment"] == KEPT:
            plan, base = (_text(row[name], "money", cfg) for name in ("plan_cost", "base_cost"))
            served = [_text(row[name], "share", cfg) for name in ("plan_fill", "base_fill")]
            return (
                f"with minimums, trucks and capacities kept, {row['n_series']:,} series of whole supplier groups: "
                f"{plan} against {base} ({_change(row['plan_cost'], row['base_cost'], 'money') or '-'}), fill rate "
                f"{served[0]} against {served[1]}"
            )
    return ""


def text(summary: Summary) -> str:
    """The summary as plain text, for jobs and logs."""
    lines = [f"run {summary.run_id}", "", f"{'stage':<10} {'table':<18} {'rows':>12}"]
    lines += [f"{stage:<10} {name:<18} {rows:>12,}" for stage, name, rows in summary.counts]
    if summary.kpis:
        lines += ["", f"{'':<24} {summary.policy:>14} {summary.baseline:>14} {'change':>10}"]
        lines += [f"{kpi.name:<24} {kpi.plan:>14} {kpi.baseline:>14} {kpi.change:>10}" for kpi in summary.kpis]
        lines += [summary.limits] if summary.limits else []
    lines += ["", f"tables  {summary.warehouse}/ (Delta, one folder each)"]
    lines += [f"report  {summary.report}"] if summary.report else []
    lines += ["", "try:", f"  {summary.command}"] if summary.command else []
    return "\n".join(lines) + "\n"


def _text(value: float | None, kind: str, cfg: Config) -> str:
    if value is None:
        return "-"
    if kind == "money":
        return f"{cfg.report.currency}{value:,.0f}"
    if kind == "share":
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if kind == "count" else f"{value:,.1f}"


def _change(mine: float, theirs: float, kind: str) -> str:
    """Per cent for amounts, percentage points for shares."""
    if kind == "share":
        return f"{100 * (mine - theirs):+.1f} pp"
    return f"{100 * (mine / theirs - 1):+.1f} %" if theirs else ""
