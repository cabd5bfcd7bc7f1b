"""What a configuration names is built before Spark starts."""

from __future__ import annotations

import pytest

from parlevel.config import load
from parlevel.errors import ConfigError, RegistryError
from parlevel.pipeline.check import check

SYNTHETIC = "source.name=synthetic"


def test_a_right_configuration_passes():
    check(load(["conf/base.yaml"], [SYNTHETIC]))


@pytest.mark.parametrize(
    ("setting", "error", "words"),
    [
        ("replenish.policy=magic", RegistryError, "policy must be one of.*magic"),
        ("evaluate.baseline=minmax", RegistryError, "Did you mean 'min_max'"),
        ("train.candidates=[{model: xgb}]", (ConfigError, RegistryError), "xgb"),
        ("train.candidates=[{model: forest, parameters: {tree: 3}}]", ConfigError, "tree"),
        ("replenish.parameters={nonsense: 1}", ConfigError, "replenish.parameters: policy 'optimal'.*nonsense"),
        ("source.options={serie: 3}", ConfigError, "serie"),
    ],
)
def test_a_wrong_name_is_refused(setting: str, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        check(load(["conf/base.yaml"], [SYNTHETIC, setting]))


def test_a_date_that_is_none_is_named():
    with pytest.raises(ConfigError, match="calendar.cutoff must be a YAML value.*2017-13-45.*month"):
        load(sets=["calendar.cutoff=2017-13-45"])


def test_the_report_lies_in_the_warehouse():
    assert load(sets=["paths.warehouse=/tmp/mine"]).paths.report == "/tmp/mine/report.html"
    assert load(sets=["paths.warehouse=/tmp/mine", "paths.report=x.html"]).paths.report == "x.html"
    assert load(sets=["paths.warehouse=s3://bucket/w"]).paths.report == "warehouse/report.html"
