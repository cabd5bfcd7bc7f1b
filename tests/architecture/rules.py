"""Rules of the house, each a function from a file's source to what breaks it; `test_rules` feeds them good and bad."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "lib" / "parlevel"
MAX_FUNCTION, MAX_FILE = 50, 300
# Only there on a driver with a JVM of its own: Spark Connect and serverless have none of them.
CLASSIC_ONLY = {"sparkContext", "rdd", "_jvm", "_jsc", "_jdf", "_jsparkSession"}
KEEPERS = {"persist", "cache", "unpersist", "localCheckpoint", "checkpoint", "StorageLevel"}
TO_DRIVER = {"collect", "toPandas", "toArrow", "toLocalIterator"}
UNSAFE = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
HEAVY = {"tensorflow", "keras", "lightgbm", "ortools", "statsforecast", "sklearn", "numba"}
BOUNDED = "# bounded:"
"""This comment, on the line or beside it, says why rows brought to the driver do not grow with the series."""


def sources(folder: Path = LIB) -> list[Path]:
    """Every Python file below a folder."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def classic_only(source: str) -> Iterator[str]:
    """Attributes that Spark Connect does not have."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in CLASSIC_ONLY:
            yield f"line {node.lineno}: .{node.attr}"


def keeps_frames(source: str) -> Iterator[str]:
    """Frames kept in executors, which serverless Spark refuses: `spark.scratch` keeps them in files."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in KEEPERS:
            yield f"line {node.lineno}: .{node.attr}"


def to_driver(source: str) -> Iterator[str]:
    """Calls that bring a frame's rows to the driver without saying why they are few."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in TO_DRIVER and isinstance(node, ast.Call):
            said = any(
                BOUNDED in line for line in lines[max(node.lineno - 2, 0) : (node.end_lineno or node.lineno) + 1]
            )
            if not said and not _limited(called.value):
                yield f"line {node.lineno}: .{called.attr}()"


def _limited(frame: ast.expr) -> bool:
    """Whether a frame was cut to a number of rows that stands in the code."""
    cut = isinstance(frame, ast.Call) and isinstance(frame.func, ast.Attribute) and frame.func.attr == "limit"
    return cut and isinstance(frame, ast.Call) and isinstance(frame.args[0], ast.Constant)


def prints(source: str) -> Iterator[str]:
    """Calls of print."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"line {node.lineno}: print()"


def too_long(source: str) -> Iterator[str]:
    """A file over 300 lines, functions over 50."""
    count = len(source.splitlines())
    if count > MAX_FILE:
        yield f"{count} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield f"{node.name}: {length} lines"


def undocumented(source: str) -> Iterator[str]:
    """Public modules, classes, functions and methods without a docstring; overrides of a protocol need none."""
    tree = ast.parse(source)
    if tree.body and not ast.get_docstring(tree):
        yield "the module"
    yield from _undocumented(tree.body, inside="")


def _undocumented(body: list[ast.stmt], inside: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield f"{inside}{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from _undocumented(node.body, f"{node.name}.")


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, package) of every absolute import below a node."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        yield from ((node.lineno, name.split(".")[0]) for name in names)  # type: ignore[attr-defined]


def unsafe_formats(source: str) -> Iterator[str]:
    """Imports of libraries whose files run code when they are read."""
    yield from (f"line {line}: {name}" for line, name in imports(ast.parse(source)) if name in UNSAFE)


def eager_heavy(source: str) -> Iterator[str]:
    """Heavy libraries imported when the module is, rather than when they are used."""
    tree = ast.parse(source)
    lazy = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) or _type_checking(node)
        for line, _ in imports(node)
    }
    yield from (f"line {line}: {name}" for line, name in imports(tree) if name in HEAVY and line not in lazy)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def swallowed(source: str) -> Iterator[str]:
    """Handlers that catch everything and do nothing."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            if broad and all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body):
                yield f"line {node.lineno}: except and silence"


def new_session(source: str) -> Iterator[str]:
    """Places that make a Spark session."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "getOrCreate":
            yield f"line {node.lineno}: getOrCreate"
