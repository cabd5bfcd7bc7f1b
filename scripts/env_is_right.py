"""Says (by its exit status) whether this environment already holds parlevel and every package at its pin.

Lets set-up adopt an environment that somebody made by hand, without network.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

HERE = Path(__file__).resolve().parents[1]


def pins() -> dict[str, str]:
    """Package -> version of constraints.txt."""
    pairs = (line.split("==") for line in (HERE / "constraints.txt").read_text().split() if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def editable() -> bool:
    """Whether `parlevel` is installed from this checkout."""
    try:
        origin = metadata.distribution("parlevel").read_text("direct_url.json") or ""
    except metadata.PackageNotFoundError:
        return False
    return f'"file://{HERE}"' in origin


def fault(extras: set[str]) -> str:
    """The first package that is missing or not at its pin; empty when everything is right."""
    pinned = pins()
    todo, seen = [("parlevel", frozenset(extras))], set()
    while todo:
        name, wanted = todo.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return f"{name} is missing"
        if found.version != pinned.get(canonicalize_name(name), found.version):
            return f"{name} is {found.version}, pinned {pinned[canonicalize_name(name)]}"
        for requirement in map(Requirement, found.requires or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *wanted}):
                todo.append((requirement.name, frozenset(requirement.extras)))
    return ""


if __name__ == "__main__":
    problem = "parlevel is not installed from here" if not editable() else fault(set(sys.argv[1].split(",")))
    if problem:
        sys.stdout.write(f"setup: {problem}\n")
    sys.exit(1 if problem else 0)
