"""Every file of the library keeps the rules of the house; every rule catches a file that does not."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest
import rules

Rule = Callable[[str], Iterator[str]]
# rule -> files (below lib/parlevel) that may break it, with the reason in the rule's docstring or here.
RULES: dict[Rule, tuple[str, ...]] = {
    rules.classic_only: ("spark/watch.py",),  # how far a stage is: told where it can be, missed by nothing
    rules.keeps_frames: (),
    rules.to_driver: ("report/", "pipeline/publish.py", "cli"),  # they read what a person is about to see
    rules.prints: (),
    rules.too_long: (),
    rules.undocumented: (),
    rules.unsafe_formats: (),
    rules.eager_heavy: (),
    rules.swallowed: (),
    rules.new_session: ("spark/session.py",),
}
BROKEN: dict[Rule, str] = {
    rules.classic_only: "def f(spark):\n    return spark.sparkContext.parallelize([1])",
    rules.keeps_frames: "rows = df.select('a').persist()",
    rules.to_driver: "rows = df.select('a').toPandas()",
    rules.prints: "def f():\n    print('x')",
    rules.too_long: "def f():\n" + "    x = 1\n" * 50,
    rules.undocumented: '"""M."""\nclass A:\n    """A."""\n    def b(self): ...',
    rules.unsafe_formats: "def f():\n    from joblib import load",
    rules.eager_heavy: "import tensorflow as tf",
    rules.swallowed: "try:\n    f()\nexcept Exception:\n    pass",
    rules.new_session: "s = SparkSession.builder.getOrCreate()",
}
FINE: dict[Rule, str] = {
    rules.classic_only: "spark.createDataFrame([(1,)])",
    rules.keeps_frames: "from functools import cache\n@cache\ndef f():\n    return scratch.keep(df)",
    rules.to_driver: "rows = df.groupBy('rule').count().collect()  # bounded: one row per rule",
    rules.prints: "import sys\nsys.stdout.write('x')",
    rules.too_long: "def f():\n" + "    x = 1\n" * 49,
    rules.undocumented: '"""M."""\nclass A:\n    """A."""\n    def _b(self): ...',
    rules.unsafe_formats: "import skops.io",
    rules.eager_heavy: "def f():\n    import tensorflow as tf",
    rules.swallowed: "try:\n    f()\nexcept ValueError:\n    pass",
    rules.new_session: "s = get_session(cfg)",
}


def name(rule: Rule) -> str:
    return rule.__name__


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_the_library_keeps_the_rule(rule: Rule) -> None:
    faults = [
        f"{path.relative_to(rules.LIB)}: {fault}"
        for path in rules.sources()
        if not str(path.relative_to(rules.LIB)).startswith(RULES[rule] or ("\0",))
        for fault in rule(path.read_text())
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_the_rule_catches_what_breaks_it(rule: Rule) -> None:
    assert list(rule(BROKEN[rule])), "the rule let a bad snippet pass"


@pytest.mark.parametrize("rule", RULES, ids=name)
def test_the_rule_lets_good_code_pass(rule: Rule) -> None:
    assert list(rule(FINE[rule])) == []


def test_a_file_of_301_lines_is_too_long() -> None:
    assert list(rules.too_long("x = 1\n" * 301)) == ["301 lines"]
    assert list(rules.too_long("x = 1\n" * 300)) == []


def test_a_limit_in_the_code_bounds_what_is_collected_and_a_variable_one_does_not() -> None:
    assert list(rules.to_driver("rows = df.select('a').limit(3).collect()")) == []
    assert list(rules.to_driver("rows = df.limit(n).collect()")) == ["line 1: .collect()"]


def test_the_rules_look_at_real_files() -> None:
    found = {str(path.relative_to(rules.LIB)) for path in rules.sources()}
    assert {"doctor.py", "domain/panel.py", "pipeline/entry.py"} <= found


def test_nothing_outside_the_spark_rooms_imports_pyspark() -> None:
    rooms = ("spark/", "sources/", "pipeline/", "report/", "cli")
    faults = [
        f"{path.relative_to(rules.LIB)}: line {line}"
        for path in rules.sources()
        if not str(path.relative_to(rules.LIB)).startswith(rooms)
        for line, package in rules.imports(ast.parse(path.read_text()))
        if package in {"pyspark", "delta"}
    ]
    assert not faults, "\n".join(faults)


def test_tests_never_assert_wall_time() -> None:
    clocks = {"perf_counter", "monotonic", "process_time"}
    faults = [
        f"{path.relative_to(rules.ROOT)}: line {node.lineno}"
        for path in rules.sources(rules.ROOT / "tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
        and any(isinstance(inner, ast.Attribute) and inner.attr in clocks for inner in ast.walk(node))
    ]
    assert not faults, "\n".join(faults)
