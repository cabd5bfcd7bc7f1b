"""Nodes and lanes: the one description of a supply network that placement, allocation and transfers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.errors import DataError, offenders


@dataclass(frozen=True)
class Node:
    """A place that can hold stock of an item: supplier, plant, warehouse or store.

    Attributes:
        name: unique.
        lead_time: periods to make, pick or receive once everything it needs is there.
        holding_cost: money / unit / period for stock held here.
        demand_mean, demand_sd: external demand per period, units; 0 where customers do not buy here.
        service_factor: z of the demand that stock must cover here; 0 where customers do not buy here.
        inbound_service: periods until outside material is there; 0 where it is at hand.
        max_service: longest service time that may be quoted to customers or lanes, periods; inf: any.
        pooling: p of the p-norm in which demand of several customers adds up: 1 = fully dependent, 2 = independent.
    """

    name: str
    lead_time: float = 0.0
    holding_cost: float = 0.0
    demand_mean: float = 0.0
    demand_sd: float = 0.0
    service_factor: float = 0.0
    inbound_service: float = 0.0
    max_service: float = float("inf")
    pooling: float = 2.0


@dataclass(frozen=True)
class Lane:
    """A way from one node to another.

    Attributes:
        source, target: names of nodes.
        units: units of the source's item in one unit of the target's.
        lead_time: periods on the way.
        unit_cost: money per unit moved.
        capacity: units per period; inf: no limit.
    """

    source: str
    target: str
    units: float = 1.0
    lead_time: float = 0.0
    unit_cost: float = 0.0
    capacity: float = float("inf")


@dataclass(frozen=True)
class Network:
    """Nodes and lanes with their positions; nodes are numbered in the order given.

    Raises:
        DataError: a name twice, a lane to a node that is not there, or lanes that run in a circle.
    """

    nodes: Sequence[Node]
    lanes: Sequence[Lane]
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {node.name: i for i, node in enumerate(self.nodes)})
        if len(self._index) != len(self.nodes):
            names = [node.name for node in self.nodes]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise DataError(f"names of nodes must be unique. Got {offenders(twice, len(names))} twice.")
        lost = [name for lane in self.lanes for name in (lane.source, lane.target) if name not in self._index]
        if lost:
            raise DataError(f"lanes must run between nodes of the network. Got {offenders(lost)} that are none.")

    @cached_property
    def source(self) -> Ints:
        """(n_lanes,) position of each lane's source."""
        return np.array([self._index[lane.source] for lane in self.lanes], np.int64)

    @cached_property
    def target(self) -> Ints:
        """(n_lanes,) position of each lane's target."""
        return np.array([self._index[lane.target] for lane in self.lanes], np.int64)

    @cached_property
    def travel(self) -> Floats:
        """(n_lanes,) periods."""
        return np.array([lane.lead_time for lane in self.lanes], np.float64)

    def column(self, name: str) -> Floats:
        """(n_nodes,) an attribute of every node."""
        return np.array([getattr(node, name) for node in self.nodes], np.float64)

    @cached_property
    def downstream_order(self) -> list[int]:
        """Positions of the nodes, every source before its targets."""
        waits = np.bincount(self.target, minlength=len(self.nodes)) if len(self.lanes) else np.zeros(len(self.nodes))
        out: list[list[int]] = [[] for _ in self.nodes]
        for source, target in zip(self.source.tolist(), self.target.tolist(), strict=True):
            out[source].append(target)
        ready, order = [i for i in range(len(self.nodes)) if waits[i] == 0], []
        while ready:
            order.append(ready.pop())
            for target in out[order[-1]]:
                waits[target] -= 1
                if waits[target] == 0:
                    ready.append(target)
        if len(order) < len(self.nodes):
            rest = [node.name for i, node in enumerate(self.nodes) if i not in set(order)]
            raise DataError(f"lanes must not run in a circle. Got {offenders(rest, len(self.nodes))} on or behind one.")
        return order

    @cached_property
    def is_tree(self) -> bool:
        """No two ways between any two nodes, whatever the direction of the lanes."""
        root = list(range(len(self.nodes)))

        def find(i: int) -> int:
            while root[i] != i:
                root[i] = root[root[i]]
                i = root[i]
            return i

        for source, target in zip(self.source.tolist(), self.target.tolist(), strict=True):
            a, b = find(source), find(target)
            if a == b:
                return False
            root[a] = b
        return True

    @cached_property
    def longest_times(self) -> Floats:
        """(n_nodes,) periods until a node can deliver if nobody held any stock."""
        arrive, lead = self.column("inbound_service"), self.column("lead_time")
        done = np.zeros(len(self.nodes))
        feeds: list[list[int]] = [[] for _ in self.nodes]
        for lane, target in enumerate(self.target.tolist()):
            feeds[target].append(lane)
        for i in self.downstream_order:
            begin = max([arrive[i], *(done[self.source[lane]] + self.travel[lane] for lane in feeds[i])])
            done[i] = begin + lead[i]
        return done

    @cached_property
    def spread(self) -> Floats:
        """(n_nodes,) units of safety stock per square root of a period: z sd, pooled over all customers downstream."""
        own = self.column("service_factor") * self.column("demand_sd")
        total = own.copy()
        feeds: list[list[int]] = [[] for _ in self.nodes]
        for lane, source in enumerate(self.source.tolist()):
            feeds[source].append(lane)
        for i in reversed(self.downstream_order):
            power = self.nodes[i].pooling
            parts = [self.lanes[lane].units * total[self.target[lane]] for lane in feeds[i]]
            total[i] = (own[i] ** power + sum(part**power for part in parts)) ** (1 / power)
        return total
