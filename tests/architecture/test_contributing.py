"""The examples of CONTRIBUTING are true: each is added to a copy of the house and its contract tests run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rules

from parlevel import jars

TEXT = (rules.ROOT / "CONTRIBUTING.md").read_text()
EXAMPLE = re.compile(
    r"## Add a (?P<kind>\w+)\n```python\n# (?P<file>\S+)\n(?P<code>.*?)```\n"
    r"One line in the dictionary of `(?P<registry>[^`]+)`:\n```python\n(?P<line>.*?)\n```"
    r".*?pytest -q (?P<tests>\S+) -k (?P<name>\w+)",
    re.DOTALL,
)
EXAMPLES = {match["kind"]: match.groupdict() for match in EXAMPLE.finditer(TEXT)}


def copy_of_the_house(folder: Path) -> Path:
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info", "e2e", "architecture")
    for name in ("lib", "tests", "conf"):
        shutil.copytree(rules.ROOT / name, folder / name, ignore=skip)
    shutil.copy(rules.ROOT / "pyproject.toml", folder)
    return folder


def add(house: Path, example: dict[str, str]) -> None:
    """One file and one line, as the page says."""
    (house / example["file"]).write_text(example["code"])
    registry = house / example["registry"]
    text = registry.read_text()
    changed = re.sub(r"(: dict\[str, str\] = \{\n)", rf"\1{example['line']}\n", text, count=1)
    assert changed != text, "the registry's dictionary was not found"
    registry.write_text(changed)


def run_python(house: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", *arguments]
    environment = {"PARLEVEL_JARS": str(next(jars.candidates())), **os.environ}
    return subprocess.run(command, cwd=house, env=environment, capture_output=True, text=True, check=False)


def test_the_page_has_the_three_examples() -> None:
    assert set(EXAMPLES) == {"model", "policy", "source"}


@pytest.mark.parametrize("kind", ["model", "policy", pytest.param("source", marks=pytest.mark.spark)])
def test_an_example_passes_its_contract_and_the_linter(kind: str, tmp_path: Path) -> None:
    example = EXAMPLES[kind]
    house = copy_of_the_house(tmp_path / "house")
    add(house, example)
    done = run_python(house, "pytest", "-q", "-p", "no:cacheprovider", example["tests"], "-k", example["name"])
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"[3-9]\d* passed|\d\d+ passed", done.stdout), done.stdout[-500:]
    assert run_python(house, "ruff", "check", "--no-cache", example["file"]).stdout.strip() == "All checks passed!"
    formatted = run_python(house, "ruff", "format", "--no-cache", "--diff", example["file"])
    assert formatted.returncode == 0, formatted.stdout
