"""The two Delta jars: where they are, whether they are the right ones, and how they get there once.

Standard library only. `python -m parlevel.jars` fetches them with Spark's own Ivy; sessions never
resolve anything, so that they start fast and offline.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from parlevel.errors import EnvironmentFault

PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
SHA256 = {
    "delta-spark_4.2_2.13-4.4.0.jar": "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    "delta-storage-4.4.0.jar": "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
}
# Without the excludes Ivy brings 33 jars, a second Hadoop among them.
EXCLUDE = "org.*:*,com.*:*,javax.*:*,commons-*:*,io.airlift:*,io.unitycatalog:*,io.delta:delta-kernel-*"
VARIABLE = "PARLEVEL_JARS"
MARK = "# Written by parlevel.jars; delete this line to keep the file as it is."
WAY_OUT = f"Run `make setup` once with network, or set {VARIABLE} to a folder that holds {' and '.join(SHA256)}."


def candidates() -> Iterator[Path]:
    """Folders that may hold the jars, best first: the variable, the checkout, the user's cache."""
    named = os.environ.get(VARIABLE)
    if named:
        yield Path(named)
        return
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "setup.py").is_file():
        yield checkout / ".jars"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parlevel" / "jars"


def classpath() -> tuple[Path, Path]:
    """The two jars to start a session with.

    Raises:
        EnvironmentFault: no folder holds both, or a file is not what was released.
    """
    folders = list(candidates())
    for folder in folders:
        if all((folder / name).is_file() for name in SHA256):
            verify(folder)
            first, second = (folder / name for name in SHA256)
            return first, second
    looked = ", ".join(str(folder) for folder in folders)
    raise EnvironmentFault(
        f"the Delta jars must be on this machine before a session starts. Looked in {looked}. {WAY_OUT}"
    )


def verify(folder: Path) -> None:
    """Check the jars of a folder against the released files' hashes.

    Raises:
        EnvironmentFault: a file is missing or differs.
    """
    for name, expected in SHA256.items():
        file = folder / name
        if not file.is_file():
            raise EnvironmentFault(f"{file} must exist. {WAY_OUT}")
        got = sha256(file)
        if got != expected:
            raise EnvironmentFault(
                f"{file} must have the released file's sha256 {expected[:12]}... Got {got[:12]}... "
                f"({file.stat().st_size:,} bytes). Delete it and run `make setup`."
            )


def sha256(file: Path) -> str:
    """Hex digest of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch(folder: Path) -> None:
    """Put verified jars into `folder`; does nothing when they are there.

    Raises:
        EnvironmentFault: Ivy could not resolve them (no network, no Java), or they differ.
    """
    try:
        verify(folder)
        return
    except EnvironmentFault:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        log = _resolve(Path(scratch))
        for name in SHA256:
            found = next(Path(scratch).glob(f"cache/**/{name}"), None)
            if found is None:
                raise EnvironmentFault(f"Ivy must bring {name}. It said:\n{_tail(log)}\n{WAY_OUT}")
            staged = Path(scratch) / name
            shutil.copyfile(found, staged)
            staged.replace(folder / name)
    verify(folder)


def tell_spark_submit(folder: Path) -> Path | None:
    """Put the jars on the class path of this environment's own spark-submit, so that it needs no --jars locally.

    Returns: the file written, or None where Spark is not installed here or somebody keeps a file of their own.
    """
    home = _spark_home()
    if home is None:
        return None
    file = home / "conf" / "spark-defaults.conf"
    if file.exists() and not file.read_text().startswith(MARK):
        return None
    paths = ":".join(str((folder / name).resolve()) for name in SHA256)
    text = f"{MARK}\nspark.driver.extraClassPath {paths}\nspark.log.level WARN\n"
    if not file.exists() or file.read_text() != text:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return file


def _spark_home() -> Path | None:
    spec = importlib.util.find_spec("pyspark")
    return Path(spec.origin).parent if spec and spec.origin else None


def _resolve(ivy: Path) -> str:
    """Let Spark's Ivy download the package into a folder of its own; returns what it printed."""
    home = _spark_home()
    if home is None:
        raise EnvironmentFault("pyspark must be installed before the Delta jars can be fetched. Run `make setup`.")
    script = ivy / "noop.py"
    script.write_text("")
    command = [str(home / "bin" / "spark-submit"), "--master", "local[1]", "--packages", PACKAGE]
    command += ["--exclude-packages", EXCLUDE, "--conf", f"spark.jars.ivy={ivy}", str(script)]
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFault(f"the Delta jars must arrive within 600 seconds. {WAY_OUT}") from None
    return done.stdout + done.stderr


def _tail(log: str, lines: int = 12) -> str:
    return "\n".join("    " + line for line in log.strip().splitlines()[-lines:])


def main() -> int:
    """Fetch the jars into the best folder and say where they are."""
    folder = next(candidates())
    try:
        fetch(folder)
    except EnvironmentFault as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    try:
        tell_spark_submit(folder)
    except OSError as error:  # a convenience only: sessions of parlevel do not need it
        sys.stderr.write(f"note: spark-submit here will need --jars, its settings cannot be written: {error}\n")
    sys.stdout.write(f"Delta jars: {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
