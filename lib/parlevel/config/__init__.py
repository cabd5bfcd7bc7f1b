"""Typed configuration: `base.yaml`, then a target or preset file, then `--set a.b=1`.

YAML never holds a module path; every name in it is looked up in a registry.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from parlevel.config.data import Calendar, Clean, Features, Paths, Signals, Source
from parlevel.config.models import Candidate, Forecast, Train
from parlevel.config.orders import Evaluate, Replenish, Report, Spark
from parlevel.config.section import Section
from parlevel.errors import ConfigError

__all__ = ["Candidate", "Config", "load", "merge", "parse_set"]


class Config(Section):
    """The whole configuration of a run."""

    name: str = "parlevel"  # shown in the report and in the run log
    seed: int = Field(1, ge=0)  # of everything that is drawn
    paths: Paths = Paths()
    source: Source = Source()
    calendar: Calendar = Calendar()
    clean: Clean = Clean()
    features: Features = Features()
    signals: Signals = Signals()
    train: Train = Train()
    forecast: Forecast = Forecast()
    replenish: Replenish = Replenish()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()
    spark: Spark = Spark()

    def as_json(self) -> str:
        """Canonical JSON, the same for equal configurations."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def load(files: Iterable[str | Path] = (), sets: Iterable[str] = ()) -> Config:
    """Read configuration files in order, apply `a.b=value` settings, check everything.

    Args:
        files: YAML files; later ones win, key by key.
        sets: settings such as ``calendar.horizon=14``; the value is YAML.

    Raises:
        ConfigError: a file is missing or not YAML, a key is unknown (the nearest one is named),
            or a value breaks its rule.
    """
    merged: dict[str, Any] = {}
    for file in files:
        merged = merge(merged, _read(Path(file)))
    for setting in sets:
        merged = merge(merged, parse_set(setting))
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """`second` laid over `first`: mappings key by key, everything else replaced.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    out = dict(first)
    for key, value in second.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merge(out[key], value) if both else value
    return out


def parse_set(setting: str) -> dict[str, Any]:
    """One ``a.b=value`` setting as a nested mapping.

    >>> parse_set("calendar.horizon=14")
    {'calendar': {'horizon': 14}}
    """
    path, sign, text = setting.partition("=")
    if not sign or not path.strip():
        raise ConfigError(f"--set must look like section.key=value. Got {setting!r}.")
    try:
        value: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise ConfigError(f"--set {path} must be a YAML value. Got {text!r}: {error}") from None
    for key in reversed(path.strip().split(".")):
        value = {key: value}
    return dict(value)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ConfigError(
            f"configuration file must exist. Got {str(file)!r}. Start from conf/base.yaml or `parlevel init`."
        )
    try:
        content = yaml.safe_load(file.read_text()) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{file} must be YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold sections with keys. Got a {type(content).__name__}.")
    return content


def _explain(error: ValidationError) -> str:
    """Every problem in one message, each with its path, the rule and the nearest known key."""
    lines = []
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _keys_at(problem["loc"][:-1])
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known keys: {', '.join(sorted(known))}."
            lines.append(f"{path}: unknown key.{hint}")
        else:
            lines.append(f"{path}: {told(problem['msg'], problem['input'])}")
    return "configuration is not valid:\n  " + "\n  ".join(lines)


def told(message: str, given: object) -> str:
    """What is wrong with a value, and the value, once: rules of parlevel's own name it themselves.

    >>> told("Value error, days must be whole. Got 1.5.", 1.5)
    'days must be whole. Got 1.5.'
    >>> told("Input should be greater than 0", -1)
    'Input should be greater than 0. Got -1.'
    """
    rule = message.removeprefix("Value error, ").rstrip(".")
    return f"{rule}." if "Got " in rule else f"{rule}. Got {given!r}."


def _keys_at(path: tuple[int | str, ...]) -> list[str]:
    """Known keys of the section at `path`."""
    model: Any = Config
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if model is None:
            return []
    return list(model.model_fields)
