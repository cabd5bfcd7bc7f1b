"""Stage `publish`: the analysts' views, the summary, the HTML report. It reads tables and writes none."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from pyspark.sql import SparkSession

from parlevel.config import Config
from parlevel.pipeline.publish_retention import remove_old
from parlevel.report.delta import is_delta
from parlevel.report.render import write_report
from parlevel.report.summary import summarise, text
from parlevel.report.views import VIEWS, View
from parlevel.report.warehouse import open_warehouse
from parlevel.schemas import STAGES, TABLES, of_stage
from parlevel.spark.old_runs import warehouse_of
from parlevel.spark.tables import Tables

log = logging.getLogger("parlevel.summary")


def existing(tables: Tables, cfg: Config) -> set[str]:
    """Names of the tables that are there. Folders are looked at directly: asking Spark takes a job per table."""
    if cfg.paths.catalog is None:
        return {name for name in TABLES if is_delta(cfg.paths.warehouse, name)}
    return {name for name in TABLES if tables.has(name)}


def transform_views(tables: Tables, there: Collection[str], views: tuple[View, ...] = VIEWS) -> Mapping[str, str]:
    """View name -> Spark SQL of its rows in this run, for the views whose tables are there.

    A table is read as the slice of the run that stands for it; `runs` is read whole. A view reads the views
    before it as subqueries, so that each stands alone.
    """
    places = {
        name: f"(SELECT * FROM {tables.reference(name)})"
        if name == "runs"
        else f"(SELECT * FROM {tables.reference(name)} WHERE run_id = '{tables.run_of(name)}')"
        for name in there
    }
    made: dict[str, str] = {}
    for view in views:
        if set(view.needs) <= {*there, *made}:
            inner = {**places, **{name: f"({sql})" for name, sql in made.items()}}
            made[view.name] = view.text("spark", inner)
    return made


def create_views(spark: SparkSession, made: Mapping[str, str], catalog: str | None) -> None:
    """Create the views: in the catalog where there is one, else as temporary views of the session."""
    for name, sql in made.items():
        if catalog is None:
            spark.sql(sql).createOrReplaceTempView(name)
        else:
            place = ".".join(f"`{part}`" for part in (*catalog.split("."), name))
            spark.sql(f"CREATE OR REPLACE VIEW {place} AS {sql}")


def run(tables: Tables, cfg: Config) -> str:
    """Create the views, log the summary, draw the report, let old runs go.

    The report reads the Delta folders without Spark; tables that a catalog manages may be out of its reach, so with
    `paths.catalog` it is left to `parlevel report`.
    """
    made = transform_views(tables, existing(tables, cfg))
    create_views(tables.spark, made, cfg.paths.catalog)
    told = [_draw(tables, cfg, f"{len(made)} views")]
    if cfg.paths.keep_runs:
        gone = remove_old(warehouse_of(cfg, tables.spark), cfg.paths.keep_runs, now=tables.run_id)
        told += [f"older runs removed: {len(gone)}"] if gone else []
    return "; ".join(told)


def _draw(tables: Tables, cfg: Config, views: str) -> str:
    """The summary in the log and the report, where they can be read; what was made, in words."""
    if cfg.paths.catalog is not None:
        return f"{views} in {cfg.paths.catalog}; no report: it is drawn from table folders, not from a catalog"
    outputs = {stage: tables.run_of(of_stage(stage)[0].name) for stage in STAGES if of_stage(stage)}
    house = open_warehouse(cfg.paths.warehouse, tables.run_id, outputs)
    place, size = write_report(cfg, house=house)
    log.info("%s", text(summarise(cfg, warehouse=house)))
    return f"{views}; report at {place} ({size / 1e6:.1f} MB)"
