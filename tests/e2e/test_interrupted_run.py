"""The command line as a person uses it: two runs at once, Ctrl-C in the middle, the same command again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable
from small import SMALL, places

pytestmark = [pytest.mark.spark, pytest.mark.slow]  # three JVMs


def command(folder: Path) -> list[str]:
    sets = [part for each in (*SMALL, *places(folder)) for part in ("--set", each)]
    return [str(Path(sys.executable).with_name("parlevel")), "run", *sets]


def until(stream, mark: str) -> str:
    """Read lines up to the one with `mark`; all of them."""
    seen = []
    for line in stream:
        seen.append(line)
        if mark in line:
            return "".join(seen)
    pytest.fail(f"{mark!r} was never said:\n{''.join(seen)}")


def test_a_run_can_be_stopped_and_goes_on(tmp_path: Path):
    told = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command(tmp_path), **told) as first:
        until(first.stderr, "stage=train start")
        second = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert f"held by process {first.pid}" in " ".join(second.stderr.split())
        os.killpg(first.pid, signal.SIGINT)  # a terminal sends it to the whole group
        rest = until(first.stderr, "interrupted")
        assert first.wait(60) == 130
    assert "Traceback" not in rest
    done = {row["stage"] for row in runs(tmp_path) if row["status"] == "done"}
    assert done == {"sources", "clean", "features"}
    again = subprocess.run(command(tmp_path), capture_output=True, text=True, check=True)
    assert "stage=features unchanged: reusing" in again.stderr
    assert {row["stage"] for row in runs(tmp_path) if row["status"] == "done"} > done | {"train", "publish"}
    left = [path.name for path in tmp_path.glob("_scratch/*")]
    assert left == []


def runs(folder: Path) -> list[dict]:
    return DeltaTable(folder / "runs").to_pyarrow_table(columns=["stage", "status"]).to_pylist()
