"""What leaves tomorrow: each node shares what it has among the places that ordered; places help each other out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from parlevel.domain.periods import to_date
from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.job import Job
from parlevel.domain.replenish.network.echelon import ship
from parlevel.domain.replenish.network.model import Lane, Network, Node
from parlevel.domain.replenish.network.spare import Movable, Played, play
from parlevel.domain.replenish.network.transfer import transfers
from parlevel.domain.replenish.packed import Items, unpack
from parlevel.domain.replenish.rounding import packs_down
from parlevel.domain.replenish.text import number
from parlevel.schemas import Column, arrow_schema, contract

TRANSFER = "transfer"

WAYS: tuple[Column, ...] = (
    Column("source_item", "string", "the node that supplies it; null: it is bought outside"),
    Column("units", "double", "units that leave the node for one that arrives"),
    Column("lane_kind", "string", "of the lane from it"),
    Column("lane_cost", "double", "of the lane from it", "money / unit"),
    Column("lane_capacity", "double", "of the lane from it; null: no limit", "units"),
    Column("source_available", "double", "what the node has today and owes nobody", "units"),
    Column("helpers", "array<string>", "items of the product from which a transfer lane leads here"),
    Column("helper_lead", "array<int>", "periods on each of those lanes"),
    Column("helper_cost", "array<double>", "of each of those lanes", "money / unit"),
    Column("helper_capacity", "array<double>", "of each of those lanes; null: no limit", "units"),
)
"""What rows of items say of the ways on which they are supplied, beside `PACKED` and `LINES`."""

SHIPMENTS = contract("shipments").data_columns


class _Way(NamedTuple):
    """A transfer lane between two items, by position: periods on it, money a unit, units at most."""

    source: int
    target: int
    lead: int
    cost: float
    capacity: float


def share(rows: pa.Table, job: Job) -> pa.Table:
    """Rows of `shipments` of whole products.

    Args:
        rows: planned items that a node supplies or that a transfer lane touches: columns `PACKED`, `LINES`, `WAYS`.
        job: what all groups share.
    """
    rows = rows.combine_chunks().sort_by([("content_key", "ascending"), ("series_id", "ascending")])
    products = np.array(rows["product_id"].to_pylist(), object)
    made: list[dict[str, Any]] = []
    for name in sorted(set(products.tolist())):
        part = rows.take(pa.array(np.flatnonzero(products == name)))
        items, ordered = unpack(part, job.settings.horizon), _first(part)
        found, sent = _distribute(part, items, ordered, job)
        made += found
        if any(part["helpers"].to_pylist()):
            made += _transfer(part, items, sent, job)
    return pa.Table.from_pylist(made, schema=arrow_schema(SHIPMENTS))


def _first(rows: pa.Table) -> Floats:
    """(n,) units ordered tomorrow."""
    pairs = zip(rows["line_steps"].to_pylist(), rows["line_qty"].to_pylist(), strict=True)
    return np.array([sum(q for s, q in zip(steps or [], units or [], strict=True) if s == 0) for steps, units in pairs])


def _distribute(rows: pa.Table, items: Items, ordered: Floats, job: Job) -> tuple[list[dict[str, Any]], Floats]:
    """Rows of what the nodes of one product send, and (n,) units that are sent of each item's order."""
    sources, ids = rows["source_item"].to_pylist(), rows["series_id"].to_pylist()
    fed = [k for k, source in enumerate(sources) if source is not None and ordered[k] > 0]
    if not fed:
        return [], ordered
    factor = np.array([rows["units"][k].as_py() for k in fed])
    capacity = np.array([_or_inf(rows["lane_capacity"][k].as_py()) for k in fed])
    case = items.terms.case_pack[fed]
    wanted = np.minimum(ordered[fed], packs_down(capacity, case) * case)
    names, at = np.unique([sources[k] for k in fed], return_inverse=True)
    network = Network(
        [Node(f"from {name}") for name in names] + [Node(f"to {ids[k]}") for k in fed],
        [Lane(f"from {names[s]}", f"to {ids[k]}", float(u)) for s, k, u in zip(at, fed, factor, strict=True)],
    )
    has = np.zeros(len(names))
    has[at] = [max(float(rows["source_available"][k].as_py()), 0.0) for k in fed]
    none, ones = np.zeros(len(names)), np.ones(len(names))
    sent = ship(
        network,
        np.concatenate([has, np.zeros(len(fed))]),
        np.concatenate([none, wanted]),
        np.concatenate([ones, case]),
        must=np.concatenate([none, np.minimum(items.state.backorders[fed], wanted)]),
    )
    arriving = ordered.copy()
    arriving[fed] = sent
    total, count = np.bincount(at, factor * wanted), np.bincount(at)
    made = []
    for s, k, lane, most, given in zip(at, fed, capacity, wanted, sent, strict=True):
        place = items.names["supplier_id"][k]
        why = _words(place, ordered[k], most, given, lane, has[s], total[s], count[s])
        cost = float(given * (rows["lane_cost"][k].as_py() or 0.0))
        lead = int(items.terms.lead_time[k])
        made.append(_row(rows, k, place, rows["lane_kind"][k].as_py(), (ordered[k], given, cost, None), lead, why, job))
    return made, arriving


