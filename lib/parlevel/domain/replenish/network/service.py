"""Safety stock by guaranteed service times: every node quotes a time within which it always delivers.

A node that waits SI for its inputs, needs T to make and quotes S must cover demand over SI + T - S periods; it holds
z sd sqrt(SI + T - S). Decision: S_i, SI_i. Constraints: 0 <= S_i <= SI_i + T_i, S_i <= max_service;
SI_j >= S_i + travel on every lane i -> j; SI_i >= inbound_service. Objective: sum h_i spread_i sqrt(SI_i + T_i - S_i),
which is concave, so that the best times lie at corners: hold nothing, or cover everything since the last stock.

Trees are solved exactly by dynamic programming. Source: Graves & Willems (2000), "Optimizing strategic safety stock
placement in supply chains", Manufacturing & Service Operations Management 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from parlevel.domain.replenish.base import Floats
from parlevel.domain.replenish.network.model import Network
from parlevel.errors import DataError


@dataclass(frozen=True)
class Placement:
    """Service times and what they cost.

    Attributes:
        service: (n_nodes,) S, quoted to customers and lanes, periods.
        inbound: (n_nodes,) SI, waited for inputs, periods.
        safety_stock: (n_nodes,) units.
        cost: money / period for holding it.
        bound: no placement costs less; -inf where nothing is known.
    """

    service: Floats
    inbound: Floats
    safety_stock: Floats
    cost: float
    bound: float


def placement(network: Network, service: Floats, bound: float = -np.inf) -> Placement:
    """The placement that quotes these service times; nodes wait no longer than they must.

    Raises:
        DataError: a time that is negative, above its limit, or later than the node can be done anyway.
    """
    inbound = network.column("inbound_service")
    np.maximum.at(inbound, network.target, service[network.source] + network.travel)
    net = inbound + network.column("lead_time") - service
    wrong = (service < -1e-9) | (service > network.column("max_service") + 1e-9) | (net < -1e-9)
    if wrong.any():
        node = network.nodes[int(wrong.argmax())]
        raise DataError(
            f"a service time must be between 0 and what the node can keep. Got a wrong one for {node.name!r}."
        )
    stock = network.spread * np.sqrt(np.maximum(net, 0.0))
    return Placement(service, inbound, stock, float((network.column("holding_cost") * stock).sum()), bound)


def decoupled(network: Network) -> Placement:
    """Without any optimisation: every node holds stock and delivers at once."""
    return placement(network, np.zeros(len(network.nodes)))


def solve_tree(network: Network) -> Placement:
    """The best placement on a tree with whole periods, exactly.

    Every node's cost-to-go is a table over its own S (towards a customer further on) or SI (towards a supplier).

    Raises:
        DataError: the network is no tree, or has times that are not whole periods.
    """
    if not network.is_tree:
        raise DataError("solve_tree needs a network without cycles. Use solve_network.")
    times = np.concatenate([network.column("lead_time"), network.column("inbound_service"), network.travel])
    if (times != np.rint(times)).any():
        raise DataError("solve_tree needs times in whole periods. Use solve_network.")
    service, cost = _Tree(network, network.spread).solve()
    return placement(network, keepable(network, service), cost)


def improve_on_tree(network: Network, known: Placement, draw: np.random.Generator) -> Placement:
    """The best placement among those that keep one time fixed on every lane outside a random spanning tree.

    On such a lane the source quotes at most v and the target waits at least v + travel, v drawn between what both do
    now, so that the known placement stays possible; every other time about one lane draws any v. Times must be whole.
    Source: very large neighbourhoods by a solvable special case, Ahuja, Ergun, Orlin & Punnen (2002).
    """
    root, inside = list(range(len(network.nodes))), []
    wild = (draw.random() < 0.5) / max(1, 1 + len(network.lanes) - len(network.nodes))
    longest, waits = network.column("max_service"), network.column("inbound_service")

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for lane in draw.permutation(len(network.lanes)).tolist():
        source, target = int(network.source[lane]), int(network.target[lane])
        if find(source) != find(target):
            root[find(source)] = find(target)
            inside.append(lane)
            continue
        low, high = known.service[source], known.inbound[target] - network.travel[lane]
        if draw.random() < wild:
            low, high = 0.0, network.longest_times[source]
        fixed = float(draw.integers(round(low), max(round(high), round(low)) + 1))
        longest[source] = min(longest[source], fixed)
        waits[target] = max(waits[target], fixed + network.travel[lane])
    nodes = [
        replace(node, max_service=float(most), inbound_service=float(wait))
        for node, most, wait in zip(network.nodes, longest, waits, strict=True)
    ]
    tree = Network(nodes, [network.lanes[lane] for lane in sorted(inside)])
    service, _ = _Tree(tree, network.spread).solve()
    found = placement(network, keepable(network, service))
    return found if found.cost < known.cost else known


def keepable(network: Network, service: Floats) -> Floats:
    """Service times as given, but never later than the node can be done: a solver's last digits and idle waiting."""
    service = np.clip(service, 0.0, network.column("max_service"))
    arrive, lead = network.column("inbound_service"), network.column("lead_time")
    feeds: list[list[int]] = [[] for _ in network.nodes]
    for lane, target in enumerate(network.target.tolist()):
        feeds[target].append(lane)
    for i in network.downstream_order:
        begin = max([arrive[i], *(service[network.source[lane]] + network.travel[lane] for lane in feeds[i])])
        service[i] = min(np.rint(service[i] * 1e6) / 1e6, begin + lead[i])
    return service


