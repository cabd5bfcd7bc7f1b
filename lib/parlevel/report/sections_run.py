"""The report's sections about the run: worst series, data quality, failures and fallbacks, run facts."""

from __future__ import annotations

import json

import yaml

from parlevel.config import Config
from parlevel.report import charts, data
from parlevel.report.sections import Section, figure, table
from parlevel.report.warehouse import Warehouse
from parlevel.report.words import Words, day, number, plural, share, text, units


def worst(house: Warehouse, cfg: Config, say: Words) -> Section:
    """Where a planner should look with their own eyes."""
    rows = data.worst(house)
    out = Section("worst", "Worst series", "Series to look at")
    if not rows:
        out.lead = "No backtest in this run."
        return out
    out.title = f"{text(rows[0]['name'] or rows[0]['series_id'])} missed by most: {units(rows[0]['abs_error'])} units"
    out.lead = (
        f"Sum of absolute errors in the {cfg.calendar.period}s after {day(rows[0]['cutoff'])}, the newest held-back "
        "fold, by the model that each series uses."
    )
    body = [
        [r["series_id"], text(r["name"]), r["pattern"], r["model"], units(r["actual_units"]),
         units(r["forecast_units"]), units(r["abs_error"]), share(r["wape"]), number(r["mase"])]
        for r in rows
    ]  # fmt: skip
    heads = "series|product|!pattern|!model|#sold, units|#forecast, units|#absolute error, units|#WAPE|#!MASE"
    out.blocks.append(table(heads, body))
    return out


def quality(house: Warehouse, cfg: Config, say: Words) -> Section:
    """What every rule of the clean stage did."""
    rows = data.quality(house)
    out = Section("quality", "Data quality", "What was wrong with the data, and what was done")
    if not rows:
        out.lead = "No rule was counted in this run."
        return out
    hits = [row for row in rows if row["n_hit"]]
    rejected = sum(row["n_hit"] for row in rows if row["action"] == "quarantined")
    out.title = (
        f"{len(hits)} of {plural(len(rows), 'rule')} caught something; {plural(rejected, 'row')} in quarantine"
        if hits
        else f"None of {plural(len(rows), 'rule')} caught anything"
    )
    out.lead = "What went in equals what came out plus what is in quarantine; nothing is deleted."
    cells = [
        [r["table"], r["rule"], r["action"], number(r["n_hit"]), number(r["n_rows"]), share(r["share"], 2), r["doc"]]
        for r in rows
    ]
    heads = "table|rule|what was done|#caught|#!looked at|#share|!what the rule says"
    if hits:
        out.blocks.append(table(heads, cells[: len(hits)]))
    if len(rows) > len(hits):
        quiet = f"{plural(len(rows) - len(hits), 'rule')} that caught nothing"
        out.blocks.append(table(heads, cells[len(hits) :], quiet, "details"))
    return out


def failures(house: Warehouse, cfg: Config, say: Words) -> Section:
    """Every series ends somewhere: model, fallback or failure."""
    use, failed = data.model_use(house), data.failures(house)
    out = Section("fallbacks", "Fallbacks", "Which model forecasts how many series")
    if not use:
        out.lead = "No forecast in this run."
        return out
    total = sum(row["n_series"] for row in use)
    fallback = sum(row["n_series"] for row in use if row["fallback"])
    count = house.count("failures") if house.has("failures") else 0
    out.title = (
        f"{plural(total, 'series', 'series')} forecast, {fallback:,} of them ({share(fallback / total)}) by the "
        f"fallback; {count:,} without a forecast"
    )
    out.lead = (
        "Every series ends in exactly one row: a forecast by its group's model, one by the fallback, or a failure."
    )
    body = [
        [r["model"], "fallback" if r["fallback"] else "group's model", number(r["n_series"]),
         share(r["n_series"] / total), r["reason"]]
        for r in use
    ]  # fmt: skip
    out.blocks.append(table("model|role|#series|#share|commonest reason", body))
    if failed:
        body = [[r["series_id"], r["stage"], text(r["group_id"]), r["reason"]] for r in failed]
        more = f" (the first {len(failed)})" if count > len(failed) else ""
        out.blocks.append(table("series|stage|!group|what happened", body, f"Series without a forecast{more}"))
    return out


def facts(house: Warehouse, cfg: Config, say: Words) -> Section:
    """How this run came about, to repeat it."""
    rows, about = data.stages(house), data.overview(house)
    seconds = sum(row["seconds"] for row in rows if row["status"] == "done")
    done = plural(len(rows), "stage")
    out = Section("run", "Run facts", f"{done} before this report in {number(seconds / 60, 1)} minutes")
    if not rows:
        out.title = "No run log"
        return out
    out.lead = (
        f"Run {house.run_id}; code {text(about.get('code_version'))}; source {text(about.get('source'))}; cutoff "
        f"{day(about.get('cutoff'))}; seed {cfg.seed}. The same data, configuration and code give the same tables."
    )
    bars = [(row["stage"], row["seconds"]) for row in rows]
    svg = charts.bars(bars, "s", "Seconds per stage")
    out.blocks.append({"kind": "figures", "figures": [figure(svg, "Where the time went", "seconds per stage")]})
    body = [
        [r["stage"], r["status"], f"{r['seconds']:,.1f}", number(sum(r["row_counts"].values())), r["note"]]
        for r in rows
    ]
    out.blocks.append(table("stage|status|#seconds|#rows written|note", body))
    written = {name: count for row in rows for name, count in row["row_counts"].items()}
    read = {name: version for row in rows for name, version in row["input_versions"].items()}
    body = [[name, number(count), text(read.get(name))] for name, count in sorted(written.items())]
    out.blocks.append(
        table("table|#rows of this run|#Delta version read", body, "Tables and their versions", "details")
    )
    config = json.loads(about["config"]) if about.get("config") else cfg.model_dump(mode="json")
    shown = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    out.blocks.append({"kind": "details", "title": "Configuration", "text": shown})
    return out