def _words(place: str, asked: float, most: float, sent: float, lane: float, has: float, total: float, n: int) -> str:
    """Why a place gets what it gets."""
    if sent >= asked:
        return f"{place} sends all that is ordered."
    parts = [f"the lane from {place} carries at most {number(lane)} a period"] if most < asked else []
    if sent < most:
        who = "this order" if n == 1 else f"{n} orders, shared fairly in whole cases"
        parts.append(f"{place} has {number(has)} for the {number(total)} of {who}")
    return "; ".join(parts) + "."


def _transfer(rows: pa.Table, items: Items, sent: Floats, job: Job) -> list[dict[str, Any]]:
    """Rows of what places of one product send each other."""
    ids, place = rows["series_id"].to_pylist(), items.names["location_id"]
    played = play(items, sent, job.settings)
    spare = played.spare()
    missing, ways = _in_time(played, spare.units, _ways(rows, items))
    if not ways:
        return []
    network = Network(
        [Node(name) for name in ids],
        [Lane(ids[way.source], ids[way.target], 1.0, way.lead, way.cost, way.capacity) for way in ways],
    )
    moved = transfers(network, spare.units, missing.units, spare.worth, missing.worth)
    made = []
    for (source, target, lead, cost, _), units in zip(ways, moved.units.tolist(), strict=True):
        if units > 0:
            gain = units * (float(missing.worth[target]) - float(spare.worth[source]) - cost)
            why = (
                f"{place[target]} is expected to miss {number(missing.units[target])} before a later order can arrive, "
                f"{place[source]} can spare {number(spare.units[source])}: moving {number(units)} saves "
                f"{number(round(gain, 2))} after a cost of {number(round(units * cost, 2))}."
            )
            figures = (float(missing.units[target]), units, units * cost, gain)
            made.append(_row(rows, target, place[source], TRANSFER, figures, lead, why, job))
    return made


def _ways(rows: pa.Table, items: Items) -> list[_Way]:
    """Transfer lanes between the items, but those that bring goods no sooner than the next order does."""
    at = {name: k for k, name in enumerate(rows["series_id"].to_pylist())}
    columns = (rows[name].to_pylist() for name in ("helpers", "helper_lead", "helper_cost", "helper_capacity"))
    return [
        _Way(at[source], k, int(lead), float(cost), _or_inf(capacity))
        for k, lanes in enumerate(zip(*columns, strict=True))
        for source, lead, cost, capacity in zip(*(column or [] for column in lanes), strict=True)
        if source in at and lead < items.terms.protection_interval[k]
    ]


def _in_time(played: Played, spare: Floats, ways: list[_Way]) -> tuple[Movable, list[_Way]]:
    """What each place misses that comes in time, and the ways on which it does.

    The longer goods are on their way, the less they save. So each place counts on its lanes up to the lead time at
    which these together save most, and on no slower one.
    """
    units, worth, most = np.zeros(len(spare)), np.zeros(len(spare)), np.zeros(len(spare))
    last = np.full(len(spare), -1)
    for lead in sorted({way.lead for way in ways}):
        missing, there = played.missing(lead), np.zeros(len(spare))
        for way in ways:
            there[way.target] += min(spare[way.source], way.capacity) if way.lead <= lead else 0.0
        saved = np.minimum(missing.units, there) * missing.worth
        better = saved > most
        units, worth = np.where(better, missing.units, units), np.where(better, missing.worth, worth)
        most, last = np.where(better, saved, most), np.where(better, lead, last)
    return Movable(units, worth), [way for way in ways if spare[way.source] > 0 and way.lead <= last[way.target]]


def _row(
    rows: pa.Table,
    k: int,
    source: str,
    kind: str,
    figures: tuple[float, float, float, float | None],
    lead: int,
    reason: str,
    job: Job,
) -> dict[str, Any]:
    """A row of `shipments` to item `k`; figures are asked, sent, cost and saving."""
    leaves, arrives = to_date(np.array([job.cutoff + 1, job.cutoff + 1 + lead]), job.period)
    asked, sent, cost, saving = figures
    return {
        "source_id": source, "target_id": rows["location_id"][k].as_py(), "product_id": rows["product_id"][k].as_py(),
        "ship_date": leaves.item(), "kind": kind, "series_id": rows["series_id"][k].as_py(), "asked": float(asked),
        "sent": float(sent), "cost": cost, "saving": saving, "receipt_date": arrives.item(), "reason": reason,
    }  # fmt: skip


def _or_inf(value: float | None) -> float:
    return float("inf") if value is None else float(value)