class _Tree:
    """The dynamic programme: leaves first, tables of size (longest time + 1)."""

    def __init__(self, network: Network, spread: Floats) -> None:
        self.network, n = network, len(network.nodes)
        self.longest = network.longest_times
        self.size = int(self.longest.max()) + 1
        self.weight = network.column("holding_cost") * spread
        self.near: list[list[tuple[int, int, bool]]] = [[] for _ in range(n)]
        for source, target, travel in zip(network.source, network.target, network.travel, strict=True):
            self.near[source].append((int(target), int(travel), True))
            self.near[target].append((int(source), int(travel), False))
        self.tables: dict[int, Floats] = {}
        self.choices: dict[int, np.ndarray] = {}

    def solve(self) -> tuple[Floats, float]:
        """(service times, cost)."""
        n = len(self.network.nodes)
        service, total, seen = np.zeros(n), 0.0, np.zeros(n, bool)
        for root in range(n):
            if seen[root]:
                continue
            order, parent = self._order(root)
            seen[order] = True
            for node in reversed(order[1:]):
                self._table(node, *parent[node])
            cost = self._costs(root, -1)
            best = np.unravel_index(int(cost.argmin()), cost.shape)
            total += float(cost[best])
            self._trace(root, order, parent, (int(best[0]), int(best[1])), service)
        return service, total

    def _order(self, root: int) -> tuple[list[int], dict[int, tuple[int, int, bool]]]:
        """Nodes from the root outwards; parent[node] = (parent, travel, the parent is downstream)."""
        order, parent = [root], {root: (-1, 0, False)}
        for node in order:
            for other, travel, downstream in self.near[node]:
                if other not in parent:
                    parent[other] = (node, travel, not downstream)
                    order.append(other)
        return order, parent

    def _costs(self, node: int, without: int) -> Floats:
        """(S, SI) cost of the node and of everything behind it but for one neighbour; inf where not allowed.

        Only times that the node can need: no one waits longer than without any stock at all.
        """
        given = self.network.nodes[node]
        rows = int(min(self.longest[node], given.max_service)) + 1
        columns = int(self.longest[node] - given.lead_time) + 1
        s, si = np.arange(rows)[:, None], np.arange(columns)[None, :]
        net = si + given.lead_time - s
        cost = np.where(net >= 0, self.weight[node] * np.sqrt(np.maximum(net, 0.0)), np.inf)
        cost[:, : int(np.ceil(given.inbound_service))] = np.inf
        for other, travel, downstream in self.near[node]:
            if other != without:
                part = self._behind(other, travel, downstream)[0]
                cost += part[:rows] if downstream else part[:, :columns]
        return cost

    def _behind(self, other: int, travel: int, downstream: bool) -> tuple[Floats, np.ndarray]:
        """(cost, best time) of a finished neighbour, along S if it is downstream, along SI if it is upstream."""
        table = self.tables[other]
        place = np.arange(self.size)
        if downstream:  # it may wait for any SI >= S + travel
            turned = table[::-1]
            best = np.minimum.accumulate(turned)[::-1]
            where = _last_new(turned)[::-1]
            reach = place + travel
            inside = reach < self.size
            row = np.minimum(reach, self.size - 1)
            return np.where(inside, best[row], np.inf)[:, None], (self.size - 1 - where)[row]
        best, where = np.minimum.accumulate(table), _last_new(table)  # it may quote any S <= SI - travel
        reach = place - travel
        row = np.maximum(reach, 0)
        return np.where(reach >= 0, best[row], np.inf)[None, :], where[row]

    def _table(self, node: int, parent: int, travel: int, parent_downstream: bool) -> None:
        cost = self._costs(node, parent)
        axis = 1 if parent_downstream else 0
        table = np.full(self.size, np.inf)
        table[: cost.shape[1 - axis]] = cost.min(axis=axis)
        self.tables[node] = table
        self.choices[node] = cost.argmin(axis=axis)

    def _trace(
        self,
        root: int,
        order: list[int],
        parent: dict[int, tuple[int, int, bool]],
        best: tuple[int, int],
        service: Floats,
    ) -> None:
        at = {root: best}
        service[root] = at[root][0]
        for node in order[1:]:
            above, travel, parent_downstream = parent[node]
            s_above, si_above = at[above]
            if parent_downstream:
                s = int(self._behind(node, travel, False)[1][si_above])
                at[node] = (s, int(self.choices[node][s]))
            else:
                si = int(self._behind(node, travel, True)[1][s_above])
                at[node] = (int(self.choices[node][si]), si)
            service[node] = at[node][0]


def _last_new(values: Floats) -> np.ndarray:
    """Position of the running minimum at each position."""
    lowest = np.minimum.accumulate(values)
    fresh = np.concatenate([[True], values[1:] < lowest[:-1]])
    return np.maximum.accumulate(np.where(fresh, np.arange(len(values)), 0))
