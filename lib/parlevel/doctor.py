"""Looks at the machine before any work starts: each fault gets a clear message and the way out.

Standard library only, so that it runs before anything is installed: `python3.11 -m parlevel.doctor`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from parlevel import jars as delta_jars
from parlevel import places
from parlevel.errors import EnvironmentFault

JAVA_MAJOR = 17
GIB = 1024**3
WORKERS_GIB = 1.5
"""What the Python workers of a small run take beside the JVM, GiB."""
PINNED = {"pyspark": "4.2.0", "delta-spark": "4.4.0", "py4j": "0.10.9.9", "pandas": "2.3.3", "pyarrow": "26.0.1"}
"""Versions that only work together; a test holds them equal to constraints.txt."""


@dataclass(frozen=True)
class Needs:
    """What a run asks of the machine.

    Attributes:
        warehouse: folder that will be written.
        disk_gib: free space wanted there, GiB.
        memory_gib: memory wanted for the driver and its Python workers together, GiB.
        ports: fixed TCP ports that somebody asked for; 0 means any free one.
    """

    warehouse: str = "warehouse"
    disk_gib: float = 2.0
    memory_gib: float = 3.0
    ports: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, warehouse: str, driver_memory: str, conf: Mapping[str, str]) -> Needs:
        """What an embedded session asks for.

        Args:
            warehouse: `paths.warehouse`.
            driver_memory: the JVM's heap as Spark writes it, e.g. 2g or 1500m.
            conf: further Spark settings; ports fixed there must be free.
        """
        fixed = (value for key, value in conf.items() if key.endswith(".port") and value.isdigit() and value != "0")
        return cls(warehouse, memory_gib=_gib(driver_memory) + WORKERS_GIB, ports=(0, *map(int, fixed)))


@dataclass(frozen=True)
class Check:
    """One look at the machine: what was found and, if it is not right, the way out."""

    name: str
    ok: bool
    detail: str
    way_out: str = ""


def python(_: Needs) -> Check:
    """The interpreter's version."""
    got = ".".join(str(part) for part in sys.version_info[:3])
    way_out = "Install Python 3.11 and run `make setup PYTHON=/path/to/python3.11`."
    return Check("python", sys.version_info[:2] == (3, 11), f"Python {got}, needs 3.11", way_out)


def java(_: Needs) -> Check:
    """The Java that Spark will start: JAVA_HOME's, else the one on the PATH."""
    way_out = (
        f"Install Java {JAVA_MAJOR} (Debian and Ubuntu: apt-get install openjdk-{JAVA_MAJOR}-jre-headless) "
        "or set JAVA_HOME to one."
    )
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if command is None or not Path(command).is_file():
        where = f"JAVA_HOME={home} has no bin/java" if home else "no java on the PATH and no JAVA_HOME"
        return Check("java", False, where, way_out)
    try:
        shown = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("java", False, f"{command} does not run: {error}", way_out)
    text = shown.stderr + shown.stdout
    match = re.search(r'version "(?:1\.)?(\d+)[^"]*"', text)
    if match is None:
        return Check("java", False, f"{command} -version said {text.strip()[:100]!r}", way_out)
    return Check("java", int(match[1]) == JAVA_MAJOR, f"Java {match[1]} at {command}, needs {JAVA_MAJOR}", way_out)


def jars(_: Needs) -> Check:
    """The Delta jars, with the hashes that were released."""
    try:
        first, _second = delta_jars.classpath()
    except EnvironmentFault as fault:
        return Check("jars", False, str(fault), "")
    return Check("jars", True, f"Delta jars in {first.parent}, hashes right")


def versions(_: Needs) -> Check:
    """The packages that only work together."""
    wrong = []
    for package, wanted in PINNED.items():
        try:
            got = metadata.version(package)
        except metadata.PackageNotFoundError:
            got = "none"
        if got != wanted:
            wrong.append(f"{package} {got} (needs {wanted})")
    detail = ", ".join(wrong) or ", ".join(f"{package} {wanted}" for package, wanted in PINNED.items())
    return Check("versions", not wrong, detail, "Run `make setup`, or `pip install -c constraints.txt parlevel`.")


def disk(needs: Needs) -> Check:
    """Free space where the tables will be."""
    folder = _existing(needs.warehouse)
    free = shutil.disk_usage(folder).free / GIB
    way_out = "Free some space, or put the tables elsewhere: --set paths.warehouse=/bigger/disk."
    return Check(
        "disk", free >= needs.disk_gib, f"{free:.1f} GiB free at {folder}, needs {needs.disk_gib:g} GiB", way_out
    )


