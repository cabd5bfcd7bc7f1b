"""Guaranteed service times on any network: slope scaling, tree neighbourhoods, an integer program for the bound.

The concave cost is replaced by straight lines through the origin. A linear program places the stock for the present
lines; each line then gets the slope that the node really pays at its new time; repeat until nothing moves. Starts
differ in the first slopes. The bound comes from chords below the curve, one of which each node picks.
Source: Kim & Pardalos (1999), Operations Research Letters 24, for slope scaling; Magnanti, Shen, Shu, Simchi-Levi &
Teo (2006), "Inventory placement in acyclic supply chain networks", Operations Research Letters 34, for the chords.
"""

from __future__ import annotations

from time import monotonic

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, vstack

from parlevel.domain.replenish.base import Floats, Ints
from parlevel.domain.replenish.network.model import Network
from parlevel.domain.replenish.network.service import (
    Placement,
    decoupled,
    improve_on_tree,
    keepable,
    placement,
    solve_tree,
)
from parlevel.domain.replenish.solvers.linear import Program, attempt_integer, solve_linear

# Rounds of one start, and breakpoints of the chords of a node.
ROUNDS, CHORDS = 30, 7
# Of so many tries one is a start of the slope scaling; the others are tree neighbourhoods, where times are whole.
MIXED = 6
EVEN = 1e-6


def solve_network(network: Network, seconds: float = 10.0, starts: int = 200, seed: int = 0) -> Placement:
    """A placement on any acyclic network: exact on trees with whole periods, near the optimum elsewhere.

    Args:
        network: nodes and lanes.
        seconds: no new start after that long.
        starts: at most; fewer than this many within the time make the answer depend on the machine's speed.
        seed: of the starts.
    """
    times = np.concatenate([network.column("lead_time"), network.column("inbound_service"), network.travel])
    whole = bool((times == np.rint(times)).all())
    if network.is_tree and whole:
        return solve_tree(network)
    draw, begin = np.random.default_rng(seed), monotonic()
    longest = np.maximum(network.longest_times, 1.0)
    weight = network.column("holding_cost") * network.spread
    best = decoupled(network)
    lead = network.column("lead_time")
    for number in range(starts):
        if number and monotonic() - begin > seconds:
            break
        if whole and number % MIXED:
            best = improve_on_tree(network, best, draw)
            continue
        reach = longest * draw.uniform(0.1, 1.0, len(weight)) if number else longest
        if number % 4:
            # A kick: the slopes of the best placement, a little off; nodes without stock get a fresh chance.
            net = best.inbound + lead - best.service
            reach = np.where(net > EVEN, np.maximum(net, EVEN) * draw.uniform(0.5, 2.0, len(net)), reach)
        found = _scale(network, weight, weight / np.sqrt(reach))
        best = found if found.cost < best.cost else best
    return best


def bound_network(network: Network, seconds: float, known: Placement, solver: str = "SCIP") -> Placement:
    """The known placement, or a better one, with a bound from an integer program over chords.

    Args:
        network: nodes and lanes.
        seconds: time limit of the program.
        known: a placement; its times become breakpoints, where chords and curve agree.
        solver: SCIP, HIGHS or CP_SAT.
    """
    program = chord_program(network, known)
    solution, bound = attempt_integer(program, solver, 1e-4, seconds, _known_point(network, known))
    if solution is None:
        return known
    mended = placement(network, keepable(network, solution.x[: len(network.nodes)]))
    best = mended if mended.cost < known.cost else known
    return placement(network, best.service, max(min(bound, best.cost), known.bound))


def _scale(network: Network, weight: Floats, slope: Floats) -> Placement:
    """Slope scaling from given slopes: the best placement on the way."""
    program = time_program(network, slope)
    lead, best, before = network.column("lead_time"), decoupled(network), np.zeros(0)
    n = len(network.nodes)
    for _ in range(ROUNDS):
        solution = solve_linear(program, 60.0)
        found = placement(network, keepable(network, solution.x[:n]))
        best = found if found.cost < best.cost else best
        net = np.maximum(found.inbound + lead - found.service, 0.0)
        if len(before) and np.abs(net - before).max() < EVEN:
            break
        before = net
        # A node without stock keeps its slope: at time 0 the true one is infinite and would hold it there for ever.
        slope = np.where(net > EVEN, weight / np.sqrt(np.maximum(net, EVEN)), slope)
        program = time_program(network, slope)
    return best


