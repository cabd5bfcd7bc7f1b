"""What makes a run the same run: hashes of code, configuration and source.

A stage's key covers the code, its own configuration and everything upstream. Two runs with equal
keys would compute equal tables, so the second reuses the first's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from parlevel import __version__
from parlevel.config import Config
from parlevel.schemas import STAGES

# The configuration that each stage reads beyond what the stages before it read.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "sources": ("source", "calendar", "seed"),
    "clean": ("clean",),
    "features": ("features", "signals", "train"),
    "train": ("forecast.levels",),
    "forecast": ("forecast",),
    "replenish": ("replenish",),
    "evaluate": ("evaluate",),
    "publish": ("report", "name", "paths.report", "paths.catalog", "paths.keep_runs"),
}


@cache
def code_version() -> str:
    """Package version + hash of every Python file of the installed package."""
    digest = hashlib.sha256()
    for name, text in sorted(_sources(resources.files("parlevel"), "")):
        digest.update(name.encode())
        digest.update(text)
    return f"{__version__}+{digest.hexdigest()[:10]}"


def stage_keys(cfg: Config, fingerprint: str) -> dict[str, str]:
    """Key of every stage.

    Args:
        cfg: the whole configuration.
        fingerprint: of the source's data, from `Source.fingerprint`.
    """
    settings = cfg.model_dump(mode="json")
    key = _hash(code_version(), fingerprint)
    keys = {}
    for stage in STAGES:
        parts = [json.dumps(_lookup(settings, path), sort_keys=True) for path in SECTIONS[stage]]
        key = _hash(key, stage, *parts)
        keys[stage] = key
    return keys


def run_id(cfg: Config, keys: Mapping[str, str]) -> str:
    """The run's name: source and hash, equal for equal code, configuration and data.

    Where the report goes and what it is called change no table, so the key of the stage before publish names the run.
    """
    return f"{cfg.source.name}-{keys[STAGES[-2]][:12]}"


def _lookup(settings: Mapping[str, object], path: str) -> object:
    value: object = settings
    for part in path.split("."):
        value = value[part]  # type: ignore[index]
    return value


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _sources(folder: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir():
            if item.name != "__pycache__":
                yield from _sources(item, f"{prefix}{item.name}/")
        elif item.name.endswith((".py", ".j2", ".css", ".js")):
            yield f"{prefix}{item.name}", item.read_bytes()
