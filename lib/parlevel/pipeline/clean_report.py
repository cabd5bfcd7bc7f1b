"""What the clean stage says about its rules: quarantine, data_quality, and the checks that rows add up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.domain.clean import flags as bits
from parlevel.domain.clean import rules
from parlevel.errors import DataError
from parlevel.schemas import Column, contract
from parlevel.spark.grouped import map_packed
from parlevel.spark.tables import spark_schema

KEYS = {
    "sales": ("series_id", "date"),
    "prices": ("series_id", "date"),
    "promotions": ("series_id", "start_date", "kind"),
}
COLUMNS = {name: [column.name for column in contract(name).data_columns] for name in KEYS}

Counts = dict[tuple[str | None, str], int]
"""(rule or None, status) -> rows of one table."""

FLAG_COUNTS = (
    Column("n_cells", "bigint", "packed periods"),
    Column("hits", "array<bigint>", "periods with each flag, in the order of flags.NAMES"),
)


def account(table: str) -> tuple[SparkColumn, SparkColumn]:
    """What became of a series' judged rows, as aggregates: `<table>_hits` by label, `<table>_rejected` in full."""
    rejected = F.col("_status") == "quarantined"
    names = [rule for rule, _ in labels(table) if rule]
    # few rows are caught: by which rule is looked at afterwards, not asked of every row rule by rule
    code = F.array_position(F.array(*map(F.lit, names)), F.col("_rule")).cast("tinyint")
    caught = F.collect_list(F.when(F.col("_known") & F.col("_rule").isNotNull(), code))
    codes = F.array(*(F.lit(k + 1).cast("tinyint") for k in range(len(names))))
    by_rule = F.transform(codes, lambda k: F.size(F.filter(caught, lambda x: x == k)).cast("bigint"))
    hits = F.concat(F.array(F.count_if(F.col("_known") & F.col("_rule").isNull())), by_rule)
    row = F.when(F.col("_known") & rejected, F.struct("_rule", *COLUMNS[table]))
    return hits.alias(f"{table}_hits"), F.collect_list(row).alias(f"{table}_rejected")


def labels(table: str) -> list[tuple[str | None, str]]:
    """(rule, status) of every fate that a row can have; the first is that no rule caught it."""
    return [(None, "packed"), *((rule.name, rule.action) for rule in rules.ROW_RULES[table])]


def count_rules(packed: DataFrame) -> dict[str, Counts]:
    """Rows of each table by rule and status, from the accounts of its series."""
    sums = [F.sum(F.col(f"{table}_hits")[k]) for table in KEYS for k in range(len(labels(table)))]
    row = iter(packed.agg(*sums).head(1)[0])
    found = {table: {label: int(next(row) or 0) for label in labels(table)} for table in KEYS}
    return {table: {label: n for label, n in counts.items() if n} for table, counts in found.items()}


def added(counts: Counts, judged: DataFrame) -> Counts:
    """Counts and those of further judged rows."""
    found = judged.groupBy("_rule", "_status").count().collect()  # bounded: rules x statuses
    more = {(row["_rule"], row["_status"]): int(row["count"]) for row in found}
    return {label: counts.get(label, 0) + more.get(label, 0) for label in {*counts, *more}}


def count_flags(panel: DataFrame) -> dict[str, int]:
    """Packed periods with each flag, and `cells`: all of them."""

    def count(table: pa.Table) -> pa.Table:
        flags = table["flags"].combine_chunks().flatten().to_numpy()
        hits = [int(np.count_nonzero(bits.has(flags, bit))) for bit in bits.NAMES.values()]
        return pa.table({"n_cells": [len(flags)], "hits": [hits]})

    counted = map_packed(panel.select("flags"), count, FLAG_COUNTS)
    sums = [F.sum("n_cells"), *(F.sum(F.col("hits")[k]) for k in range(len(bits.NAMES)))]
    row = counted.agg(*sums).first()
    return dict(zip(["cells", *bits.NAMES], (int(value or 0) for value in row or []), strict=True))


def quarantine(table: str, rejected: DataFrame) -> DataFrame:
    """Rejected rows, with `_rule`, as contract `quarantine`."""
    docs = F.create_map(*(F.lit(part) for rule in rules.ROW_RULES[table] for part in (rule.name, rule.doc)))
    key = F.concat_ws(" | ", *(F.coalesce(F.col(name).cast("string"), F.lit("null")) for name in KEYS[table]))
    return rejected.select(
        F.lit(table).alias("table"),
        F.col("_rule").alias("rule"),
        key.alias("row_key"),
        docs[F.col("_rule")].alias("reason"),
        F.to_json(F.struct(*COLUMNS[table])).alias("row"),
    )


