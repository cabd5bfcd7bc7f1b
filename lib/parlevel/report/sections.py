"""The report's sections: what each says in its title, and the figures and tables it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from parlevel.config import Config
from parlevel.report import charts, data, fans
from parlevel.report.warehouse import Warehouse
from parlevel.report.words import Words, day, less_or_more, number, plural, share, text, units

Block = dict[str, Any]

WHY = {"high volume": "High volume: ", "large error": "Large error: ", "intermittent": ""}
HARD_WAPE = 0.8
"""Above this WAPE the report says why it is high by nature."""


@dataclass
class Section:
    """One section: its anchor, its name in the menu, a title that says what one sees, and its blocks."""

    id: str
    short: str
    title: str
    lead: str = ""
    note: str = ""
    tiles: list[Block] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def figure(svg: str, title: str, note: str = "", css: str = "", legend: Sequence[str] = ()) -> Block:
    """A chart with its caption; `svg` is this package's own markup."""
    return {"svg": Markup(svg), "title": title, "note": note, "css": css, "legend": list(legend)}


def table(heads: str, rows: Sequence[Sequence[Any]], title: str = "", kind: str = "table") -> Block:
    """A table; `heads` are separated by |, a leading # marks numbers, ! what narrow screens leave out."""
    columns = []
    for head in heads.split("|"):
        css = " ".join(name for mark, name in (("#", "n"), ("!", "wide")) if mark in head[:2])
        columns.append({"head": head.lstrip("#!"), "css": css})
    return {"kind": kind, "columns": columns, "rows": rows, "title": title, "text": ""}


def headline(house: Warehouse, cfg: Config, say: Words) -> Section:
    """What a manager reads first."""
    rows = {row["policy"]: row for row in data.policies(house)}
    plan, base = rows.get(cfg.replenish.policy), rows.get(cfg.evaluate.baseline)
    order, score = data.orders(house), data.forecast_score(house)
    out = Section("headline", "Headline", "What the plan is worth")
    tiles = []
    if plan and base:
        change = less_or_more(plan["total_cost"], base["total_cost"])
        out.title = (
            f"The plan would have cost {change} than the history-based policy"
            if base["total_cost"] and change != "the same"
            else f"The plan would have cost {say.money(plan['total_cost'])}, the history-based policy "
            f"{say.money(base['total_cost'])}"
        )
        out.lead = (
            f"Simulated over {plural(plan['cutoffs'], 'past period')} of {say.periods(plan['n_periods'])} with "
            f"{plural(plan['n_series'], 'series', 'series')}: {cfg.replenish.policy} {say.money(plan['total_cost'])}, "
            f"{cfg.evaluate.baseline} {say.money(base['total_cost'])} (holding, shortage and order cost)."
        )
        better = plan["total_cost"] <= base["total_cost"]
        saved = base["total_cost"] - plan["total_cost"]
        tiles.append(_tile("Cost against history-based policy", say.money(-saved), f"{change}", better))
        tiles += [
            _versus("Fill rate", plan["fill_rate"], base["fill_rate"], "units met from stock", True),
            _versus("Stockout rate", plan["stockout_rate"], base["stockout_rate"], "periods with unmet demand", False),
        ]
    if score and score["wape"] is not None:
        tiles.append(_error_tile(score["wape"], data.accuracy(house), cfg))
    best = next(iter(data.accuracy(house)), None)
    if best and best["coverage_90"] is not None:
        note = f"actuals inside the 90 % interval, {best['model']} model{'s' * (best['model'] == 'chosen')}"
        tiles.append(_tile("Interval coverage", share(best["coverage_90"]), note))
    if order:
        lines = f"{plural(order['lines'], 'line')}, {plural(order['suppliers'], 'supplier')}"
        tiles.append(_tile(f"To order on {day(order['day'])}", say.money(order["value"]), lines))
    out.tiles = tiles
    if order.get("assumed"):
        out.note = (
            "This data set has no stock or supply terms of its own: a documented rule made them, and their rows are "
            "marked assumed. Money on this page shows how policies compare, not what this retailer would have saved."
        )
    return out


