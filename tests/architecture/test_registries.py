"""Every name in a registry leads to a class; no YAML file holds a module path."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import rules
import yaml

from parlevel.domain.forecast.registry import FORECASTERS
from parlevel.domain.replenish.registry import POLICIES
from parlevel.errors import RegistryError
from parlevel.registry import resolve
from parlevel.sources.registry import SOURCES

REGISTRIES = {"forecaster": FORECASTERS, "policy": POLICIES, "source": SOURCES}
ENTRIES = [(kind, name) for kind, entries in REGISTRIES.items() for name in entries]
MODULE_PATH = re.compile(r"\bparlevel\.[a-z_]+\.[a-z_.]+|^[a-z_]+(\.[a-z_]+)+:[A-Z]\w+$")


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_an_entry_leads_to_a_class(kind: str, name: str) -> None:
    assert isinstance(resolve(kind, REGISTRIES[kind], name), type)


@pytest.mark.parametrize("kind", REGISTRIES)
def test_an_unknown_name_is_answered_with_the_nearest(kind: str) -> None:
    known = next(iter(REGISTRIES[kind]))
    with pytest.raises(RegistryError, match=f"Did you mean '{known}'"):
        resolve(kind, REGISTRIES[kind], known[:-1])


def module_paths(value: object) -> list[str]:
    if isinstance(value, dict):
        return [found for item in value.items() for part in item for found in module_paths(part)]
    if isinstance(value, list):
        return [found for item in value for found in module_paths(item)]
    return [value] if isinstance(value, str) and MODULE_PATH.search(value) else []


@pytest.mark.parametrize("file", sorted((rules.ROOT / "conf").rglob("*.yaml")), ids=lambda path: path.stem)
def test_configuration_files_hold_no_module_path(file: Path) -> None:
    assert module_paths(yaml.safe_load(file.read_text())) == []


def test_a_module_path_in_yaml_is_noticed() -> None:
    text = "train:\n  candidates: [{model: 'mypackage.models:Croston'}, {model: parlevel.domain.forecast.forest}]"
    assert len(module_paths(yaml.safe_load(text))) == 2
