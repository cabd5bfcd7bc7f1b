"""Notebooks only look: they define nothing, and they run against published tables without Spark."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sample_warehouse

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))


def defines(source: str) -> list[str]:
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
    found = [
        f"line {node.lineno}: {type(node).__name__}" for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)
    ]
    return found + [
        f"line {n}: {line}" for n, line in enumerate(source.splitlines(), 1) if line.lstrip("# ").startswith("%run")
    ]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_warehouse.build(tmp_path_factory.mktemp("notebook") / "warehouse")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_defines_nothing(notebook: Path) -> None:
    assert defines(notebook.read_text()) == []


def test_a_definition_or_a_run_magic_is_noticed() -> None:
    assert defines("def f(): ...\n# %run other\nx = 1") == ["line 1: FunctionDef", "line 2: # %run other"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_published_tables_without_java(notebook: Path, warehouse: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PARLEVEL_WAREHOUSE": str(warehouse), "JAVA_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, str(notebook)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for expected in (sample_warehouse.RUN, "order_qty", "SUP0", "fill_rate", "seasonal_naive"):
        assert expected in done.stdout
