"""The same eight words everywhere: stages, job files, pipeline files, bundle tasks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import rules
import yaml
from databricks.bundles.jobs import Job

from parlevel.pipeline import STAGES

JOB_FILE = rules.ROOT / "resources" / "parlevel_job.yml"
NOT_STAGES = {"__init__", "runner", "entry", "check", "identity", "lock", "logs", "dates", "plays"}
JOBS_BESIDE_STAGES = {"run_all", "stream"}


def job_dict() -> dict:
    return yaml.safe_load(JOB_FILE.read_text())["resources"]["jobs"]["parlevel"]


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")}


def test_every_stage_has_a_job_file_and_no_job_file_is_without_a_stage() -> None:
    assert stems(rules.ROOT / "jobs") - JOBS_BESIDE_STAGES == set(STAGES)


def test_every_stage_has_a_pipeline_file_and_the_rest_is_machinery() -> None:
    found = stems(rules.LIB / "pipeline")
    assert set(STAGES) <= found
    helpers = found - set(STAGES) - NOT_STAGES
    assert all(any(helper.startswith(f"{stage}_") for stage in STAGES) for helper in helpers), sorted(helpers)


@pytest.mark.parametrize("stage", STAGES)
def test_a_job_file_runs_its_own_stage_in_at_most_25_lines(stage: str) -> None:
    source = (rules.ROOT / "jobs" / f"{stage}.py").read_text()
    assert len(source.splitlines()) <= 25
    assert f'main(["{stage}"])' in source


@pytest.mark.parametrize("stage", STAGES)
def test_a_pipeline_file_has_the_one_entry_of_a_stage(stage: str) -> None:
    tree = ast.parse((rules.LIB / "pipeline" / f"{stage}.py").read_text())
    runs = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run"]
    assert [[a.arg for a in run.args.args] for run in runs] == [["tables", "cfg"]]


def test_the_bundle_runs_the_stages_one_after_another() -> None:
    job = Job.from_dict(job_dict())
    assert [task.task_key for task in job.tasks] == list(STAGES)
    waits = [[dependency.task_key for dependency in task.depends_on] for task in job.tasks]
    assert waits == [[], *([stage] for stage in STAGES[:-1])]


def test_the_bundle_names_files_clusters_and_parameters_that_exist() -> None:
    job = Job.from_dict(job_dict())
    clusters = {cluster.job_cluster_key for cluster in job.job_clusters}
    declared = {parameter.name for parameter in job.parameters}
    for task in job.tasks:
        assert (
            JOB_FILE.parent / task.spark_python_task.python_file
        ).resolve() == rules.ROOT / "jobs" / f"{task.task_key}.py"
        assert task.job_cluster_key in clusters
        assert [library.whl for library in task.libraries] == ["../dist/*.whl"]
        used = re.findall(r"job\.parameters\.(\w+)", " ".join(task.spark_python_task.parameters))
        assert set(used) == declared


def test_the_bundle_is_scheduled_and_ships_the_wheel() -> None:
    job = Job.from_dict(job_dict())
    assert job.schedule.quartz_cron_expression.split()[2].isdigit()
    bundle = yaml.safe_load((rules.ROOT / "databricks.yml").read_text())
    assert bundle["artifacts"]["parlevel"]["type"] == "whl"
    assert [str(path.relative_to(rules.ROOT)) for path in rules.ROOT.glob(bundle["include"][0])] == [
        "resources/parlevel_job.yml"
    ]


def test_the_bundle_uses_only_variables_that_it_declares() -> None:
    text = JOB_FILE.read_text() + (rules.ROOT / "databricks.yml").read_text()
    declared = yaml.safe_load((rules.ROOT / "databricks.yml").read_text())["variables"]
    assert set(re.findall(r"\$\{var\.(\w+)\}", text)) == set(declared)


def test_the_bundle_library_refuses_a_misspelt_key() -> None:
    wrong = job_dict()
    wrong["tasks"][1]["depend_on"] = wrong["tasks"][1].pop("depends_on")
    with pytest.raises(ValueError, match="Unexpected field 'depend_on'"):
        Job.from_dict(wrong)
