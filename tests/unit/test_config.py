"""Configuration: files, settings, refusals, and its explanation."""

from __future__ import annotations

from pathlib import Path

import pytest

from parlevel.config import Config, load, merge
from parlevel.config.explain import keys, markdown
from parlevel.errors import ConfigError


def test_later_files_and_settings_win_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("calendar: {horizon: 7, period: week}\nseed: 3\n")
    (tmp_path / "b.yaml").write_text("calendar: {horizon: 14}\n")
    cfg = load([tmp_path / "a.yaml", tmp_path / "b.yaml"], ["seed=9", "calendar.cutoff=2024-02-29"])
    assert (cfg.calendar.horizon, cfg.calendar.period, cfg.seed) == (14, "week", 9)
    assert str(cfg.calendar.cutoff) == "2024-02-29"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("calender.horizon=3", "calender: unknown key. Did you mean 'calendar'?"),
        ("train.fold=2", "train.fold: unknown key. Did you mean 'folds'?"),
        ("train.candidates=[{model: forest, onli: all}]", "onli: unknown key. Did you mean 'only'?"),
        ("zzz=1", "Known keys: calendar, clean"),
        ("calendar.horizon=0", "calendar.horizon: .*greater than or equal to 1.*Got 0"),
        ("calendar.period=fortnight", "calendar.period: .*'day', 'week' or 'month'.*fortnight"),
        ("forecast.levels=[0.1, 0.5, 0.9]", "at least 9 increasing levels"),
        ("calendar.horizon", "--set must look like section.key=value. Got 'calendar.horizon'"),
        ("seed=[1", "--set seed must be a YAML value"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_way_out(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[").replace("?", r"\?")):
        load(sets=[setting])


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must exist.*nowhere.yaml"):
        load([tmp_path / "nowhere.yaml"])
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="must hold sections with keys. Got a list"):
        load([tmp_path / "list.yaml"])
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="must be YAML"):
        load([tmp_path / "bad.yaml"])


def test_merge_replaces_lists_and_keeps_neighbours() -> None:
    assert merge({"a": {"b": [1, 2], "c": 1}}, {"a": {"b": [3]}}) == {"a": {"b": [3], "c": 1}}


def test_equal_configurations_have_equal_json() -> None:
    assert load(sets=["seed=4"]).as_json() == load(sets=["seed=4"]).as_json() != Config().as_json()


def test_every_key_is_explained_and_the_page_is_current(project: Path) -> None:
    assert [key.path for key in keys() if not key.doc] == []
    assert {"calendar.horizon", "train.folds", "replenish.max_gap", "seed"} <= {key.path for key in keys()}
    page = project / "docs" / "configuration.md"
    assert page.read_text() == markdown(), "run `parlevel config --explain > docs/configuration.md`"


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "conf").rglob("*.yaml")), ids=lambda p: p.name)
def test_every_shipped_configuration_is_valid(file: Path, project: Path) -> None:
    assert load([project / "conf" / "base.yaml", file]).calendar.horizon >= 1