def memory(needs: Needs) -> Check:
    """Memory that is free now, within the container's limit."""
    available = available_memory()
    if available is None:
        return Check("memory", True, "cannot tell how much memory is free on this system")
    way_out = "Close other programs, or ask for less: --set spark.driver_memory=1g --set spark.cores=1."
    detail = f"{available / GIB:.1f} GiB available, needs {needs.memory_gib:g} GiB"
    return Check("memory", available / GIB >= needs.memory_gib, detail, way_out)


def ports(needs: Needs) -> Check:
    """Spark's driver talks to its workers through loopback ports; a fixed one may be taken."""
    for port in needs.ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # Spark binds with the same option: a port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                way_out = (
                    "Stop the program that holds it, or choose another: --set spark.conf='{spark.driver.port: \"0\"}'."
                )
                return Check("ports", False, f"127.0.0.1:{port} cannot be opened: {error.strerror}", way_out)
    asked = [str(port) for port in needs.ports if port]
    return Check("ports", True, f"loopback is open{', ports ' + ', '.join(asked) + ' free' if asked else ''}")


def folder(needs: Needs) -> Check:
    """Whether the tables' folder can be written."""
    where = _existing(needs.warehouse)
    way_out = "Make it writable (chmod, or mount it read-write), or choose another: --set paths.warehouse=/my/folder."
    try:
        with tempfile.TemporaryFile(dir=where):
            pass
    except OSError as error:
        return Check("folder", False, f"{where} cannot be written: {error.strerror}", way_out)
    return Check("folder", True, f"{where} can be written")


ALL: dict[str, Callable[[Needs], Check]] = {
    "python": python,
    "java": java,
    "versions": versions,
    "jars": jars,
    "folder": folder,
    "disk": disk,
    "memory": memory,
    "ports": ports,
}


def checks(needs: Needs | None = None, names: Sequence[str] = tuple(ALL)) -> list[Check]:
    """Look at everything (or at `names`), in an order in which the first fault explains the later ones."""
    return [ALL[name](needs or Needs()) for name in names]


def require(*names: str, needs: Needs | None = None) -> None:
    """Stop, with every fault and its way out, unless all of `names` (default: everything) are right.

    Raises:
        EnvironmentFault: something is missing or wrong.
    """
    faults = [check for check in checks(needs, names or tuple(ALL)) if not check.ok]
    if faults:
        lines = [f"  {fault.name}: {fault.detail.rstrip('.')}. {fault.way_out}".rstrip() for fault in faults]
        raise EnvironmentFault("this machine is not ready:\n" + "\n".join(lines))


def available_memory() -> int | None:
    """Bytes that new processes can use: MemAvailable, capped by the control group; None if unknown."""
    found = []
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        if match:
            found.append(int(match[1]) * 1024)
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            found.append(int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, ValueError):  # no such file outside Linux or outside a control group: use what was found
        pass
    return min(found) if found else None


def _gib(size: str) -> float:
    """Spark's size in GiB; a bare number is MiB."""
    match = re.fullmatch(r"(\d+)([kmgt]?)b?", size.strip().lower())
    if match is None:
        raise EnvironmentFault(f"a memory size must look like 2g or 1500m. Got {size!r}.")
    return int(match[1]) * {"k": 1024**-2, "": 1 / 1024, "m": 1 / 1024, "g": 1, "t": 1024}[match[2]]


def _existing(path: str) -> Path:
    """The folder itself or the nearest parent that exists; a URI counts as the working directory."""
    where = places.folder(path) or Path.cwd()
    while not where.is_dir():
        where = where.parent
    return where


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every check, or those named; 0 when all are right, else 2."""
    parser = argparse.ArgumentParser(prog="parlevel.doctor", description="Looks at the machine before any work starts.")
    parser.add_argument("names", nargs="*", metavar="CHECK", help=f"one or more of {', '.join(ALL)}; default: all")
    parser.add_argument("--warehouse", default=Needs.warehouse, help="folder that the tables are written to")
    parser.add_argument("--disk", type=float, default=Needs.disk_gib, help="free space wanted there, GiB")
    parser.add_argument("--memory", type=float, default=Needs.memory_gib, help="free memory wanted, GiB")
    parser.add_argument("--port", type=int, action="append", default=[], help="a fixed port that must be free")
    parser.add_argument("--quiet", action="store_true", help="print faults only")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in ALL]
    if unknown:
        parser.error(f"check must be one of {list(ALL)}. Got {unknown}.")
    needs = Needs(asked.warehouse, asked.disk, asked.memory, (0, *asked.port))
    found = checks(needs, asked.names or tuple(ALL))
    for check in found:
        if check.ok and asked.quiet:
            continue
        sys.stdout.write(f"{'ok   ' if check.ok else 'FAULT'}  {check.name:<9} {check.detail}\n")
        if not check.ok and check.way_out:
            sys.stdout.write(f"       {'':<9} {check.way_out}\n")
    return 0 if all(check.ok for check in found) else 2


if __name__ == "__main__":
    sys.exit(main())
