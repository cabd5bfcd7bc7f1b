"""Groups that do not fit memory: fewer series teach, the note says so, and no other error is taken for it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from panels import QUICK_TRAINING, daily, one_group
from parlevel.config import load
from parlevel.domain.forecast import memory, registry
from parlevel.domain.forecast.memory import FEWEST, Use, out_of_memory, within_memory
from parlevel.domain.forecast.seasonal_naive import SeasonalNaive
from parlevel.domain.panel import Panel
from parlevel.pipeline import train

MOST = 40

# 8 MiB a series in a process that may have 400 MiB more than it has: 64 series do not fit, 32 do
LIMITED = """
import resource
import numpy as np
from panels import daily
from parlevel.domain.forecast.memory import within_memory
panel = daily(64, 20)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
size, told = within_memory(panel, lambda part, stop: np.ones((part.n_series, 2**20)).shape[0])
print(size, told)
"""


class Hopeless(SeasonalNaive):
    """Runs out of memory however few there are."""

    def fit(self, panel: Panel) -> Any:
        raise MemoryError("Unable to allocate 9.9 PiB")


class Greedy(SeasonalNaive):
    """Runs out of memory with more than `MOST` series."""

    def fit(self, panel: Panel) -> Any:
        if panel.n_series > MOST:
            raise MemoryError("Unable to allocate 9.9 TiB")
        return super().fit(panel)


@pytest.fixture(autouse=True)
def greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.FORECASTERS, "greedy", f"{__name__}:Greedy")
    monkeypatch.setitem(registry.FORECASTERS, "hopeless", f"{__name__}:Hopeless")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_a_process_that_may_not_grow_learns_from_half() -> None:
    made = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=120, check=False,
                          env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert made.stdout.strip() == "32 out of memory with 64 series: learned from 32", made.stderr


def test_a_group_that_fits_is_left_as_it_is() -> None:
    panel = daily(3 * FEWEST, 20)
    assert within_memory(panel, lambda part, stop: part.n_series) == (3 * FEWEST, "")


def test_a_small_group_has_a_whole_first_attempt_too() -> None:
    # the search for hyperparameters has its time in the first attempt alone
    told: list[bool] = []
    assert within_memory(daily(3, 20), lambda part, stop: told.append(stop) or part.n_series) == (3, "")
    assert told == [True]


def test_after_a_quarter_the_whole_group_is_trained_without_what_fails() -> None:
    tried = []

    def fail(part: Panel, stop: bool) -> int:
        tried.append((part.n_series, stop))
        if stop:
            raise MemoryError(str(part.n_series))
        return part.n_series

    assert within_memory(daily(4 * FEWEST, 20), fail) == (4 * FEWEST, "")
    assert tried == [(4 * FEWEST, True), (2 * FEWEST, True), (FEWEST, True), (4 * FEWEST, False)]
    tried.clear()
    assert within_memory(daily(FEWEST, 20), fail) == (FEWEST, "")
    assert tried == [(FEWEST, True), (FEWEST, False)]


def test_another_error_goes_through() -> None:
    def fail(part: Panel, stop: bool) -> None:
        raise ValueError("bad value")

    with pytest.raises(ValueError, match="bad value"):
        within_memory(daily(4 * FEWEST, 20), fail)
    assert out_of_memory(RuntimeError("std::bad_alloc"))
    assert not out_of_memory(RuntimeError("bad"))


def test_the_group_is_trained_on_half_and_its_models_say_so() -> None:
    cfg = load(sets=[*QUICK_TRAINING, "train.candidates=[{model: seasonal_naive}, {model: greedy}]"])
    made = train._train(one_group(64, 100, 7), plain=train.spec(cfg), deep=train.spec(cfg), period="day")
    models = [row for row in made.to_pylist() if row["kind"] == "models"]
    assert {row["model"] for row in models} == {"seasonal_naive", "greedy"}
    assert {row["n_series"] for row in models} == {32}
    assert all("out of memory with 64 series: learned from 32" in row["note"] for row in models)
    assert all(len(row["artifact"]) for row in models if row["chosen"])
    assert np.isfinite([row["fit_seconds"] for row in models]).all()


def test_a_candidate_that_never_fits_costs_the_others_nothing() -> None:
    cfg = load(sets=[*QUICK_TRAINING, "train.candidates=[{model: seasonal_naive}, {model: hopeless}]"])
    made = train._train(one_group(64, 100, 7), plain=train.spec(cfg), deep=train.spec(cfg), period="day")
    models = {row["model"]: row for row in made.to_pylist() if row["kind"] == "models"}
    assert {row["n_series"] for row in models.values()} == {64}
    assert models["seasonal_naive"]["chosen"]
    assert models["hopeless"]["note"].startswith("failed on a fold: MemoryError")


def test_use_tells_what_a_block_took_and_not_what_was_held_before() -> None:
    held = np.ones(8_000_000)  # 61 MiB
    with Use() as use:
        more = np.ones(16_000_000)  # 122 MiB, given back before the block ends
        del more
    assert held.sum() == 8_000_000
    assert 0 < use.seconds < 60
    if use.peak_bytes is not None:  # Linux alone tells
        assert 100 * 2**20 < use.peak_bytes < 170 * 2**20
    with Use() as small:
        pass
    assert small.peak_bytes is None or small.peak_bytes < 20 * 2**20


def test_a_system_that_tells_nothing_of_memory_leaves_it_out(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(memory, "REFERENCES", tmp_path / "absent" / "clear_refs")
    with Use() as use:
        pass
    assert use.peak_bytes is None
