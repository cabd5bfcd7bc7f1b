"""A Spark standalone cluster or Connect server on loopback, and parlevel as the file that it is shipped as."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyspark

from parlevel import jars
from parlevel.spark.session import DELTA, SETTINGS, worker_environment

ROOT = Path(__file__).resolve().parents[2]
SPARK_HOME = Path(pyspark.__file__).parent
CLASSES = "org.apache.spark.deploy"


@dataclass(frozen=True)
class Cluster:
    """Where a running cluster listens, and its workers' daemons."""

    master: str
    web: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def state(self) -> dict:
        """What the master says of its workers and applications."""
        with urllib.request.urlopen(f"{self.web}/json/", timeout=10) as answer:
            return json.load(answer)

    def alive(self) -> int:
        """Workers that have joined."""
        return sum(worker["state"] == "ALIVE" for worker in self.state()["workers"])


def free_port() -> int:
    """A port that nobody holds just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(folder: Path, workers: int = 2, pinned: bool = False) -> Iterator[Cluster]:
    """A master and workers of one core each; all gone when the block ends, however it ends.

    Spark counts tasks, not cores: a worker's JVM and its Python processes take all that the machine has. `pinned`
    keeps each worker to a core of its own (Linux).
    """
    port, web = free_port(), free_port()
    found = Cluster(f"spark://127.0.0.1:{port}", f"http://127.0.0.1:{web}")
    address = ["--host", "127.0.0.1", "--port"]
    with ExitStack() as stack:
        stack.enter_context(daemon(folder, "master.Master", *address, str(port), "--webui-port", str(web)))
        wait(folder, "the master", lambda: found.state()["status"] == "ALIVE")
        for number in range(workers):
            space = [str(free_port()), "--webui-port", str(free_port()), "--work-dir", str(folder / f"work{number}")]
            size = ["--cores", "1", "--memory", "2g"]
            command = [*address, *space, *size, found.master]
            core = number if pinned else None
            found.workers.append(stack.enter_context(daemon(folder, "worker.Worker", *command, core=core)))
        wait(folder, f"{workers} workers", lambda: found.alive() == workers)
        yield found


@contextmanager
def daemon(folder: Path, name: str, *arguments: str, core: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """One daemon of the cluster, kept with all that it starts to one core (0, 1, ...) if `core` says so."""
    command = [str(SPARK_HOME / "bin" / "spark-class"), f"{CLASSES}.{name}", *arguments]
    with background(folder, command, core=core) as process:
        yield process


@contextmanager
def connect_server(folder: Path) -> Iterator[str]:
    """A Spark Connect server with Delta; yields its address."""
    port = free_port()
    conf = {
        **DELTA,
        **SETTINGS,
        **worker_environment(),
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
    }
    command = [str(SPARK_HOME / "bin" / "spark-submit"), "--master", "local[2]"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    command += ["--driver-class-path", ":".join(str(jar) for jar in jars.classpath())]
    command += [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]

    # spark-submit sizes this class like a daemon, whatever --driver-memory says.
    with background(folder, command, SPARK_DAEMON_MEMORY="1g") as server:

        def listens() -> bool:
            if server.poll() is not None:
                raise RuntimeError(f"the Connect server ended:\n{(folder / 'daemons.log').read_text()[-3000:]}")
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True

        wait(folder, "the Connect server", listens)
        yield f"sc://127.0.0.1:{port}"


@contextmanager
def background(
    folder: Path, command: list[str], core: int | None = None, **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that dies with the block, with what it started, and with this process; its log is daemons.log."""
    with (folder / "daemons.log").open("a") as log:
        process = subprocess.Popen(
            command, env=environment(**more), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            start_new_session=True, preexec_fn=partial(prepare, core),
        )  # fmt: skip
        try:
            yield process
        finally:
            for how, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
                try:
                    os.killpg(process.pid, how)
                    process.wait(seconds)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


def prepare(core: int | None) -> None:
    """In a daemon before it starts: ask Linux to end it when the test process is killed; keep to a core."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if core is not None:
            mine = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {mine[core % len(mine)]})


def environment(**more: str) -> dict[str, str]:
    """What Spark's scripts need, and nothing that a developer's shell may add."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "384m",
        "SPARK_NO_DAEMONIZE": "1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }


def wait(folder: Path, what: str, ready, seconds: int = 300) -> None:
    """Wait until `ready()` or fail with the daemons' log."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if ready():
                return
        except OSError:  # nobody listens yet
            pass
        time.sleep(0.3)
    raise RuntimeError(f"{what} did not come up within {seconds} s:\n{(folder / 'daemons.log').read_text()[-3000:]}")


def shipped_package(folder: Path) -> Path:
    """The wheel of this checkout with the ending .zip: executors import no .whl."""
    source = folder / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "lib", source / "lib", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "-w", str(folder), str(source)], check=True, capture_output=True)
    wheel = next(folder.glob("parlevel-*.whl"))
    return wheel.rename(wheel.with_suffix(".zip"))


def without_checkout(folder: Path) -> str:
    """A PYTHONPATH entry that hides the checkout from Python, so that only the shipped package is left."""
    hide = f"import sys\nsys.path[:] = [entry for entry in sys.path if entry != {str(ROOT / 'lib')!r}]\n"
    (folder / "sitecustomize.py").write_text(hide)
    return str(folder)


def submit(
    job: str, *arguments: str, spark: list[str], env: dict[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """spark-submit a job file with parlevel's arguments."""
    command = [str(SPARK_HOME / "bin" / "spark-submit"), *spark, str(ROOT / "jobs" / job), *arguments]
    return subprocess.run(
        command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2400, check=False
    )
