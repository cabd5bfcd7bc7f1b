"""Who may import whom: the contracts in pyproject.toml hold, and they would notice if they did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rules

ALL_OF_DOMAIN = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is behind a door that domain may not open")

sys.meta_path.insert(0, Blocker())
import parlevel.domain
names = [m.name for m in pkgutil.walk_packages(parlevel.domain.__path__, "parlevel.domain.")]
for name in [*names, *EXTRA]:
    importlib.import_module(name)
print(len(names))
"""


def import_domain(*extra: str, blocked: tuple[str, ...] = ("pyspark", "delta", "py4j", "pydantic")):
    script = f"BLOCKED, EXTRA = {set(blocked)!r}, {list(extra)!r}\n{ALL_OF_DOMAIN}"
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=rules.ROOT / "lib", capture_output=True, text=True, check=False)


def test_all_of_domain_imports_without_spark_and_without_the_configuration() -> None:
    done = import_domain()
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_domain_imports_without_any_heavy_library() -> None:
    done = import_domain(blocked=("pyspark", "tensorflow", "keras", "lightgbm", "ortools", "statsforecast", "sklearn"))
    assert done.returncode == 0, done.stderr


def test_the_blocker_blocks() -> None:
    done = import_domain("parlevel.spark.session")
    assert done.returncode != 0
    assert "behind a door" in done.stderr


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": str(folder / "lib"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the library with its contracts, to break."""
    shutil.copytree(rules.LIB, tmp_path / "lib" / "parlevel", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(rules.ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_door_is_kept(house: Path) -> None:
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("domain/periods.py", "import pyspark", "domain"),
        ("domain/periods.py", "import parlevel.config", "domain"),
        ("spark/grouped.py", "import parlevel.pipeline.runner", "spark"),
        ("sources/__init__.py", "import parlevel.pipeline", "sources"),
        ("report/__init__.py", "import parlevel.spark.tables", "report"),
        ("schemas/form.py", "import parlevel.config", "ground floor"),
    ],
)
def test_an_opened_door_is_noticed(house: Path, file: str, line: str, contract: str) -> None:
    path = house / "lib" / "parlevel" / file
    text = path.read_text()
    marker = "from __future__ import annotations\n"
    path.write_text(text.replace(marker, f"{marker}{line}\n", 1) if marker in text else f"{text}\n{line}\n")
    done = lint_imports(house)
    assert done.returncode != 0
    broken = [row for row in done.stdout.splitlines() if row.rstrip().endswith("BROKEN")]
    assert any(contract in row for row in broken), done.stdout
