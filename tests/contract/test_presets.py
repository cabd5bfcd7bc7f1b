"""Every preset is a valid configuration whose names are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from parlevel.config import load
from parlevel.domain.forecast.registry import FORECASTERS
from parlevel.domain.replenish.registry import policy
from parlevel.schemas import contract
from parlevel.sources.registry import SOURCES

ROOT = Path(__file__).resolve().parents[2]
PRESETS = sorted((ROOT / "conf" / "presets").glob("*.yaml"))


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: file.stem)
def test_a_preset_loads_on_the_base_and_names_what_exists(file: Path) -> None:
    cfg = load([ROOT / "conf" / "base.yaml", file])
    assert cfg.name == file.stem
    assert cfg.source.name in SOURCES
    assert {candidate.model for candidate in cfg.train.candidates} <= set(FORECASTERS)
    replenish = cfg.replenish
    for name in replenish.choose_from if replenish.policy == "auto" else [replenish.policy]:
        assert policy(name, **replenish.parameters)
    assert set(cfg.source.terms) <= set(contract("supply_terms").names)
    assert file.read_text().startswith("# ")
