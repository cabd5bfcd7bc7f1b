"""Each fault of the machine is simulated and answered with what is wrong and the way out."""

from __future__ import annotations

import builtins
import hashlib
import os
import re
import socket
import stat
import sys
from pathlib import Path

import pytest

from parlevel import doctor, jars
from parlevel.doctor import Needs
from parlevel.errors import EnvironmentFault

NEEDS = Needs()


def fake_java(folder: Path, says: str) -> Path:
    binary = folder / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    binary.chmod(0o755)
    return folder


def test_a_machine_that_has_everything_is_ready() -> None:
    assert all(check.ok for check in doctor.checks(NEEDS, ("python", "versions", "folder", "disk", "memory", "ports")))


def test_wrong_python_is_named_with_the_way_to_choose_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 4, "final", 0))
    check = doctor.python(NEEDS)
    assert not check.ok
    assert check.detail == "Python 3.12.4, needs 3.11"
    assert "make setup PYTHON=" in check.way_out


def test_no_java_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = doctor.java(NEEDS)
    assert (check.ok, check.detail) == (False, "no java on the PATH and no JAVA_HOME")
    assert "apt-get install openjdk-17-jre-headless" in check.way_out


def test_java_home_that_holds_no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert doctor.java(NEEDS).detail == f"JAVA_HOME={tmp_path} has no bin/java"


@pytest.mark.parametrize(
    ("says", "major", "ok"),
    [
        ('openjdk version "17.0.15" 2025-04-15', "17", True),
        ('java version "1.8.0_392"', "8", False),
        ('openjdk version "21-ea" 2023-09-19', "21", False),
    ],
)
def test_java_versions_old_and_new(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, major: str, ok: bool
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, says)))
    check = doctor.java(NEEDS)
    assert check.ok is ok
    assert check.detail.startswith(f"Java {major} at ")


def test_a_java_that_speaks_in_riddles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, "Segmentation fault")))
    check = doctor.java(NEEDS)
    assert not check.ok
    assert "Segmentation fault" in check.detail


def test_a_package_at_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.PINNED, "pandas", "3.0.0")
    monkeypatch.setitem(doctor.PINNED, "no-such-package", "1")
    check = doctor.versions(NEEDS)
    assert not check.ok
    assert check.detail == "pandas 2.3.3 (needs 3.0.0), no-such-package none (needs 1)"


def test_the_doctor_asks_for_what_the_constraints_pin(project: Path) -> None:
    lines = (project / "constraints.txt").read_text().lower().replace("_", "-").split()
    assert all(f"{package}=={version}" in lines for package, version in doctor.PINNED.items())


def test_too_little_disk_and_memory_and_where_to_go(tmp_path: Path) -> None:
    needs = Needs(warehouse=str(tmp_path / "not" / "yet"), disk_gib=1e9, memory_gib=1e9)
    disk, memory = doctor.checks(needs, ("disk", "memory"))
    assert not disk.ok
    assert f"GiB free at {tmp_path}, needs 1e+09 GiB" in disk.detail
    assert "paths.warehouse" in disk.way_out
    assert not memory.ok
    assert "spark.driver_memory" in memory.way_out


def test_a_control_group_caps_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": "MemTotal: 99 kB\nMemAvailable:   8388608 kB\n",
        "/sys/fs/cgroup/memory.max": "3221225472\n",
        "/sys/fs/cgroup/memory.current": "1073741824\n",
    }
    monkeypatch.setattr(Path, "read_text", lambda self: files[str(self)])
    assert doctor.available_memory() == 2 * 1024**3
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert doctor.available_memory() == 8 * 1024**3


def test_a_taken_port_is_named_and_a_free_one_is_not() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        check = doctor.ports(Needs(ports=(0, port)))
        assert not check.ok
        assert check.detail == f"127.0.0.1:{port} cannot be opened: Address already in use"
    assert doctor.ports(Needs(ports=(0,))).ok


def test_needs_follow_the_configuration() -> None:
    conf = {"spark.driver.port": "7078", "spark.blockManager.port": "0", "spark.ui.port": "auto", "spark.x": "5"}
    assert Needs.of("tables", "2g", conf) == Needs("tables", disk_gib=2.0, memory_gib=3.5, ports=(0, 7078))
    assert [doctor._gib(size) for size in ("512m", "1024", "1t", "2GB")] == [0.5, 1.0, 1024.0, 2.0]
    with pytest.raises(EnvironmentFault, match="must look like 2g or 1500m. Got 'much'"):
        Needs.of("tables", "much", {})


def test_a_session_is_not_started_on_a_machine_that_lacks_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pyspark.sql import SparkSession

    from parlevel.config import load
    from parlevel.spark.session import get_session

    monkeypatch.setattr(SparkSession, "getActiveSession", classmethod(lambda _: None))
    monkeypatch.setenv("PARLEVEL_JARS", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="not ready:\n  jars: .*make setup"):
        get_session(load())


