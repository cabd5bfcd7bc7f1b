"""What every job file does: arguments -> configuration -> session -> stages."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from parlevel.config import Config, load
from parlevel.errors import EnvironmentFault, ParlevelError
from parlevel.pipeline.logs import Located

NO_DELTA = ("org.apache.spark.sql.delta.catalog.DeltaCatalog", "io.delta.sql.DeltaSparkSessionExtension")
"""What Spark's error names when Delta's jars are not on its class path."""


def main(stages: Sequence[str], arguments: Sequence[str] | None = None) -> int:
    """Run `stages` as a job; the process's exit status.

    Args:
        stages: which of the eight, in order.
        arguments: the command line; default: this process's.

    Returns: 0, or 2 when something a user can mend is wrong (the message is on stderr). Other
        errors go through with their traceback.
    """
    asked = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Located())
    try:
        cfg = load(asked.config, asked.set)
        _run(cfg, stages, asked.force)
    except ParlevelError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A parlevel job.")
    parser.add_argument("--config", action="append", default=[], help="YAML file; repeat it, later ones win")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="one setting; repeat it")
    parser.add_argument("--force", action="store_true", help="compute again even if nothing changed")
    return parser.parse_args(arguments)


def _run(cfg: Config, stages: Sequence[str], force: bool) -> None:
    """Start (or take over) the session, run, and stop it only where this process started it."""
    from pyspark.sql import SparkSession

    from parlevel.pipeline.check import check
    from parlevel.pipeline.lock import only_run
    from parlevel.pipeline.runner import run
    from parlevel.spark.session import get_session

    check(cfg)
    given = SparkSession.getActiveSession() is not None
    spark = get_session(cfg)
    try:
        with only_run(cfg):
            result = run(spark, cfg, stages=stages, force=force)
    except Exception as error:
        if isinstance(error, ParlevelError) or not any(name in str(error) for name in NO_DELTA):
            raise
        raise EnvironmentFault(
            "Delta's jars must be on spark-submit's class path. Add them: "
            "spark-submit --jars .jars/delta-spark_4.2_2.13-4.4.0.jar,.jars/delta-storage-4.4.0.jar ..."
        ) from error
    finally:
        if not given:
            spark.stop()
    done = [event.stage for event in result.events if event.status == "done"]
    sys.stdout.write(f"run {result.run_id}: computed {done or 'nothing'}, reused {result.reused or 'nothing'}\n")
