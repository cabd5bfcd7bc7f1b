"""One run at a time in a warehouse, with real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from parlevel.config import Config
from parlevel.errors import EnvironmentFault
from parlevel.pipeline.lock import only_run

HOLD = """
import sys
from parlevel.config import Config
from parlevel.pipeline.lock import only_run
with only_run(Config(paths={"warehouse": sys.argv[1]})):
    print("held", flush=True)
    sys.stdin.read()
"""


def config(root: Path) -> Config:
    return Config(paths={"warehouse": str(root)})


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds the warehouse."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_told_who_holds_the_warehouse(holder: subprocess.Popen, tmp_path: Path):
    said = rf"held by process {holder.pid}, which started at 20\d\d-.*Wait for it"
    with pytest.raises(EnvironmentFault, match=said), only_run(config(tmp_path)):
        pass


def test_another_warehouse_is_free(holder: subprocess.Popen, tmp_path: Path):
    with only_run(config(tmp_path / "other")):
        assert holder.poll() is None


def test_a_killed_run_leaves_no_lock(holder: subprocess.Popen, tmp_path: Path):
    holder.kill()
    holder.wait()
    for _ in range(2):  # and a finished one neither
        with only_run(config(tmp_path)):
            pass


def test_a_warehouse_that_cannot_be_a_folder_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    said = "the warehouse must be a folder that can be written.*file"
    with pytest.raises(EnvironmentFault, match=said), only_run(config(tmp_path / "file" / "warehouse")):
        pass
