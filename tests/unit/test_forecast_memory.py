"""Groups that do not fit memory: fewer series teach, the note says so, and no other error is taken for it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from panels import QUICK_TRAINING, daily, one_group
from parlevel.config import load
from parlevel.domain.forecast import registry
from parlevel.domain.forecast.memory import FEWEST, out_of_memory, within_memory
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
