"""Transfers between stores where moving stock costs less than what it saves.

Problem data: surplus and shortage per node (units), value of a unit at the short node, lanes with cost and capacity.
Decision: whole cases on lanes. Constraints: no node sends more than its surplus or receives more than its shortage,
capacities. Objective: maximise sum (value saved - value given up - unit cost) x units.
A min-cost flow with a node for stock that stays where it is; its integrality is that of flows.
Source: Ahuja, Magnanti & Orlin (1993), "Network Flows", ch. 9; solved by OR-Tools' SimpleMinCostFlow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.network.model import Network
from parlevel.domain.replenish.rounding import SLACK
from parlevel.errors import DataError, SolverError

# Costs are integers for the solver: money times this.
SCALE = 10_000


@dataclass(frozen=True)
class Transfers:
    """`units` (n_lanes,) moved; `saving` money, after the cost of moving."""

    units: Floats
    saving: float


def transfers(
    network: Network, surplus: Floats, shortage: Floats, given_up: Floats, saved: Floats, case_pack: float = 1.0
) -> Transfers:
    """The transfers that save most.

    Args:
        network: nodes and lanes; unit_cost and capacity of the lanes count.
        surplus: (n_nodes,) units that a node can spare.
        shortage: (n_nodes,) units that a node is expected to miss before its next receipt.
        given_up: (n_nodes,) money that a spare unit is worth where it is.
        saved: (n_nodes,) money that a unit saves where it is missed.
        case_pack: units; transfers are whole cases.

    Raises:
        DataError: a negative surplus or shortage.
        SolverError: the solver ended without an optimum.
    """
    if (surplus < 0).any() or (shortage < 0).any():
        raise DataError("surplus and shortage must be >= 0 units. Got a negative one.")
    spare = np.floor(surplus / case_pack + SLACK).astype(np.int64)
    need = np.floor(shortage / case_pack + SLACK).astype(np.int64)
    gain = np.array(
        [
            saved[t] - given_up[s] - lane.unit_cost
            for lane, s, t in zip(network.lanes, network.source, network.target, strict=True)
        ]
    )
    room = np.array([lane.capacity for lane in network.lanes]) / case_pack
    units = np.zeros(len(network.lanes))
    if not network.lanes:
        return Transfers(units, 0.0)
    useful = np.flatnonzero((gain > 0) & (spare[network.source] > 0) & (need[network.target] > 0))
    if len(useful):
        units[useful] = case_pack * _flow(network, spare, need, gain, np.minimum(room, spare.sum()), useful)
    return Transfers(units, float(units @ gain))


def _flow(network: Network, spare: Ints, need: Ints, gain: Floats, room: Floats, useful: Ints) -> Floats:
    """(n_useful,) cases on the useful lanes: source -> sender -> receiver -> sink, and past them all at no cost."""
    from ortools.graph.python import min_cost_flow

    n = len(spare)
    source, sink = 2 * n, 2 * n + 1
    flow = min_cost_flow.SimpleMinCostFlow()
    arcs = [
        flow.add_arc_with_capacity_and_unit_cost(
            int(network.source[lane]), n + int(network.target[lane]), int(room[lane]), -round(gain[lane] * SCALE)
        )
        for lane in useful
    ]
    for node in range(n):
        flow.add_arc_with_capacity_and_unit_cost(source, node, int(spare[node]), 0)
        flow.add_arc_with_capacity_and_unit_cost(n + node, sink, int(need[node]), 0)
    total = int(spare.sum())
    flow.add_arc_with_capacity_and_unit_cost(source, sink, total, 0)
    flow.set_node_supply(source, total)
    flow.set_node_supply(sink, -total)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise SolverError(f"the min-cost flow of transfers must end with an optimum. Got status {status}.")
    return np.array([flow.flow(arc) for arc in arcs], np.float64)
