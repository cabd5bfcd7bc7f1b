"""TensorFlow, OR-Tools and compiled loops in one process, as in a Spark worker that serves several stages."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The forecast stage loads the network first; the replenish stage then solves in the same worker.
WORKER = """
import numpy as np
from scipy import sparse
{first}
from parlevel.domain.forecast.paths import sample_paths
paths = sample_paths(np.cumsum(np.ones((3, 4, 5)), axis=2), np.linspace(0.1, 0.9, 5), 8, 0.2)
assert paths.shape == (3, 8, 4) and paths.min() >= 0
from parlevel.domain.replenish.solvers.linear import Program, solve_integer
n = 40
rng = np.random.default_rng(1)
program = Program(
    cost=-rng.random(n), low=np.zeros(n), high=np.full(n, 5.0), integer=np.ones(n, bool),
    matrix=sparse.csr_matrix(rng.random((10, n))), row_low=np.full(10, -np.inf), row_high=np.full(10, 20.0),
)
for solver in ("SCIP", "CP_SAT"):
    assert solve_integer(program, solver, 0.05, 5.0).value < 0, solver
print("solved")
"""
LOADER = "from parlevel.domain.forecast.networks import load_keras; load_keras()"
NAKED = "import tensorflow"


def run(first: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WORKER.format(first=first)], capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_the_crash_that_the_loader_prevents_is_still_there() -> None:
    """When this fails, OR-Tools and TensorFlow have made peace and the early import in networks.py can go."""
    assert run(NAKED).returncode < 0


def test_a_worker_that_ran_the_network_can_solve_orders() -> None:
    done = run(LOADER)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().endswith("solved")
