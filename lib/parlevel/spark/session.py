"""The one place that makes a Spark session."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from parlevel import doctor, jars
from parlevel.config import Config

log = logging.getLogger(__name__)

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}

# Small data must not pay for 200 shuffle partitions or 50 snapshot partitions; AQE would merge heavy
# Python groups into one task, so partition counts are set by whoever knows the work.
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    "spark.databricks.delta.schema.autoMerge.enabled": "false",
    # CSV files in windows-1252 and the like: without it Spark knows ISO 8859-1 and Unicode only.
    "spark.sql.legacy.javaCharsets": "true",
}

# A packed row of five years is 50 to 150 kB. Spark reads 4,096 rows of a Parquet file at once unless told otherwise:
# with two tasks of 30,490 series x 1,941 days they filled a heap of 2 GB.
BATCHES = {
    "spark.sql.parquet.columnarReaderBatchSize": "256",  # rows
    "spark.sql.execution.arrow.maxRecordsPerBatch": "500",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(32 * 2**20),
}
"""Rows and bytes that a task holds at once: session settings, so that they also hold where a session is given."""

# Half of a small run's CPU time was the second compiler's, on code that ran a few thousand times. It waits for what
# is called ten times as often as it would by default: loops over millions of rows still get it.
JVM = (
    "-XX:+UseSerialGC -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

LOGGING = Path(__file__).with_name("log4j2.properties")
"""What an embedded session's JVM says: errors only."""


def get_session(cfg: Config, **extra: str) -> SparkSession:
    """The session of this process: the active one, or a new one from the configuration.

    Under spark-submit, on Databricks and with Spark Connect a session or its master is given;
    otherwise an embedded one starts with the Delta jars that set-up fetched.

    Args:
        cfg: the configuration; its `spark` section sets master, memory and further settings.
        extra: settings that win over everything else, dots written as `__`.

    Raises:
        EnvironmentFault: Java or the Delta jars are missing.
    """
    _quiet()
    active = SparkSession.getActiveSession()
    if active is not None:
        return _tuned(active, cfg)
    if os.environ.get("SPARK_REMOTE"):
        return _tuned(SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).getOrCreate(), cfg)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(cfg.name)
    if not _submitted():
        needs = doctor.Needs.of(cfg.paths.warehouse, cfg.spark.driver_memory, cfg.spark.conf)
        doctor.require("java", "jars", "folder", "disk", "memory", "ports", needs=needs)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder = _embedded(builder, cfg)
    memory = {"spark.executor.pyspark.memory": cfg.spark.python_memory} if cfg.spark.python_memory else {}
    for key, value in {**DELTA, **SETTINGS, **BATCHES, **worker_environment(), **memory, **cfg.spark.conf}.items():
        builder = builder.config(key, value)
    for key, value in extra.items():
        builder = builder.config(key.replace("__", "."), value)
    session = builder.getOrCreate()
    return _tuned(session, cfg)


def worker_environment() -> dict[str, str]:
    """Executor settings that keep every library of a Python worker to one thread, and quiet."""
    names = {f"spark.executorEnv.{name}": "1" for name in ONE_THREAD}
    return {**names, "spark.executorEnv.TF_CPP_MIN_LOG_LEVEL": "3", "spark.executorEnv.PYTHONHASHSEED": "0"}


def cores(spark: SparkSession) -> int:
    """Tasks that run at once, as far as the session tells; at least 1."""
    master = spark.conf.get("spark.master", "local[2]") or "local[2]"
    if master.startswith("local["):
        inside = master[6:].split("]")[0].split(",")[0]
        return (os.cpu_count() or 1) if inside == "*" else int(inside)
    for key in ("spark.cores.max", "spark.default.parallelism"):
        value = spark.conf.get(key, None)
        if value:
            return int(value)
    return max(2, int(spark.conf.get("spark.executor.instances", "2") or 2))


def _quiet() -> None:
    """Keep PySpark from logging every analysis error as JSON with the JVM's stack: the error itself is raised."""
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        logging.getLogger(name).disabled = True
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_not_py4j)


def _not_py4j(record: logging.LogRecord) -> bool:
    """Ctrl-C ends the JVM too, and py4j then logs each broken call with its stack, to the root, before it raises."""
    return record.module not in ("java_gateway", "clientserver")


def _submitted() -> bool:
    """Whether spark-submit launched this process: it passes its settings to the JVM gateway."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _embedded(builder: SparkSession.Builder, cfg: Config) -> SparkSession.Builder:
    """Settings of a session that runs in this process's own JVM."""
    paths = ":".join(str(path) for path in jars.classpath())
    master = cfg.spark.master or f"local[{cfg.spark.cores or '*'}]"
    return (
        builder.master(master)
        .config("spark.driver.extraClassPath", paths)
        .config("spark.driver.memory", cfg.spark.driver_memory)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", str(sys.stderr.isatty()).lower())
        .config("spark.driver.extraJavaOptions", f"{JVM} -Dlog4j2.configurationFile={LOGGING.as_uri()}")
        .config("spark.log.level", "ERROR")
        .config("spark.sql.shuffle.partitions", str(2 * (cfg.spark.cores or os.cpu_count() or 2)))
    )


def _tuned(session: SparkSession, cfg: Config) -> SparkSession:
    """Session-level settings that also hold for a session somebody else made."""
    session.conf.set("spark.sql.session.timeZone", "UTC")  # dates depend on it
    wanted = {"spark.sql.adaptive.coalescePartitions.enabled": "false", **BATCHES}
    if cfg.spark.partitions:
        wanted["spark.sql.shuffle.partitions"] = str(cfg.spark.partitions)
    for key, value in wanted.items():
        _try_to_set(session, key, cfg.spark.conf.get(key, value))
    return session


def _try_to_set(session: SparkSession, key: str, value: str) -> None:
    """Set what makes a run quicker or smaller; serverless sessions allow a handful of settings only."""
    try:
        session.conf.set(key, value)
    except PySparkException as error:
        log.warning("the session keeps its own %s: %s", key, str(error).partition("\n")[0])
