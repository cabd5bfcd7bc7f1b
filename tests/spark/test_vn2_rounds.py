"""The pipeline plays VN2: what has not happened yet moves no order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from vn2 import pipeline
from vn2_game import play, published_shelf, read

pytestmark = [pytest.mark.spark, pytest.mark.slow]


def test_a_scrambled_future_moves_no_order(spark: SparkSession, data_dir: Path, tmp_path: Path) -> None:
    weeks = read(data_dir / "vn2", None)
    start, stop = 148, 150
    scrambled = weeks.sales.copy()
    scrambled[:, start + 2 :] = np.random.default_rng(3).permutation(scrambled[:, start + 2 :], axis=0) + 10.0
    shelf = published_shelf(weeks, data_dir / "vn2")
    orders = []
    for name, sales in (("true", weeks.sales), ("scrambled", scrambled)):
        # the file ends two weeks after the start: three rounds are played
        player = pipeline(str(data_dir), tmp_path / name, weeks.dates[start], [])
        orders.append(play(replace(weeks, sales=sales).until(stop), start, shelf, player).orders)
    np.testing.assert_array_equal(orders[0][:, :2], orders[1][:, :2])
    assert orders[0].sum(axis=0).min() > 0
    assert (orders[0][:, 2] < orders[1][:, 2]).any()
