"""Says (by its exit status) whether this environment already holds parlevel and every package at its pin.

Lets set-up adopt an environment that somebody made by hand, without network.
"""

from __future__ import annotations

import runpy
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

try:
    import setuptools
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name
except ImportError as error:
    sys.exit(f"setup: {error}: nothing is installed yet, or an installation was interrupted")

HERE = Path(__file__).resolve().parents[1]


def pins() -> dict[str, str]:
    """Package -> version of constraints.txt."""
    pairs = (line.split("==") for line in (HERE / "constraints.txt").read_text().split() if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def declared() -> dict[str, Any]:
    """What setup.py hands to setuptools; the installed metadata may be older."""
    found: dict[str, Any] = {}
    setuptools.setup = found.update  # type: ignore[assignment]
    runpy.run_path(str(HERE / "setup.py"))
    return found


def not_from_here(version: str) -> str:
    """What is wrong with the installed `parlevel`; empty when it is this checkout at this version."""
    try:
        installed = metadata.distribution("parlevel")
    except metadata.PackageNotFoundError:
        return "parlevel is not installed yet"
    if f'"file://{HERE}"' not in (installed.read_text("direct_url.json") or ""):
        return "parlevel is installed from elsewhere"
    return "" if installed.version == version else f"parlevel is {installed.version}, the checkout {version}"


def first_fault(requirements: list[str]) -> str:
    """The first package, direct or not, that is missing or not at its pin; empty when everything is right."""
    pinned = pins()
    todo = [(Requirement(text), frozenset[str]()) for text in requirements]
    seen = set()
    while todo:
        requirement, of = todo.pop()
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in {"", *of}):
            continue
        name, wanted = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return f"{name} is missing"
        if found.version != pinned.get(name, found.version):
            return f"{name} is {found.version}, pinned {pinned[name]}"
        todo += [(Requirement(text), wanted) for text in found.requires or []]
    return ""


def main(extras: list[str]) -> int:
    """0 when the environment is right; else says what is not."""
    setup = declared()
    wanted = [*setup["install_requires"], *(text for extra in extras for text in setup["extras_require"][extra])]
    problem = not_from_here(setup["version"]) or first_fault(wanted)
    if problem:
        sys.stdout.write(f"setup: {problem}\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(",")))
