"""From what stores order to what their warehouse must have, and from what it has to what they get."""

from __future__ import annotations

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.network.allocate import allocate
from parlevel.domain.replenish.network.model import Network


def supply_lanes(network: Network) -> Ints:
    """(n_nodes,) the lane by which each node is supplied: the cheapest, then the fastest, then the first; -1: none."""
    chosen = np.full(len(network.nodes), -1)
    for number, lane in enumerate(network.lanes):
        target = int(network.target[number])
        known = network.lanes[chosen[target]] if chosen[target] >= 0 else None
        if known is None or (lane.unit_cost, lane.lead_time) < (known.unit_cost, known.lead_time):
            chosen[target] = number
    return chosen


def dependent_demand(network: Network, receipts: Floats) -> Floats:
    """What each node must send, period by period, so that the nodes it supplies receive what they plan.

    A receipt in period t leaves its source lane.lead_time periods before; what should have left already counts in the
    first period. Nodes that pass material on add it to what customers ask of them there, level by level.

    Args:
        network: nodes and lanes; `units` of a lane counts.
        receipts: (n_nodes, T) units that each node plans to receive from its supplier.

    Returns: (n_nodes, T) units asked of each node by the nodes it supplies.
    """
    asked = np.zeros_like(receipts)
    periods = receipts.shape[1]
    lanes = supply_lanes(network)
    for node in np.flatnonzero(lanes >= 0):
        lane = network.lanes[lanes[node]]
        leaves = np.maximum(np.arange(periods) - int(np.ceil(lane.lead_time)), 0)
        np.add.at(asked[network.source[lanes[node]]], leaves, lane.units * receipts[node])
    return asked


def ship(
    network: Network,
    available: Floats,
    wanted: Floats,
    case_pack: Floats,
    priority: Floats | None = None,
    must: Floats | None = None,
) -> Floats:
    """What leaves on each lane now: every source shares what it has fairly among the nodes it supplies.

    Args:
        network: nodes and lanes.
        available: (n_nodes,) units that each node can send.
        wanted, case_pack, priority, must: (n_nodes,) of the receiving nodes, see `allocate`; units of the receiver.

    Returns: (n_lanes,) units, of the receiver's item.
    """
    lanes = supply_lanes(network)
    sent = np.zeros(len(network.lanes))
    fed = np.flatnonzero(lanes >= 0)
    for source in np.unique(network.source[lanes[fed]]):
        nodes = fed[network.source[lanes[fed]] == source]
        factor = np.array([network.lanes[lanes[node]].units for node in nodes])
        packs = case_pack[nodes] * factor
        given = allocate(
            float(available[source]),
            wanted[nodes] * factor,
            packs,
            None if priority is None else priority[nodes],
            None if must is None else must[nodes] * factor,
        )
        # whole cases again: 33 / 1.1 is a little less than the 30 that were asked for
        sent[lanes[nodes]] = np.rint(given / packs) * case_pack[nodes]
    return sent