def _error_tile(wape: float, rows: Sequence[data.Row], cfg: Config) -> Block:
    """The loss of the whole distribution, since orders need all of it; WAPE, of one number a period, beside it."""
    where = f"newest held-back fold; WAPE {share(wape)}"
    if not rows or rows[0]["wql"] is None:
        return _tile("Forecast error (WAPE)", share(wape), "newest held-back fold")
    change = _change_to_floor(rows, cfg)
    note = f"quantile loss, {change + ', ' if change else ''}{where}"
    return _tile("Forecast error (WQL)", number(rows[0]["wql"], 3), note, " less than " in change if change else None)


def _change_to_floor(rows: Sequence[data.Row], cfg: Config) -> str:
    """How the first row's quantile loss compares with the model that every series could fall back to."""
    best = rows[0]
    floor = next((row for row in rows if row["model"] == cfg.train.floor and row is not best), None)
    return f"{less_or_more(best['wql'], floor['wql'])} than {floor['model']}" if floor and floor["wql"] else ""


def _tile(what: str, figure_: str, note: str, good: bool | None = None) -> Block:
    return {"what": what, "number": figure_, "note": note, "css": {True: "good", False: "bad", None: ""}[good]}


def _versus(what: str, mine: float | None, theirs: float | None, note: str, more_is_better: bool) -> Block:
    known = mine is not None and theirs is not None and mine != theirs
    good = (mine > theirs) == more_is_better if known else None  # type: ignore[operator]
    return _tile(what, share(mine), f"{note}; history-based {share(theirs)}", good)


def forecast_fans(house: Warehouse, cfg: Config, say: Words) -> Section:
    """A dozen series with their past and their future."""
    chosen = fans.fan_series(house, cfg.report.fans)
    drawn = fans.fans(house, cfg, chosen)
    about = data.overview(house)
    out = Section("forecasts", "Forecasts", "Demand that is expected, and how sure it is")
    if not drawn:
        out.lead = "No forecast in this run."
        return out
    total = about.get("demand")
    out.title = (
        f"{units(total)} units expected in {say.periods(about['horizon'])} from {day(about['first_day'])}, "
        f"over {plural(about['n_series'], 'series', 'series')}"
    )
    out.lead = (
        f"{plural(len(drawn), 'series', 'series')}: high volume, intermittent, and those with the largest errors. "
        f"Hover for the numbers of a {cfg.calendar.period}."
    )
    names = (
        '<span><i class="stroke ink"></i>demand</span><span><i class="dash k5"></i>forecast made before it was known'
        '</span><span><i class="stroke k0"></i>expected demand</span><span><i class="band50"></i>middle half</span>'
        '<span><i class="band90"></i>9 of 10</span><span><i class="k1" style="width:7px;height:7px;border-radius:50%">'
        "</i>not counted (stockout, closed, unknown)</span>"
    )
    out.blocks.append({"kind": "legend", "html": Markup(names)})
    rows = {row["series_id"]: row for row in chosen}
    pictures = []
    for series, fan in drawn.items():
        row = rows[series]
        expected = sum(fan.mean)
        note = (
            f"{(WHY[row['why']] + row['pattern']).capitalize()}, class {row['velocity']}; {row['model']}"
            f"{' as fallback' if row['fallback'] else ''}. Sold {units(row['recent_mean'])} a {say.period} lately, "
            f"{units(expected)} units expected in {say.periods(len(fan.mean))}."
        )
        label = f"Demand and forecast of {series}"
        svg = charts.fan(fan, f"units per {say.period}", label)
        pictures.append(figure(svg, f"{text(row['name'] or series)} · {series}", note))
    out.blocks.append({"kind": "figures", "figures": pictures})
    return out