def time_program(network: Network, slope: Floats) -> Program:
    """min sum slope_i (SI_i + T_i - S_i) over service times; variables: S of all nodes, then SI."""
    n = len(network.nodes)
    matrix, row_low = _rows(network, 2 * n)
    longest = network.longest_times
    return Program(
        cost=np.concatenate([-slope, slope]),
        low=np.concatenate([np.zeros(n), network.column("inbound_service")]),
        high=np.concatenate([np.minimum(network.column("max_service"), longest), longest]),
        matrix=matrix,
        row_low=row_low,
        row_high=np.full(len(row_low), np.inf),
        integer=np.zeros(2 * n, bool),
    )


def chord_program(network: Network, known: Placement) -> Program:
    """Service times with one chord per node; variables: S, SI, then per chord its choice and its time."""
    n = len(network.nodes)
    owner, begin, end = _chords(network, known)
    weight = (network.column("holding_cost") * network.spread)[owner]
    low, high = np.sqrt(begin), np.sqrt(end)
    rise = weight * (high - low) / (end - begin)
    start = weight * low - rise * begin
    count = len(owner)
    size = 2 * n + 2 * count
    base, base_low = _rows(network, size)
    pick, time = 2 * n + np.arange(count), 2 * n + count + np.arange(count)
    lead, chord = network.column("lead_time"), np.arange(count)
    cells = [
        # SI - S - sum of chord times = -T; at most one chord is picked; a chord's time lies inside it.
        (np.arange(n), n + np.arange(n), np.ones(n)),
        (np.arange(n), np.arange(n), -np.ones(n)),
        (owner, time, -np.ones(count)),
        (n + owner, pick, np.ones(count)),
        (2 * n + chord, time, np.ones(count)),
        (2 * n + chord, pick, -end),
        (2 * n + count + chord, time, np.ones(count)),
        (2 * n + count + chord, pick, -begin),
    ]
    rows, columns, values = (np.concatenate(parts) for parts in zip(*cells, strict=True))
    more = coo_matrix((values, (rows, columns)), shape=(2 * n + 2 * count, size))
    times = time_program(network, np.zeros(n))
    return Program(
        cost=np.concatenate([np.zeros(2 * n), start, rise]),
        low=np.concatenate([times.low, np.zeros(2 * count)]),
        high=np.concatenate([times.high, np.ones(count), end]),
        matrix=csr_matrix(vstack([base, more])),
        row_low=np.concatenate([base_low, -lead, np.zeros(n), np.full(count, -np.inf), np.zeros(count)]),
        row_high=np.concatenate(
            [np.full(len(base_low), np.inf), -lead, np.ones(n), np.zeros(count), np.full(count, np.inf)]
        ),
        integer=(np.arange(size) >= 2 * n) & (np.arange(size) < 2 * n + count),
    )


def _known_point(network: Network, known: Placement) -> Floats:
    """(n_variables,) of `chord_program`: the known placement, whose times are breakpoints."""
    owner, begin, end = _chords(network, known)
    net = np.round(known.inbound + network.column("lead_time") - known.service, 9)[owner]
    picked = (net > begin) & (net <= end)
    return np.concatenate([known.service, known.inbound, picked.astype(np.float64), np.where(picked, net, 0.0)])


def _rows(network: Network, size: int) -> tuple[csr_matrix, Floats]:
    """(matrix, row_low): SI - S >= -T at every node, SI_target - S_source >= travel on every lane."""
    n, lanes = len(network.nodes), len(network.lanes)
    node, lane = np.arange(n), np.arange(lanes)
    rows = np.concatenate([node, node, n + lane, n + lane])
    columns = np.concatenate([n + node, node, n + network.target, network.source])
    values = np.concatenate([np.ones(n), -np.ones(n), np.ones(lanes), -np.ones(lanes)])
    matrix = csr_matrix(coo_matrix((values, (rows, columns)), shape=(n + lanes, size)))
    return matrix, np.concatenate([-network.column("lead_time"), network.travel])


def _chords(network: Network, known: Placement) -> tuple[Ints, Floats, Floats]:
    """(node, from, to) of chords below the curve: fine near 0, where it bends; one ends at the known time."""
    owner: list[int] = []
    begin: list[float] = []
    end: list[float] = []
    net = known.inbound + network.column("lead_time") - known.service
    for i, longest in enumerate(network.longest_times):
        points = longest * np.linspace(0.0, 1.0, CHORDS + 1) ** 2
        points = np.unique(np.round(np.append(points, np.clip(net[i], 0.0, longest)), 9))
        owner += [i] * (len(points) - 1)
        begin += points[:-1].tolist()
        end += points[1:].tolist()
    return np.array(owner, np.int64), np.array(begin), np.array(end)