def test_a_read_only_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    check = doctor.folder(Needs(warehouse=str(tmp_path / "warehouse")))
    assert (check.ok, check.detail) == (False, f"{tmp_path} cannot be written: Read-only file system")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert "Permission denied" in doctor.folder(Needs(warehouse=str(tmp_path))).detail
    tmp_path.chmod(stat.S_IRWXU)


def test_a_warehouse_in_a_bucket_is_not_looked_for_on_the_disk() -> None:
    assert doctor.folder(Needs(warehouse="s3://bucket/tables")).ok


def test_require_lists_every_fault_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARLEVEL_JARS", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"not ready:\n  java: .*\n  jars: .*make setup") as caught:
        doctor.require("java", "jars", "python")
    assert "python" not in str(caught.value)
    doctor.require("python")


def test_main_prints_each_check_and_fails_with_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert doctor.main(["python", "java"]) == 2
    shown = capsys.readouterr().out
    assert re.search(r"^ok +python ", shown, re.MULTILINE)
    assert re.search(r"^FAULT +java .*\n +Install Java 17", shown, re.MULTILINE)
    assert doctor.main(["--quiet", "python"]) == 0
    assert capsys.readouterr().out == ""


def test_main_refuses_a_check_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        doctor.main(["jave"])
    assert "check must be one of" in capsys.readouterr().err


@pytest.fixture
def right_jars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder whose files have the hashes that are asked for."""
    names = {name: f"content of {name}".encode() for name in jars.SHA256}
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(jars, "SHA256", {name: hashlib.sha256(content).hexdigest() for name, content in names.items()})
    monkeypatch.setenv("PARLEVEL_JARS", str(tmp_path))
    return tmp_path


def test_the_class_path_is_the_two_jars(right_jars: Path) -> None:
    assert [path.name for path in jars.classpath()] == list(jars.SHA256)
    assert all(path.parent == right_jars for path in jars.classpath())
    assert doctor.jars(NEEDS).ok


def test_a_jar_that_was_cut_short_is_refused(right_jars: Path) -> None:
    (right_jars / "delta-storage-4.4.0.jar").write_bytes(b"content of")
    with pytest.raises(EnvironmentFault, match=r"must have the released file's sha256.*10 bytes.*make setup"):
        jars.classpath()


def test_missing_jars_name_the_folders_and_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARLEVEL_JARS", str(tmp_path))
    with pytest.raises(
        EnvironmentFault, match=rf"Looked in {re.escape(str(tmp_path))}. Run `make setup` once with network"
    ):
        jars.classpath()
    assert not doctor.jars(NEEDS).ok


def test_fetch_is_offline_when_the_jars_are_there(right_jars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: Path) -> str:
        raise AssertionError("nothing must be downloaded")

    monkeypatch.setattr(jars, "_resolve", never)
    jars.fetch(right_jars)


def test_fetch_offline_shows_what_ivy_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jars, "_resolve", lambda _: "...\nUNRESOLVED DEPENDENCIES: host unreachable")
    with pytest.raises(EnvironmentFault, match=r"(?s)Ivy must bring delta-spark.*UNRESOLVED.*PARLEVEL_JARS"):
        jars.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fetch_keeps_only_the_two_files(right_jars: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def download(ivy: Path) -> str:
        for name in jars.SHA256:
            target = ivy / "cache" / "io.delta" / "jars" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(f"content of {name}".encode())
        return ""

    monkeypatch.setattr(jars, "_resolve", download)
    folder = tmp_path / "fresh"
    jars.fetch(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(jars.SHA256)


def test_spark_submit_learns_where_the_jars_are_and_a_file_of_ones_own_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jars, "_spark_home", lambda: tmp_path)
    file = jars.tell_spark_submit(tmp_path / "here")
    assert file == tmp_path / "conf" / "spark-defaults.conf"
    setting = file.read_text().splitlines()[1]
    paths = ":".join(str(tmp_path / "here" / name) for name in jars.SHA256)
    assert setting == f"spark.driver.extraClassPath {paths}"
    assert "there" in jars.tell_spark_submit(tmp_path / "there").read_text()  # type: ignore[union-attr]
    file.write_text("spark.master yarn\n")
    assert jars.tell_spark_submit(tmp_path / "here") is None
    assert file.read_text() == "spark.master yarn\n"


def test_without_the_variable_the_checkout_comes_before_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, project: Path
) -> None:
    monkeypatch.delenv("PARLEVEL_JARS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert list(jars.candidates()) == [project / ".jars", tmp_path / "parlevel" / "jars"]


def test_the_doctor_needs_nothing_but_the_standard_library(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, original = set(), builtins.__import__

    def watch(name: str, *args: object, **kwargs: object) -> object:
        seen.add(name.split(".")[0])
        return original(name, *args, **kwargs)  # type: ignore[arg-type]

    for module in ("parlevel.doctor", "parlevel.jars", "parlevel.errors"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", watch)
    __import__("parlevel.doctor")
    assert seen - set(sys.stdlib_module_names) == {"parlevel"}
