"""The configuration explained: every key with its default, type and the comment beside it.

The comments in the section modules are the one place where a key's meaning and unit are written;
this module reads them back for `parlevel config --explain` and docs/configuration.md.
"""

from __future__ import annotations

import ast
import inspect
import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from parlevel.config import Config


@dataclass(frozen=True)
class Key:
    """One key: its path, default (as JSON) and meaning."""

    path: str
    default: str
    doc: str


def keys(model: type[BaseModel] = Config, prefix: str = "") -> list[Key]:
    """Every key below `model`, depth first, in the order of declaration."""
    found = []
    docs = _comments(model)
    for name, info in model.model_fields.items():
        kind: Any = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{prefix}{name}.")
            continue
        default = info.get_default(call_default_factory=True, validated_data={})
        found.append(Key(prefix + name, json.dumps(default, default=_plain), docs.get(name, "")))
    return found


def markdown() -> str:
    """The page docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Keys of `conf/*.yaml`, of presets and of `--set section.key=value`; later files win, key by key.",
        "An unknown key stops the run before any work and names the nearest one. This page is written by",
        "`parlevel config --explain` from the comments in `lib/parlevel/config/`.",
    ]
    section = ""
    for key in keys():
        head = key.path.split(".")[0] if "." in key.path else "top level"
        if head != section:
            section = head
            lines += ["", f"## {section}", "", "| key | default | meaning |", "|---|---|---|"]
        default = key.default if len(key.default) <= 90 else key.default[:87] + "..."
        lines.append(f"| `{key.path}` | `{default}` | {key.doc.replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _comments(model: type[BaseModel]) -> dict[str, str]:
    """Field name -> the comment on its line or on the last line of its value."""
    source = inspect.getsource(model)
    lines = source.splitlines()
    found = {}
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            candidates = (lines[row - 1] for row in range(node.lineno, (node.end_lineno or node.lineno) + 1))
            found[node.target.id] = next((line.split("#", 1)[1].strip() for line in candidates if "#" in line), "")
    return found
