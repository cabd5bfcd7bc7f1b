"""What a source is, and what every adapter needs: checked options, found files, a fingerprint."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import ValidationError
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from parlevel.config import Config, told
from parlevel.config.section import Section
from parlevel.errors import ConfigError, DataError
from parlevel.registry import nearest
from parlevel.schemas import contract
from parlevel.spark.scratch import Scratch

Options = TypeVar("Options", bound=Section)

# Above this, a file is known by name, size and time instead of by its content.
HASHED_BYTES = 256 * 2**20


@runtime_checkable
class Source(Protocol):
    """Where the contract tables come from; one class and one registry line per data set.

    Attributes:
        notes: what a reader of the run log should know about the data, filled by `load`.
    """

    notes: tuple[str, ...]

    def __init__(self, options: Mapping[str, Any], cfg: Config) -> None:
        """Check the options and that the data are there; nothing is read yet.

        Args:
            options: `source.options` of the configuration.
            cfg: the whole configuration; sources read `calendar` and `seed`.

        Raises:
            ConfigError: an option is unknown or breaks its rule, or the period does not fit.
            DataError: the data are not there.
        """
        ...

    def load(self, spark: SparkSession) -> dict[str, DataFrame]:
        """Contract tables by name, without `run_id`, lazily built; at least `series` and `sales`."""
        ...

    def fingerprint(self) -> str:
        """A cheap hash that changes when the data do; needs no Spark."""
        ...

    def release(self) -> None:
        """Remove what `load` kept; called when its tables are written."""
        ...


class Cached:
    """Frames that several tables of a source are built from, kept until they are written."""

    notes: tuple[str, ...] = ()
    _cfg: Config
    _scratch: Scratch | None = None

    def keep(self, df: DataFrame) -> DataFrame:
        """Compute `df` once, now."""
        self._scratch = self._scratch or Scratch(df.sparkSession, self._cfg, "sources")
        return self._scratch.keep(df)

    def release(self) -> None:
        """Remove what `keep` holds."""
        if self._scratch is not None:
            self._scratch.clear()


def read_options(model: type[Options], options: Mapping[str, Any], name: str) -> Options:
    """The options of source `name`, checked.

    Raises:
        ConfigError: every problem in one message, each with its path, the rule and the nearest known key.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        lines = [_explain(model, problem, name) for problem in error.errors()]
        raise ConfigError(f"options of source {name!r} are not valid:\n  " + "\n  ".join(lines)) from None


def _explain(model: type[Section], problem: Any, name: str) -> str:
    path = ".".join(str(part) for part in ("source", "options", *problem["loc"]))
    if problem["type"] != "extra_forbidden":
        return f"{path}: {told(problem['msg'], problem['input'])}"
    known = _keys_at(model, problem["loc"][:-1])
    close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{path}: unknown key.{hint} Options of {name!r} here: {', '.join(sorted(known)) or 'none'}."


def _keys_at(model: Any, location: tuple[Any, ...]) -> list[str]:
    """Known keys of the (nested) section at `location`; a step that is no field is a key of a mapping."""
    for part in location:
        if part in model.model_fields:
            model = _section_of(model.model_fields[part].annotation)
            if model is None:
                return []
    return list(model.model_fields)


def _section_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _section_of(argument)
        if found is not None:
            return found
    return None


def require_period(cfg: Config, name: str, allowed: Iterable[str]) -> None:
    """Check that the configured period is one the source can give.

    Raises:
        ConfigError: it is not; says which are.
    """
    known = list(allowed)
    if cfg.calendar.period not in known:
        raise ConfigError(
            f"calendar.period must be {' or '.join(known)} for source {name!r}, whose records are that fine. "
            f"Got {cfg.calendar.period!r}. Use --preset {name}, or set calendar.period={known[0]}."
        )


def data_folder(option: str | None, name: str, needed: Iterable[str]) -> Path:
    """The folder of a reference data set: the option, else PARLEVEL_DATA, else ../shared/data; then `name`.

    Raises:
        DataError: the folder or one of the `needed` files is not there.
    """
    root = Path(option or os.environ.get("PARLEVEL_DATA") or "../shared/data").expanduser()
    folder = root if (root / next(iter(needed))).is_file() else root / name
    missing = [file for file in needed if not (folder / file).is_file()]
    if missing:
        raise DataError(
            f"source {name!r} needs the files {missing} in folder {str(folder)!r}, and they are not there. Set "
            f"source.options.data_dir (or the environment variable PARLEVEL_DATA) to the folder that holds {name!r}."
        )
    return folder


def files_fingerprint(files: Iterable[Path], *facts: object) -> str:
    """Hash of file names and contents (of size and time, where files are large) and of further facts."""
    found = sorted(files)
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(f"{fact}\x1f".encode())
    sizes = {file: file.stat().st_size for file in found}
    large = sum(sizes.values()) > HASHED_BYTES
    for file in found:
        digest.update(f"{file.name}\x1f{sizes[file]}\x1f".encode())
        digest.update(str(file.stat().st_mtime_ns).encode() if large else file.read_bytes())
    return digest.hexdigest()[:32]


def read_parquet(spark: SparkSession, path: str) -> DataFrame:
    """A Parquet file, also with pandas' nanosecond timestamps, which Spark refuses: they come as whole numbers."""
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    return spark.read.parquet(path)


def date_of_nanoseconds(value: SparkColumn) -> SparkColumn:
    """Date of nanoseconds since 1970."""
    return F.to_date(F.timestamp_micros(F.floor(value / 1000).cast("bigint")))


def contract_frame(df: DataFrame, table: str, **computed: SparkColumn) -> DataFrame:
    """`df` as contract table `table`: computed columns laid over it, types cast, columns of neither null.

    Args:
        df: supplies the contract columns that `computed` does not.
        table: the contract.
        computed: expressions by column name.
    """
    columns = []
    for column in contract(table).data_columns:
        value = computed.get(column.name)
        if value is None:
            value = F.col(column.name) if column.name in df.columns else F.lit(None)
        columns.append(value.cast(column.type).alias(column.name))
    unknown = [name for name in computed if name not in {column.name for column in contract(table).columns}]
    if unknown:
        raise DataError(
            f"table {table!r} has no column {unknown[0]!r}.{nearest(unknown[0], list(contract(table).names))}"
        )
    return df.select(*columns)


def rows_frame(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """A small contract table from rows; columns that a row does not name are null."""
    columns = contract(table).data_columns
    ddl = ", ".join(f"`{column.name}` {column.type}" for column in columns)
    return spark.createDataFrame([tuple(row.get(column.name) for column in columns) for row in rows], ddl)
