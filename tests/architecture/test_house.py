"""What the house promises about itself: targets, packaging, documents whose links and commands are real."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import venv
from fnmatch import fnmatch
from pathlib import Path

import pytest
import rules

import parlevel
from parlevel.cli import app
from parlevel.errors import EnvironmentFault

DOCUMENTS = sorted([*rules.ROOT.glob("*.md"), *(rules.ROOT / "docs").rglob("*.md")])
PROMISED = {"help", "setup", "run", "test", "test-fast", "test-all", "lint", "report", "clean"}
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (rules.ROOT / "Makefile").read_text(), re.MULTILINE))


def commands() -> set[str]:
    return {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}


def broken_links(document: Path, text: str) -> list[str]:
    return [
        link
        for link in LINK.findall(text)
        if not re.match(r"[a-z]+:", link) and not (document.parent / link).resolve().exists()
    ]


def unknown_commands(text: str) -> list[str]:
    code = "\n".join(re.findall(r"```(?:bash|sh)?\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text))
    made = [f"make {name}" for name in re.findall(r"\bmake ([a-z-]+)", code) if name not in targets()]
    asked = re.findall(r"(?:^|[\s/(])parlevel ([a-z]+)", code, re.MULTILINE)
    return made + [f"parlevel {name}" for name in asked if name not in commands()]


def test_the_makefile_has_what_is_promised_and_explains_itself() -> None:
    assert targets() >= PROMISED
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=rules.ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[1] for line in shown.splitlines()} == targets()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_commands_of_a_document_are_real(document: Path) -> None:
    text = document.read_text()
    assert broken_links(document, text) == []
    assert unknown_commands(text) == []


def test_a_broken_link_and_an_unknown_command_are_noticed() -> None:
    text = "[a](README.md) [b](nowhere.md) [c](https://example.org)\n`make test`\n"
    text += "```bash\nmake tea\nparlevel brew --now\n```\n"
    assert broken_links(rules.ROOT / "README.md", text) == ["nowhere.md"]
    assert unknown_commands(text) == ["make tea", "parlevel brew"]


def test_the_readme_fits_on_one_screen() -> None:
    assert len((rules.ROOT / "README.md").read_text().splitlines()) <= 100


def test_every_decision_names_alternatives_and_risks() -> None:
    for record in (rules.ROOT / "docs" / "adr").glob("0*.md"):
        text = record.read_text()
        for part in ("**Status**", "## Decision", "## Why", "## What else we looked at", "## Risks"):
            assert part in text, f"{record.name} lacks {part}"


def test_the_wheel_carries_every_file_of_the_library() -> None:
    setup = ast.parse((rules.ROOT / "setup.py").read_text())
    call = next(node for node in ast.walk(setup) if isinstance(node, ast.keyword) and node.arg == "package_data")
    patterns = ast.literal_eval(call.value)["parlevel"]
    files = [
        path.relative_to(rules.LIB)
        for path in rules.LIB.rglob("*")
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
    ]
    left_out = [str(file) for file in files if not any(fnmatch(str(file), pattern) for pattern in patterns)]
    assert left_out == []
    packages = [path.parent for path in rules.sources()]
    assert [str(folder) for folder in packages if not (folder / "__init__.py").exists()] == []


def test_ci_runs_lint_and_tests() -> None:
    script = rules.ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.findall(r"^make (\S+)", script.read_text(), re.MULTILINE) == ["lint", "test"]


def test_the_examples_in_docstrings_are_true() -> None:
    names = [module.name for module in pkgutil.walk_packages(parlevel.__path__, "parlevel.")]
    results = {name: doctest.testmod(importlib.import_module(name)) for name in names}
    assert sum(result.attempted for result in results.values()) > 10
    assert {name: result for name, result in results.items() if result.failed} == {}


def run_setup(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    script = folder / "scripts" / "setup_env.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text((rules.ROOT / "scripts" / "setup_env.sh").read_text())
    everything = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    return subprocess.run(["bash", str(script)], env=everything, capture_output=True, text=True, check=False)


def python_that_says(folder: Path, name: str) -> Path:
    script = folder / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\n[ "$1" = --version ]\n')
    script.chmod(0o755)
    return script


def test_set_up_with_the_wrong_python_says_which_one_it_needs(tmp_path: Path) -> None:
    done = run_setup(tmp_path, PYTHON=str(python_that_says(tmp_path, "python")))
    assert done.returncode == 2
    assert "Python 3.11 with its venv module must be installed. Got: Python 3.9.2." in done.stderr
    assert "make setup PYTHON=/path/to/python3.11" in done.stderr


def test_set_up_refuses_an_environment_of_another_python(tmp_path: Path) -> None:
    python_that_says(tmp_path, ".venv/bin/python")
    done = run_setup(tmp_path)
    assert done.returncode == 2
    assert ".venv must hold Python 3.11. Got: Python 3.9.2. Delete it (rm -rf .venv)" in done.stderr


def test_an_entry_of_spark_without_delta_becomes_a_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pyspark.sql import SparkSession

    from parlevel.config import load
    from parlevel.pipeline import entry, runner
    from parlevel.spark import session

    def no_delta(*_: object, **__: object) -> None:
        raise RuntimeError(f"Cannot find catalog plugin class: {entry.NO_DELTA[0]}")

    monkeypatch.setattr(SparkSession, "getActiveSession", classmethod(lambda _: object()))
    monkeypatch.setattr(session, "get_session", lambda _: object())
    monkeypatch.setattr(runner, "run", no_delta)
    with pytest.raises(EnvironmentFault, match="spark-submit --jars"):
        entry._run(load(sets=[f"paths.warehouse={tmp_path}"]), ["clean"], force=False)


def test_no_two_test_files_share_a_name() -> None:
    """They are no packages: pytest would import the first and refuse the second, but only when both are asked for."""
    names = [path.name for path in (rules.ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_set_up_that_cannot_install_says_the_ways_out_and_leaves_nothing_behind(tmp_path: Path) -> None:
    shutil.copytree(rules.ROOT / "scripts", tmp_path / "scripts")
    for name in ("setup.py", "constraints.txt"):
        shutil.copy(rules.ROOT / name, tmp_path)
    before = {path.name for path in tmp_path.iterdir()} | {".venv"}
    venv.create(tmp_path / ".venv", with_pip=False)
    done = run_setup(tmp_path)
    assert done.returncode == 2
    assert "an installation was interrupted" in done.stderr
    assert "delete .venv (rm -rf .venv) and try again" in done.stderr
    assert "pip download -c constraints.txt -d WHEELS '.[local" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == before
