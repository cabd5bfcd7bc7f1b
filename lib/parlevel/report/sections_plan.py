"""The report's sections about orders: the plan, the stock it leads to, what it costs, how it was solved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from parlevel.config import Config
from parlevel.report import charts, data, fans
from parlevel.report.sections import Section, figure, table
from parlevel.report.warehouse import Warehouse
from parlevel.report.words import Words, day, less_or_more, number, plural, share, text, units

# heading, column of data.order_lines, kind of cell, CSS class (csv: only in the download)
ORDER_COLUMNS = (
    ("order on", "order_date", "date", "d"),
    ("supplier", "supplier_id", "text", ""),
    ("location", "location_id", "text", "csv"),
    ("series", "series_id", "text", "wide"),
    ("product", "name", "text", ""),
    ("units", "order_qty", "units", "n"),
    ("cases", "cases", "units", "n wide"),
    ("value", "order_value", "money", "n"),
    ("arrives", "receipt_date", "date", "d wide"),
    ("position", "inventory_position", "tenths", "csv"),
    ("demand over the protection interval", "protection_demand", "tenths", "csv"),
    ("safety stock", "safety_stock", "tenths", "csv"),
    ("stockout risk", "stockout_probability", "share", "n wide"),
    ("why", "reason", "text", "why"),
)
PERFECT = "perfect_forecast"
"""`optimal` with the demand that came for a forecast, as the evaluate stage plays it, whatever the policy in use."""
PRINTED = 25
"""Order lines that stand in the page without JavaScript."""
WIDE = 0.1
"""Gap to the bound above which the title of the solves says whose it is."""
PROJECTIONS = 6
"""Series whose stock is drawn."""


def policies(house: Warehouse, cfg: Config, say: Words) -> Section:
    """What each policy would have cost after past cutoffs."""
    rows = data.policies(house)
    out = Section("costs", "Cost by policy", "What each policy would have cost")
    if not rows:
        out.lead = "No policy was simulated in this run."
        return out
    first = (cfg.replenish.policy, cfg.evaluate.baseline)
    rows = sorted(rows, key=lambda row: first.index(row["policy"]) if row["policy"] in first else len(first))
    by = {row["policy"]: row for row in rows}
    plan, base = by.get(cfg.replenish.policy), by.get(cfg.evaluate.baseline)
    if plan and base:
        out.title = (
            f"The plan's policy ({plan['policy']}) costs {say.money(plan['total_cost'])}, the history-based one "
            f"({base['policy']}) {say.money(base['total_cost'])}; fill rate {share(plan['fill_rate'])} against "
            f"{share(base['fill_rate'])}"
        )
    out.lead = (
        "Each policy decided every review from what was known then, item by item without the limits that items share "
        f"(what those cost stands below), and lived through what came: {plural(rows[0]['cutoffs'], 'period')} of "
        f"{say.periods(rows[0]['n_periods'])}, {plural(rows[0]['n_series'], 'series', 'series')}, lead times and case "
        "packs included; unmet demand is lost unless the terms say otherwise."
    )
    if PERFECT in by:
        out.lead += f" {PERFECT}: optimal told the demand that came, which no forecast can beat by much."
    out.lead += (
        " Replenishment accuracy: how close the units ordered came to those that perfect knowledge would have ordered; "
        "safety stock counts against it, so more service means less of it."
    )
    parts = ("holding", "shortage", "order", *(["leftover"] if any(row["leftover_cost"] for row in rows) else []))
    bars = [(row["policy"], {part: row[f"{part}_cost"] for part in parts}) for row in rows]
    svg = charts.stacked(bars, say.currency, "Cost by policy, split into holding, shortage and order cost")
    note = f"{say.currency}, all simulated periods together"
    out.blocks.append({"kind": "figures", "figures": [figure(svg, "Where the money goes", note, legend=parts)]})
    body = [
        [r["policy"], say.money(r["total_cost"]), say.money(r["holding_cost"]), say.money(r["shortage_cost"]),
         say.money(r["order_cost"]), share(r["fill_rate"]), share(r["stockout_rate"]), number(r["turnover"], 1),
         number(r["days_of_supply"], 1), share(r["replenishment_accuracy"]), say.money(r["stock_value"])]
        for r in rows
    ]  # fmt: skip
    heads = (
        "policy|#total|#!holding|#!shortage|#!ordering|#fill rate|#stockout rate|#!turns a year|#!days of supply|"
        "#!replenishment accuracy|#!mean stock"
    )
    out.blocks.append(table(heads, body))
    out.blocks += _by_segment(house, cfg, say)
    out.blocks += _frontier(house, say)
    return out


def _frontier(house: Warehouse, say: Words) -> list[dict[str, Any]]:
    """What more service would cost, and the service asked for beside what was reached."""
    rows, blocks = data.frontier(house), []
    if rows:
        curves: dict[str, list[tuple[float, float, str]]] = {}
        for row in rows:
            curves.setdefault(row["policy"], []).append((row["spent"], row["fill_rate"], row["setting"]))
        svg = charts.frontier(curves, say.currency, "Fill rate against holding and order cost, setting by setting")
        note = (
            f"{plural(rows[0]['n_series'], 'series', 'series')} drawn by content; the same periods, other settings. "
            "Compare the points with one another: so few series are not served as all of them are (table above)"
        )
        blocks.append({"kind": "figures", "figures": [figure(svg, "What service costs", note, legend=tuple(curves))]})
        body = [
            [r["policy"], r["setting"], share(r["fill_rate"]), share(r["cycle_service_level"]), say.money(r["spent"]),
             say.money(r["shortage_cost"]), say.money(r["total_cost"]), say.money(r["point_cost"])]
            for r in rows
        ]  # fmt: skip
        heads = "policy|setting|#fill rate|#!cycles served|#holding and ordering|#!shortage|#total|#one more point"
        blocks.append(table(heads, body, "What service costs"))
    reached = data.service_reached(house)
    if reached:
        body = [
            [r["policy"], r["measure"].replace("_", " "), r["segment"].replace(":", " "), number(r["n_cycles"]),
             share(r["target"]), share(r["realised"]), number(r["points"], 1), number(r["noise"], 1)]
            for r in reached
        ]  # fmt: skip
        heads = "policy|measure|segment|#!cycles|#target|#realised|#points over|#!± by chance"
        blocks.append(table(heads, body, "Service against its target"))
    return blocks


def _by_segment(house: Warehouse, cfg: Config, say: Words) -> list[dict[str, Any]]:
    """Plan against baseline in each segment, and where groups keep what their items share, as tables."""
    heads = "segment|#!series|#cost, plan|#cost, history-based|#cost|#!fill rate, plan|#!fill rate, history-based"
    blocks = []
    shared = "Whole supplier groups, with the minimums, trucks and capacities that their items share"
    for title, limits in (("By segment", False), (shared, True)):
        found = data.policies_by_segment(house, cfg.replenish.policy, cfg.evaluate.baseline, limits=limits)
        body = [
            [_segment(r["segment"]), number(r["n_series"]), say.money(r["plan_cost"]),
             say.money(r["base_cost"]), less_or_more(r["plan_cost"], r["base_cost"]), share(r["plan_fill"]),
             share(r["base_fill"])]
            for r in (sorted(found, key=lambda row: row["segment"], reverse=True) if limits else found)
        ]  # fmt: skip
        if body:
            blocks.append(table(heads, body, title))
    return blocks


def _segment(name: str) -> str:
    """A segment in words."""
    told = {"limits:kept": "limits kept", "limits:ignored": "the same series, limits ignored"}
    return told.get(name, name.replace(":", " "))


def order_plan(house: Warehouse, cfg: Config, say: Words) -> Section:
    """The orders themselves, searchable."""
    about = data.orders(house)
    out = Section("orders", "Order plan", "What to order")
    if not about:
        out.lead = "No order plan in this run."
        return out
    rows = data.order_lines(house, cfg.report.rows)
    out.title = f"{plural(about['lines'], 'line')} worth {say.money(about['value'])} to order on {day(about['day'])}"
    out.lead = (
        f"For {plural(about['n_series'], 'series', 'series')}. Every line says why it is there; the download also has "
        "the inventory position, the demand over the protection interval and the safety stock. The plan has "
        f"{plural(about['all_lines'], 'line')} worth {say.money(about['all_value'])} over the horizon. Lines after "
        "the first order date are expected quantities: each is decided again at its review by what has sold until then."
    )
    if about["all_lines"] > len(rows):
        out.note = (
            f"Shown are the first {len(rows):,} of {about['all_lines']:,} lines (report.rows). All of them: "
            'parlevel sql "SELECT * FROM order_plan WHERE order_qty > 0" --format csv'
        )
    columns = [{"head": head, "css": css} for head, _, _, css in ORDER_COLUMNS]
    printed = [[_cell(row[name], kind, say) for _, name, kind, _ in ORDER_COLUMNS] for row in rows[:PRINTED]]
    out.blocks.append({"kind": "orders", "columns": columns, "rows": printed, "json": _embed(rows, house, cfg)})
    return out


def _embed(rows: Sequence[data.Row], house: Warehouse, cfg: Config) -> Markup:
    """The rows as JSON that is safe inside a script element."""
    cells = [[_plain(row[name], kind) for _, name, kind, _ in ORDER_COLUMNS] for row in rows]
    payload = {
        "run_id": house.run_id,
        "currency": cfg.report.currency,
        "columns": [name for _, name, _, _ in ORDER_COLUMNS],
        "kinds": [kind for _, _, kind, _ in ORDER_COLUMNS],
        "classes": [css for _, _, _, css in ORDER_COLUMNS],
        "rows": cells,
    }
    body = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        body = body.replace(sign, code)
    return Markup(body)


def _plain(value: Any, kind: str) -> Any:
    if value is None or kind == "text":
        return value
    return value.isoformat() if kind == "date" else round(float(value), 4)


def _cell(value: Any, kind: str, say: Words) -> str:
    """A cell as JavaScript would write it."""
    if value is None:
        return text(value)
    if kind == "money":
        return f"{say.currency}{value:,.2f}"
    if kind == "share":
        return share(value)
    if kind in ("units", "tenths"):
        return f"{value:,.1f}" if kind == "tenths" else f"{value:,.1f}".removesuffix(".0")
    return text(value)


def inventory(house: Warehouse, cfg: Config, say: Words) -> Section:
    """The stock that the plan leads to, for the series with the largest orders."""
    rows = fans.projections(house, PROJECTIONS)
    out = Section("inventory", "Stock", "The stock that the plan leads to")
    if not rows:
        out.lead = "No projection in this run."
        return out
    out.lead = (
        f"The {len(rows)} series with the largest orders: expected stock with the range that holds in 9 of 10 cases, "
        "and receipts (open orders and planned ones) as bars. The range takes into account that later orders are "
        "revised at each review to what has sold."
    )
    pictures = []
    for row in rows:
        label = f"Stock projection of {row['series_id']}"
        parts = {name: row[name] for name in ("stock_mean", "stock_low", "stock_high", "receipts", "lost_mean")}
        days = row["days"][: len(row["stock_mean"])]
        lost = sum(row["lost_mean"])
        note = (
            f"{plural(row['orders'], 'order')} of {units(row['units'])} units worth {say.money(row['value'])}; "
            f"{units(lost)} units of demand expected to be lost"
        )
        pictures.append(figure(charts.projection(days, parts, label), _named(row), note))
    legend = (
        '<span><i class="stroke k0"></i>expected stock</span><span><i class="band90"></i>9 of 10 cases</span>'
        '<span><i class="k2"></i>receipts</span>'
    )
    out.blocks += [{"kind": "legend", "html": Markup(legend)}, {"kind": "figures", "figures": pictures}]
    return out


def _named(row: data.Row) -> str:
    """A series by its name and, since names repeat, its id."""
    return f"{row['name']} · {row['series_id']}" if row["name"] else str(row["series_id"])


def solves(house: Warehouse, cfg: Config, say: Words) -> Section:
    """How each supplier's orders were solved."""
    by_status, rows = data.solves(house)
    out = Section("solves", "Solves", "How the orders were solved")
    if not rows:
        out.lead = "No solve in this run."
        return out
    total = sum(row["solves"] for row in by_status)
    good = sum(row["solves"] for row in by_status if row["status"] in ("optimal", "feasible"))
    gaps = [row for row in by_status if row["worst_gap"] is not None]
    worst = max(gaps, key=lambda row: row["worst_gap"], default=None)
    whole = next((row for row in rows if row["supplier_id"] == "*"), None)
    tail = ""
    if whole and whole["gap"] is not None:
        tail = f"; the whole plan costs at most {share(whole['gap'], 2)} more than any plan must"
    if worst and worst["worst_gap"] > WIDE:
        tail += f"; largest gap to the bound {share(worst['worst_gap'])}, supplier {worst['worst_supplier']}"
    elif worst and not tail:
        tail = f"; largest gap {share(worst['worst_gap'], 2)}"
    out.title = f"{good:,} of {plural(total, 'supplier group')} solved within all constraints{tail}"
    out.lead = (
        "One solve per supplier and location. Gap = how much the plan could cost above the proven bound at most. "
        "Relaxed = constraints that gave way because nothing met them all, with amounts. Supplier * = the limits that "
        "all suppliers share."
    )
    body = [
        [r["status"], number(r["solves"]), number(r["items"]), share(r["worst_gap"], 2), number(r["seconds"], 1),
         say.money(r["order_value"])]
        for r in by_status
    ]  # fmt: skip
    out.blocks.append(table("status|#groups|#series|#largest gap|#solve seconds|#ordered over the horizon", body))
    body = [
        [r["supplier_id"], r["location_id"], number(r["n_items"]), r["status"], say.money(r["objective"]),
         say.money(r["bound"]), share(r["gap"], 2), number(r["seconds"], 1), "; ".join(r["relaxed"] or []) or "nothing",
         r["reason"]]
        for r in rows
    ]  # fmt: skip
    heads = "supplier|location|#series|status|#expected cost|#!bound|#gap|#!seconds|relaxed|!what the solver said"
    shown = f"The {len(rows):,} solves to look at first" if total > len(rows) else f"All {total:,} solves"
    out.blocks.append(table(heads, body, shown, "details" if len(rows) > 25 else "table"))
    return out
