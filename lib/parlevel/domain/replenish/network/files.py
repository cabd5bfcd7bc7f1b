"""Reading the guaranteed-service networks of the literature: one line per stage, its suppliers at the end."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from parlevel.domain.replenish.network.model import Lane, Network, Node
from parlevel.errors import DataError


def read_stages(lines: Iterable[str], carrying_rate: float = 1.0, added: bool = False) -> Network:
    """A network from `stage_id,lead_time,max_s_time,cost_rate,risk_pool,ext_demand_mean,ext_demand_std,...`.

    Args:
        lines: of the file; the last columns are pairs (supplying stage, units of it).
        carrying_rate: money per money of stock and period.
        added: cost_rate is what the stage adds; the stock of a stage then costs what all stages before it added too.

    Raises:
        DataError: a line with too few columns, or with a supplier without its number of units.
    """
    rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    nodes, lanes = [], []
    for row in rows[1:]:
        cells = [cell.strip() for cell in row]
        suppliers = [cell for cell in cells[8:] if cell]
        if len(cells) < 8 or len(suppliers) % 2:
            raise DataError(f"a stage has 8 columns and then pairs of supplier and units. Got {','.join(row)!r}.")
        nodes.append(_node(cells, carrying_rate))
        pairs = zip(suppliers[::2], suppliers[1::2], strict=True)
        lanes += [Lane(supplier, cells[0], float(units)) for supplier, units in pairs]
    network = Network(nodes, lanes)
    return _accumulated(network) if added else network


def _node(cells: list[str], carrying_rate: float) -> Node:
    def number(place: int, default: float) -> float:
        return float(cells[place]) if cells[place] else default

    return Node(
        name=cells[0],
        lead_time=number(1, 0.0),
        holding_cost=carrying_rate * number(3, 0.0),
        demand_mean=number(5, 0.0),
        demand_sd=number(6, 0.0),
        service_factor=number(7, 0.0),
        max_service=number(2, float("inf")),
        pooling=number(4, 2.0),
    )


def _accumulated(network: Network) -> Network:
    cost = network.column("holding_cost")
    feeds: list[list[int]] = [[] for _ in network.nodes]
    for lane, target in enumerate(network.target.tolist()):
        feeds[target].append(lane)
    for i in network.downstream_order:
        cost[i] += sum(network.lanes[lane].units * cost[network.source[lane]] for lane in feeds[i])
    nodes = [replace(node, holding_cost=float(np.float64(c))) for node, c in zip(network.nodes, cost, strict=True)]
    return Network(nodes, network.lanes)
