"""Every rule of the clean stage by name: what `quarantine` and `data_quality` say about it."""

from __future__ import annotations

from dataclasses import dataclass

from parlevel.domain.clean import flags as bits


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        table: the table it looks at; `panel` for rules on packed periods.
        name: as in the tables.
        action: quarantined, skipped, merged, filled, capped, masked, estimated, kept or flagged.
        doc: what it says, and what would be right.
        hole: a rejected value leaves its period unknown rather than without a record.
        bit: the flag that a rule on packed periods sets.
    """

    table: str
    name: str
    action: str
    doc: str
    hole: bool = False
    bit: int = 0


SALES: tuple[Rule, ...] = (
    Rule("sales", "blank_series", "quarantined", "series_id is null or blank; every row must name its series"),
    Rule("sales", "no_date", "quarantined", "no date that exists could be read; see the source's date_format"),
    Rule("sales", "impossible_date", "quarantined", "date lies before 1970 or after 2199"),
    Rule("sales", "stray_date", "quarantined", "date lies more than two years before or after all others; mend it"),
    Rule("sales", "outside_window", "skipped", "date lies before calendar.start or after the cutoff: not read"),
    Rule("sales", "unknown_series", "quarantined", "series_id is not in the table series; add it there"),
    Rule("sales", "not_finite", "quarantined", "sales are infinite; its period counts as unknown", hole=True),
    Rule("sales", "too_large", "quarantined", "sales exceed clean.max_sales; its period counts as unknown", hole=True),
    Rule("sales", "return_dropped", "quarantined", "sales are negative and clean.returns is drop"),
    Rule("sales", "duplicate_row", "quarantined", "an exact copy of a row that was kept"),
    Rule("sales", "no_value", "quarantined", "no number could be read, and another row of series and date has one"),
    Rule(
        "sales", "duplicate_key", "quarantined",
        "another row has the same series and date and other values; clean.duplicates says which one counts, if any",
        hole=True,
    ),
    Rule("sales", "unreadable", "quarantined", "its text is no number; the period counts as unknown", hole=True),
    Rule("sales", "same_period", "merged", "a further row of the same series and period: added to the first"),
)  # fmt: skip
"""Rules on rows of `sales`, in the order in which the first that fits catches a row."""

PRICES: tuple[Rule, ...] = (
    Rule("prices", "no_date", "quarantined", "date is null or could not be read"),
    Rule("prices", "not_positive", "quarantined", "price is null, not finite, zero or negative; it must be > 0"),
    Rule("prices", "unknown_series", "quarantined", "series_id is not in the table series"),
    Rule("prices", "outside_window", "skipped", "date lies after the horizon: not read"),
    Rule("prices", "duplicate_key", "quarantined", "another row of the series and date has a higher or equal price"),
)

PROMOTIONS: tuple[Rule, ...] = (
    Rule("promotions", "end_before_start", "quarantined", "end_date lies before start_date"),
    Rule("promotions", "bad_intensity", "quarantined", "intensity is not a number from 0 to 1"),
    Rule("promotions", "unknown_series", "quarantined", "series_id is not in the table series"),
    Rule("promotions", "outside_window", "skipped", "ends before calendar.start or begins after the horizon: not read"),
)

PANEL: tuple[Rule, ...] = (
    Rule(
        "panel", "gap", "filled", "no record after the first one: zero, or unknown if clean.gaps=missing", bit=bits.GAP
    ),
    Rule("panel", "missing", "masked", "no usable value: unknown, masked unless filled", bit=bits.MISSING),
    Rule("panel", "missing_filled", "filled", "unknown value replaced by clean.missing.sales", bit=bits.FILLED),
    Rule(
        "panel", "outlier", "flagged", "isolated spike beyond clean.outlier_z, no promotion or event", bit=bits.OUTLIER
    ),
    Rule("panel", "outlier_capped", "capped", "demand of a spike set to the bound; sales stay", bit=bits.CAPPED),
    Rule("panel", "stockout", "masked", "not in stock, or a run of zeros taken for it: masked", bit=bits.CENSORED),
    Rule(
        "panel", "stockout_estimated", "estimated", "demand of a stockout estimated, >= its sales", bit=bits.ESTIMATED
    ),
    Rule("panel", "closed", "masked", "location closed: demand zero, masked", bit=bits.CLOSED),
    Rule("panel", "return", "merged", "a return was recorded here or netted against these sales", bit=bits.RETURN),
    Rule(
        "panel",
        "return_unmatched",
        "flagged",
        "a return found no earlier sale: the rest is ignored, all of it if larger than all earlier sales",
        bit=bits.UNMATCHED,
    ),
)
"""Rules on packed periods; their hits are counted from the flags of the panel as it was written."""

ALL: tuple[Rule, ...] = (*SALES, *PRICES, *PROMOTIONS, *PANEL)
ROW_RULES: dict[str, tuple[Rule, ...]] = {"sales": SALES, "prices": PRICES, "promotions": PROMOTIONS}


def names(table: str, *, action: str = "", hole: bool = False) -> list[str]:
    """Names of a table's row rules with that action, or of those that leave a hole."""
    return [rule.name for rule in ROW_RULES[table] if (not action or rule.action == action) and (not hole or rule.hole)]
