"""The report's section about places that supply each other."""

from __future__ import annotations

from parlevel.config import Config
from parlevel.report import data
from parlevel.report.sections import Section, table
from parlevel.report.warehouse import Warehouse
from parlevel.report.words import Words, day, number, plural, share, units

SHOWN = 40
"""Shipments that are printed: the ones cut most first, then the transfers that save most."""


def shipments(house: Warehouse, cfg: Config, say: Words) -> Section | None:
    """What leaves tomorrow; no section where places do not supply each other."""
    total, by_lane, rows = data.shipments(house, SHOWN)
    if not by_lane:
        return None
    out = Section("shipments", "Shipments", "What leaves one place for another")
    leaves, saved = day(total["ship_date"]), say.money(total["saving"])
    if total["asked"]:
        part = f"{share(total['sent'] / total['asked'])} of the units that places order from each other"
        out.title = f"{part} can be sent on {leaves}; transfers save {saved}"
    else:
        out.title = f"No place orders from another on {leaves}; transfers save {saved}"
    out.lead = (
        "Warehouses and plants are asked for what the places below them order; one that has less than that shares it "
        "fairly, in whole cases, and the order lines say so. Transfers move what one place can spare to another that "
        "is expected to miss it before a later order can arrive, where that saves more than it costs."
    )
    body = [
        [r["source_id"], r["target_id"], r["kind"], number(r["lines"]), units(r["asked"]), units(r["sent"]),
         say.money(r["cost"]), say.money(r["saving"]) if r["saving"] is not None else ""]
        for r in by_lane
    ]  # fmt: skip
    title = f"By lane, {len(body)} of {number(total['lanes'])}" if len(body) < total["lanes"] else "By lane"
    out.blocks.append(table("from|to|kind|#lines|#asked|#sent|#!cost|#saving", body, title))
    lines = [
        [r["source_id"], r["target_id"], r["name"] or r["product_id"], r["kind"], units(r["asked"]), units(r["sent"]),
         r["reason"]]
        for r in rows
    ]  # fmt: skip
    title = f"{plural(len(lines), 'line')} that {'is' if len(lines) == 1 else 'are'} cut or moved most"
    out.blocks.append(table("from|to|product|kind|#asked|#sent|!why", lines, title, "details"))
    return out
