"""Forecast accuracy of parlevel, through its pipeline, and of the libraries that people use today, on the same folds.

    python benchmarks/accuracy.py --dataset m5 --peers                      # the data's last 28 days
    python benchmarks/accuracy.py --dataset store_item --windows 4 --peers lightgbm,autoets
    python benchmarks/accuracy.py --dataset m5 --part 991 --preset fast     # one part, cheaper models
    python benchmarks/accuracy.py --dataset m5 --cutoff 2016-05-22 --out FORECASTS.parquet

Every window is a run of the stages sources to forecast with `calendar.cutoff` set, as a user would run it. Peers get
the same history (`pip install 'parlevel[peers]'` for mlforecast). A peer that takes seconds a series gets some of the
series, drawn at random, and parlevel is scored on those once more. Without actuals after the cutoff the forecasts are
written and nothing is scored.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from accuracy_data import PARTS, ROOT, Part, folder_of, m5_weights
from accuracy_peers import FREQ, MOST, PEERS, complete, drawn, peers_for, task
from accuracy_score import COVERAGE, SEASON, mean_of, quantile_column, scales, score
from measure import Cost, save, show
from parlevel.config import Config, load
from parlevel.errors import ConfigError, ParlevelError
from parlevel.pipeline.runner import run
from parlevel.schemas import STAGES
from parlevel.spark.session import get_session
from parlevel.spark.tables import Tables

OURS = "parlevel"
LOSSES = ("wape", "rmsse", "wql", "scaled_pinball")
"""What the summary compares: two point losses, two quantile losses."""


def config(part: Part, args: argparse.Namespace, cutoff: pd.Timestamp | None, work: Path) -> Config:
    """The configuration of one run."""
    sets = [*part.sets, f"paths.warehouse={work / 'warehouse'}", f"train.preset={args.preset}"]
    sets += [f"calendar.cutoff={cutoff.date()}"] if cutoff is not None else []
    sets += [f"calendar.horizon={args.horizon}"] if args.horizon else []
    sets += [f"source.options.data_dir={args.data}"] if args.data else []
    files = [ROOT / "conf" / "base.yaml", ROOT / "conf" / "presets" / f"{part.preset}.yaml"]
    return load(files, [*sets, *args.set])


def pipeline(cfg: Config) -> pd.DataFrame:
    """Run the stages sources to forecast; the table `forecast`, a column per quantile."""
    spark = get_session(cfg)
    done = run(spark, cfg, stages=STAGES[: STAGES.index("forecast") + 1])
    rows = Tables(spark, cfg, done.run_id, done.outputs).read("forecast")
    found = rows.select("series_id", "date", "demand_mean", "demand_quantiles").toPandas()
    out = found[["series_id", "date", "demand_mean"]].assign(date=pd.to_datetime(found["date"]))
    names = [quantile_column(level) for level in cfg.forecast.levels]
    out[names] = np.stack(found["demand_quantiles"].to_list())
    return out


def cutoffs(actual: pd.DataFrame, part: Part, args: argparse.Namespace, horizon: int) -> list[pd.Timestamp]:
    """Cutoffs of the windows, oldest first, a horizon apart; the newest leaves a horizon of actuals, unless asked."""
    freq = FREQ[part.period]
    axis = pd.date_range(actual["date"].min(), actual["date"].max(), freq=freq)
    newest = pd.Timestamp(args.cutoff) if args.cutoff else axis[-1 - horizon]
    return [newest - k * horizon * pd.tseries.frequencies.to_offset(freq) for k in range(args.windows)][::-1]


def window(part: Part, args: argparse.Namespace, cutoff: pd.Timestamp, data: dict[str, Any]) -> list[dict[str, Any]]:
    """All models at one cutoff: their forecasts and, where there are actuals, their scores."""
    every, folder = data["actual"], data["folder"]
    work = Path(tempfile.mkdtemp(prefix="accuracy-"))
    cfg = config(part, args, cutoff, work)
    horizon = cfg.calendar.horizon
    seen = every[every["date"] <= cutoff]
    ahead = pd.date_range(cutoff, periods=horizon + 1, freq=FREQ[part.period])[1:]
    actual = every[every["date"].isin(ahead) & every["series_id"].isin(seen["series_id"])]
    rows = []
    with Cost() as cost:
        made = pipeline(cfg)
    rows.append({"model": OURS, "forecast": made, "cost": cost})
    if actual["sales"].notna().any():
        given = task(seen, every, part.period, horizon, part.known) if args.peers else None
        for name in peers_for(args.dataset, args.peers) if given else []:
            asked = drawn(given, name, args.peer_series)
            with Cost() as cost:
                found = complete(PEERS[name](asked), asked)
            rows.append({"model": name, "forecast": found, "cost": cost})
        weights = m5_weights(folder, cutoff) if "aggregates" in "".join(part.sets) else None
        rows = scored(rows, actual, scales(seen, SEASON[part.period]), weights)
    return [{"window": str(cutoff.date()), **row} for row in rows]


def scored(
    rows: list[dict[str, Any]], actual: pd.DataFrame, scale: pd.DataFrame, weights: pd.DataFrame | None
) -> list[dict[str, Any]]:
    """The rows with their score; before a peer on some series (`on` names it), parlevel on the same ones."""
    out = []
    for row in rows:
        of = actual[actual["series_id"].isin(row["forecast"]["series_id"])]
        n = of["series_id"].nunique()
        whole = n == actual["series_id"].nunique()
        for one in (row,) if whole else (rows[0], row):
            found = score(one["forecast"], of, scale, weights if whole else None)
            out.append({**one, "on": "" if whole else row["model"], "series": n, "score": found})
    return out


def tables(part: Part, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Print the mean over windows per model, and every window where a peer is better; the figures for --json."""
    summary = []
    for model, on in dict.fromkeys((row["model"], row["on"]) for row in rows):
        mine = [row for row in rows if (row["model"], row["on"]) == (model, on)]
        n = round(np.mean([row["series"] for row in mine]))
        cost = {
            f"{kind}_s": float(np.mean([getattr(row["cost"], f"{kind}_s") for row in mine])) for kind in ("cpu", "wall")
        }
        summary.append({"model": model, "series": n, **mean_of([row["score"] for row in mine]), **cost})
    n_windows = len({row["window"] for row in rows})
    show(f"{part.name}: mean of {n_windows} window(s)", [shown(row) for row in summary])
    ours = {(row["window"], row["on"]): row["score"] for row in rows if row["model"] == OURS}
    lost = [
        {"window": row["window"], "loss": loss, "peer": row["model"], "its": row["score"][loss],
         OURS: ours[row["window"], row["on"]][loss], "series": row["series"]}
        for row in rows for loss in LOSSES if row["score"][loss] < ours[row["window"], row["on"]][loss]
    ]  # fmt: skip
    if lost:
        show(f"{part.name}: windows where a peer is better", lost)
    windows = [{**{key: row[key] for key in ("window", "model", "on", "series")}, **row["score"]} for row in rows]
    return {"mean": summary, "windows": windows, "lost": lost}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the summary as it is printed: coverages of 50, 80 and 95 % in one column."""
    named = {
        "model": "model",
        "series": "series",
        "wape": "WAPE",
        "rmsse": "RMSSE",
        "wql": "WQL",
        "scaled_pinball": "pinball",
    }
    covers = {"in 50/80/95 %": "cover", "ties shared": "pit"}
    return {
        **{title: row[name] for name, title in named.items()},
        **{
            title: "/".join(f"{100 * row[f'{kind}_{width}']:.0f}" for width in COVERAGE)
            for title, kind in covers.items()
        },
        "bias": row["bias"],
        **({"wRMSSE": row["wrmsse"]} if "wrmsse" in row else {}),
        **{f"{kind} s": f"{row[f'{kind}_s']:.0f}" for kind in ("cpu", "wall")},
    }


def main() -> None:
    args = _arguments()
    folder = folder_of(args.data, args.dataset)
    figures, written = {}, []
    for part in _parts(args):
        actual = part.read(folder).sort_values(["series_id", "date"], ignore_index=True)
        level = actual.groupby("series_id")["level"].first()
        horizon = config(part, args, None, Path()).calendar.horizon
        rows = []
        for cutoff in cutoffs(actual, part, args, horizon):
            found = window(part, args, cutoff, {"actual": actual, "folder": folder})
            ours = found[0]["forecast"]
            written.append(ours.assign(level=ours["series_id"].map(level).astype(int)))
            rows += [row for row in found if "score" in row]
        if rows:
            figures[part.name] = tables(part, rows)
    if args.out:
        frame = pd.concat(written, ignore_index=True).sort_values(["level", "series_id", "date"])
        first = ["series_id", "level", "date", "demand_mean"]
        frame[[*first, *(name for name in frame if name.startswith("q"))]].to_parquet(args.out, index=False)
    save(args.json, figures)


def _parts(args: argparse.Namespace) -> list[Part]:
    """The parts of the data set that were asked for."""
    found = [part for part in PARTS[args.dataset] if args.part in part.name]
    if not found:
        raise ConfigError(f"--part must be in one of {[p.name for p in PARTS[args.dataset]]}. Got {args.part!r}.")
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", required=True, choices=list(PARTS))
    add("--part", default="", help="only the part of the data set that has this in its name, such as 991 of m5")
    add("--data", help="folder that holds the data set's folder (default: PARLEVEL_DATA, else ../shared/data)")
    add("--cutoff", help="last period known, YYYY-MM-DD (default: the data's end less the horizon)")
    add("--horizon", type=int, help="periods ahead (default: that of conf/presets)")
    add("--windows", type=int, default=1, help="cutoffs, a horizon apart, the newest as --cutoff says")
    add("--peers", nargs="?", const="all", default="", help=f"run peers: all, or any of {','.join(PEERS)}")
    add("--peer-series", type=int, help=f"series a peer gets at most (default: all; of slow ones {MOST} observations)")
    add("--preset", choices=("fast", "default", "best"), default="best", help="set of models: train.preset")
    add("--set", action="append", default=[], help="a further setting, section.key=value")
    add("--json", help="write the figures to this file")
    add("--out", help="write parlevel's forecasts to this Parquet file")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except ParlevelError as error:
        raise SystemExit(f"accuracy: {error}") from None
