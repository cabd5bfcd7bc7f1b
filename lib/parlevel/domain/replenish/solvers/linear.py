"""OR-Tools: linear and integer programs from sparse arrays, one thread, termination always checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from parlevel.domain.replenish.base import Bools, Floats
from parlevel.errors import Infeasible, SolverError

# How each integer solver is told the gap at which it may stop; all are single-threaded. HiGHS takes no parameters
# from OR-Tools' model builder.
_PARAMETERS = {
    "SCIP": "limits/gap = {gap}\nparallel/maxnthreads = 1",
    "CP_SAT": "num_workers: 1 relative_gap_limit: {gap}",
    "HIGHS": "",
}
WORK = {"SCIP": "limits/totalnodes = 25", "CP_SAT": "max_deterministic_time: 3", "HIGHS": ""}
"""Limits on a solver's work that do not depend on how busy the machine is, for `extra`."""
_DUAL = "use_dual_simplex: true use_preprocessing: false"
_NAMES = {"SCIP": "scip", "CP_SAT": "sat", "HIGHS": "highs"}


@dataclass(frozen=True)
class Program:
    """minimise cost . x subject to row_low <= matrix x <= row_high, low <= x <= high.

    Attributes:
        cost, low, high: (n_variables,).
        matrix: (n_rows, n_variables).
        row_low, row_high: (n_rows,); +-inf where there is none.
        integer: (n_variables,) True = whole numbers only.
    """

    cost: Floats
    low: Floats
    high: Floats
    matrix: csr_matrix
    row_low: Floats
    row_high: Floats
    integer: Bools


@dataclass(frozen=True)
class Solution:
    """What a solver found.

    Attributes:
        x: (n_variables,).
        value: cost . x.
        duals: (n_rows,) of a linear program; empty otherwise.
        proved: optimal within the gap asked for; False: stopped by a limit with a feasible point.
    """

    x: Floats
    value: float
    duals: Floats
    proved: bool


def solve_linear(program: Program, seconds: float, dual: bool = False) -> Solution:
    """Solve the linear relaxation by GLOP.

    Args:
        program: what to solve; `integer` is ignored.
        seconds: time limit.
        dual: the dual simplex, without presolve: right where no cost is negative, so that it can begin where every
            variable is at its lower bound. Masters over plans took a third of the time.

    Raises:
        SolverError: no optimum was found; says what GLOP reported.
    """
    parameters = _DUAL if dual else ""
    solver, status = _run("glop", program, seconds, relaxed=True, parameters=parameters)
    if status != "OPTIMAL":
        kind = Infeasible if status == "INFEASIBLE" else SolverError
        raise kind(f"GLOP must end with an optimum. Got {status} after {seconds:g} s allowed.")
    return Solution(
        np.array(solver.variable_values()), float(solver.objective_value()), np.array(solver.dual_values()), True
    )


def solve_integer(
    program: Program, name: str, gap: float, seconds: float, start: Floats | None = None, extra: str = ""
) -> Solution:
    """Solve a mixed integer program.

    Args:
        program: what to solve.
        name: SCIP, HIGHS or CP_SAT.
        gap: relative gap at which the solver may stop.
        seconds: time limit.
        start: (n_variables,) a feasible point to begin with, if one is known.
        extra: further parameters in the solver's own words.

    Raises:
        SolverError: the solver is not there, or ended without a feasible point; says what it reported.
    """
    solution, _ = attempt_integer(program, name, gap, seconds, start, extra)
    if solution is None:
        raise SolverError(f"{name} must end with a feasible plan. Got none after {seconds:g} s allowed.")
    return solution


def attempt_integer(
    program: Program, name: str, gap: float, seconds: float, start: Floats | None = None, extra: str = ""
) -> tuple[Solution | None, float]:
    """Like `solve_integer`, but with the bound: no point has less. (None, -inf) where no feasible point was found.

    Raises:
        SolverError: the solver is not there, or calls the program infeasible.
    """
    if name not in _NAMES:
        raise SolverError(f"solver must be one of {sorted(_NAMES)}. Got {name!r}.")
    own = _PARAMETERS[name].format(gap=max(gap, 1e-6))
    parameters = "\n".join(p for p in (own, extra) if p) if name != "HIGHS" else ""
    solver, status = _run(_NAMES[name], program, seconds, relaxed=False, parameters=parameters, start=start)
    if status in ("INFEASIBLE", "UNBOUNDED", "ABNORMAL", "MODEL_INVALID", "INVALID_SOLVER_PARAMETERS"):
        kind = Infeasible if status == "INFEASIBLE" else SolverError
        raise kind(f"{name} must end with a feasible plan. Got {status} after {seconds:g} s allowed.")
    if status not in ("OPTIMAL", "FEASIBLE") or not solver.has_solution():
        return None, -np.inf  # OR-Tools keeps a solver's bound only beside a feasible point
    bound = float(solver.best_objective_bound())
    x = np.array(solver.variable_values())
    x = np.where(program.integer, np.rint(x), x)
    return Solution(x, float(program.cost @ x), np.zeros(0), status == "OPTIMAL"), bound


def _run(
    name: str, program: Program, seconds: float, *, relaxed: bool, parameters: str, start: Floats | None = None
) -> tuple[Any, str]:
    from ortools.linear_solver.python import model_builder_helper as ortools

    model: Any = ortools.ModelBuilderHelper()
    model.fill_model_from_sparse_data(
        program.low, program.high, program.cost, program.row_low, program.row_high, program.matrix
    )
    if not relaxed:
        for variable in np.flatnonzero(program.integer).tolist():
            model.set_var_integrality(variable, True)
    for variable, value in enumerate([] if start is None else start.tolist()):
        model.add_hint(variable, value)
    solver: Any = ortools.ModelSolverHelper(name)
    if not solver.solver_is_supported():
        raise SolverError(f"this build of OR-Tools has no {name}. Choose another solver in replenish.solver.")
    solver.set_time_limit_in_seconds(max(seconds, 0.01))
    if parameters:
        solver.set_solver_specific_parameters(parameters)
    solver.solve(model)
    return solver, str(solver.status()).rsplit(".", 1)[-1]