def accuracy(house: Warehouse, cfg: Config, say: Words) -> Section:
    """How good the forecasts were on periods the models had not seen."""
    rows = data.accuracy(house)
    out = Section("accuracy", "Accuracy", "How good the forecasts were")
    if not rows:
        out.lead = "No accuracy in this run."
        return out
    best = rows[0]
    who = "the chosen models" if best["model"] == "chosen" else f"model {best['model']}"
    change = _change_to_floor(rows, cfg)
    out.title = f"Quantile loss of {who}: {number(best['wql'], 3)}{', ' + change if change else ''}"
    out.lead = (
        "On the newest held-back fold, which had no say in which model each group chose ('chosen', one or a blend of "
        "two): every forecast was made without the periods it is judged by. WAPE = sum of absolute "
        "errors / sum of demand. MASE and RMSSE: error against a naive forecast of the same series, below 1 is better. "
        "Bias > 0 = forecast too high. WQL judges the whole distribution. Coverage = share of actuals inside the "
        "interval."
    )
    out.note = _cautions(rows)
    body = [
        [r["model"], share(r["wape"]), number(r["mase"]), number(r["rmsse"]), units(r["mae"]), units(r["rmse"]),
         share(r["bias_share"]), number(r["wql"], 3), share(r["coverage_50"]), share(r["coverage_90"]), number(r["n"])]
        for r in rows
    ]  # fmt: skip
    heads = (
        "model|#WAPE|#MASE|#RMSSE|#!MAE, units|#!RMSE, units|#bias|#WQL|#!50 % covered|#90 % covered|#!periods scored"
    )
    out.blocks.append(table(heads, body))
    models = [row["model"] for row in rows]
    out.blocks.append({"kind": "figures", "figures": _accuracy_figures(house, models, say)})
    groups = data.accuracy_by(house, "group", 40)
    body = [
        [r["segment_value"], r["model"], share(r["wape"]), number(r["mase"]), number(r["rmsse"]),
         share(r["bias_share"]), share(r["coverage_90"]), number(r["n"])]
        for r in groups
    ]  # fmt: skip
    if body:
        heads = "group|model|#WAPE|#MASE|#!RMSSE|#bias|#!90 % covered|#!periods scored"
        out.blocks.append(table(heads, body, f"Accuracy of {len({r[0] for r in body})} groups", "details"))
    return out


def _cautions(rows: Sequence[data.Row]) -> str:
    """What a reader could take the wrong way in these numbers."""
    notes = []
    if rows[0]["wape"] is not None and rows[0]["wape"] > HARD_WAPE:
        notes.append(
            "Most periods here sell nothing: a WAPE near 100 % is what even a good forecast gets, since a forecast of "
            "zero has exactly that. Judge by WQL, RMSSE and what the plan costs."
        )
    if len({row["n"] for row in rows}) > 1:
        notes.append("A model that was offered to some series only is judged on those: see the periods scored.")
    return " ".join(notes)


def _accuracy_figures(house: Warehouse, models: Sequence[str], say: Words) -> list[Block]:
    pictures = []
    steps = data.accuracy_by(house, "step", 400)
    if steps:
        series = {
            model: sorted((float(r["segment_value"]), r["wape"]) for r in steps if r["model"] == model and r["wape"])
            for model in models
        }
        svg = charts.lines(series, (f"{say.period}s ahead", "WAPE"), "WAPE by forecast step and model")
        pictures.append(figure(svg, "Error by how far ahead one looks", "WAPE per forecast step", legend=models))
    levels = data.reliability(house)
    if levels:
        series = {m: [(r["level"], r["value"]) for r in levels if r["model"] == m] for m in models}
        note = (
            "Share of actuals at or below each quantile. Counts of units sit above the line at low levels: many "
            "actuals are exactly zero, and so is the quantile."
        )
        svg = charts.reliability(series, "Reliability of the quantiles by model")
        pictures.append(figure(svg, "Are the quantiles right?", note, legend=models))
    by_class = _dots(house, models, ("pattern", "velocity"), 12)
    if by_class:
        svg = charts.dots(by_class, "WAPE", "WAPE by demand pattern and velocity class")
        pictures.append(figure(svg, "Error by demand pattern and velocity class", "WAPE; A sells most", legend=models))
    by_group = _dots(house, models, ("group",), 14)
    if by_group:
        svg = charts.dots(by_group, "WAPE", "WAPE by group")
        pictures.append(figure(svg, "Error by group", "WAPE; the groups with most periods", legend=models))
    return pictures


def _dots(
    house: Warehouse, models: Sequence[str], kinds: Sequence[str], limit: int
) -> list[tuple[str, dict[str, float | None]]]:
    """(segment, model -> WAPE) for the segments of some kinds."""
    out: list[tuple[str, dict[str, float | None]]] = []
    for kind in kinds:
        rows = {(r["segment_value"], r["model"]): r["wape"] for r in data.accuracy_by(house, kind, limit)}
        names = list(dict.fromkeys(name for name, _ in rows))
        prefix = "" if len(kinds) == 1 else f"{kind} "
        found = [(f"{prefix}{name}", {model: rows.get((name, model)) for model in models}) for name in names]
        out += [(name, by) for name, by in found if any(value is not None for value in by.values())]
    return out