def data_quality(
    spark: SparkSession, counts: Mapping[str, Counts], flags: Mapping[str, int], *, gaps: str = "zero"
) -> DataFrame:
    """Every rule with its hits, also without any, as contract `data_quality`."""
    hits = {(table, rule): n for table, found in counts.items() for (rule, _), n in found.items() if rule}
    rows = []
    for rule in rules.ALL:
        if rule.bit:
            name = next(name for name, bit in bits.NAMES.items() if bit == rule.bit)
            n_rows, n_hit = flags["cells"], flags[name]
        else:
            n_rows, n_hit = sum(counts[rule.table].values()), hits.get((rule.table, rule.name), 0)
        action = "masked" if rule.name == "gap" and gaps == "missing" else rule.action
        rows.append((rule.table, rule.name, action, n_rows, n_hit, rule.doc))
    return spark.createDataFrame(rows, spark_schema(contract("data_quality")))


def check_share(counts: Counts, limit: float) -> None:
    """Stop above the allowed share of rejected sales rows.

    Raises:
        DataError: names the rules with the most hits, and where the rows are.
    """
    read = sum(n for (_, status), n in counts.items() if status != "skipped")
    rejected = {str(rule): n for (rule, status), n in counts.items() if status == "quarantined"}
    total = sum(rejected.values())
    if read == 0:
        raise DataError(
            "sales must have rows between calendar.start and the cutoff. "
            f"Got {sum(counts.values()):,} rows, none of them there."
        )
    if total > limit * read:
        worst = ", ".join(f"{rule}: {n:,}" for rule, n in sorted(rejected.items(), key=lambda pair: -pair[1])[:3])
        raise DataError(
            f"at most clean.max_quarantined_share = {limit:.1%} of sales rows may be rejected. Got {total:,} of "
            f"{read:,} ({total / read:.1%}), by rule {worst}. Look at the table quarantine; "
            "if rows are order lines, set clean.duplicates=sum."
        )


def check_rows(read: Mapping[str, int], counts: Mapping[str, Counts], flags: Mapping[str, int], written: int) -> None:
    """What went in must be what came out.

    Args:
        read: table -> rows in it.
        counts: table -> rows by rule and status.
        flags: periods of the written panel by flag.
        written: rows written to quarantine.

    Raises:
        DataError: rows were lost or doubled.
    """
    by_status = {
        table: {status: sum(n for (_, s), n in found.items() if s == status) for status in _statuses(found)}
        for table, found in counts.items()
    }
    for table, found in by_status.items():
        if sum(found.values()) != read[table]:
            raise DataError(f"every row of {table} must be accounted for. Got {read[table]:,} rows in, {found}.")
    packed = by_status["sales"].get("packed", 0)
    if packed != flags["RECORD"]:
        raise DataError(
            f"every accepted sales row must be in the panel: {packed:,} rows accepted, {flags['RECORD']:,} periods "
            f"with a record written. Of {read['sales']:,} rows: {by_status['sales']}."
        )
    rejected = sum(found.get("quarantined", 0) for found in by_status.values())
    if rejected != written:
        raise DataError(f"every rejected row must be in quarantine: {rejected:,} rejected, {written:,} written.")


def check_series(expected: int, written: int) -> None:
    """Every series has one panel row.

    Raises:
        DataError: it has not.
    """
    if expected != written:
        raise DataError(f"every series must have one panel row. Got {expected:,} series, {written:,} rows.")


def note(n_sales: int, n_series: int, cutoff: str, n_quarantined: int, flags: Mapping[str, int]) -> str:
    """The stage in words, for the run log."""
    said = {"GAP": "gaps", "CAPPED": "spikes capped", "CENSORED": "stockouts masked", "RETURN": "touched by returns"}
    found = ", ".join(f"{flags[name]:,} {words}" for name, words in said.items() if flags[name])
    return (
        f"{n_sales:,} sales rows to {n_series:,} series up to {cutoff}, {flags['cells']:,} periods"
        f"{': ' + found if found else ''}; {n_quarantined:,} rows quarantined"
    )


def _statuses(found: Counts) -> list[str]:
    return sorted({status for _, status in found})
