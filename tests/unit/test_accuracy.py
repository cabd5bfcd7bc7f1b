"""Accuracy: vectorised sums against one-line per-series oracles, hand-worked numbers, exact merging."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from parlevel.domain.evaluate.accuracy import SUMS, finish, partial_sums
from parlevel.errors import DataError
from parlevel.schemas import arrow_schema, contract

LEVELS = [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975]


def make_rows(n: int = 40, horizon: int = 7, seed: int = 3, model: str = "m") -> pa.Table:
    draw = np.random.default_rng(seed)
    actual = draw.poisson(3.0, (n, horizon)).astype(np.float32)
    actual[draw.random((n, horizon)) < 0.1] = np.nan
    available = (draw.random((n, horizon)) > 0.1).astype(np.float32)
    quantiles = np.sort(draw.gamma(3.0, 1.3, (n, horizon, len(LEVELS))), axis=2).astype(np.float32)
    columns = {
        "series_id": [f"s{i}" for i in range(n)],
        "group_id": [f"g{i % 3}" for i in range(n)],
        "model": [model] * n,
        "fold": pa.array(np.arange(n) % 2, pa.int32()),
        "pattern": ["lumpy" if i % 4 else None for i in range(n)],
        "actual": list(actual),
        "available": list(available),
        "mean": list(quantiles.mean(axis=2)),
        "levels": [LEVELS] * n,
        "quantiles": list(quantiles.reshape(n, -1)),
        "naive_mae": draw.gamma(2.0, 1.0, n),
        "naive_mse": draw.gamma(2.0, 2.0, n),
    }
    return pa.table(columns)


def hand_row(**changes: object) -> pa.Table:
    """One series, three steps (the third unavailable), median and 50 % interval only."""
    row = {
        "group_id": ["g"], "model": ["m"], "fold": [0],
        "actual": [[4.0, 0.0, 9.0]], "available": [[1.0, 1.0, 0.0]], "mean": [[2.0, 1.0, 5.0]],
        "levels": [[0.25, 0.5, 0.75]], "quantiles": [[1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0]],
        "naive_mae": [2.0], "naive_mse": [4.0],
    }  # fmt: skip
    return pa.table(row | changes)


def metrics(table: pa.Table, segment: str = "all", model: str = "m") -> dict[str, float]:
    frame = table.to_pandas()
    frame = frame[(frame["segment"] == segment) & (frame["model"] == model)]
    return dict(zip(frame["metric"], frame["value"], strict=True))


def test_hand_worked_numbers():
    got = metrics(finish(partial_sums(hand_row(), ["all"])))
    assert got["mae"] == pytest.approx(1.5)  # |2-4|, |1-0|
    assert got["mse"] == pytest.approx(2.5)
    assert got["rmse"] == pytest.approx(2.5**0.5)
    assert got["bias"] == pytest.approx(-0.5)
    assert got["bias_share"] == pytest.approx(-0.25)
    assert got["wape"] == pytest.approx(0.75)
    assert got["mase"] == pytest.approx(0.75)
    assert got["rmsse"] == pytest.approx((2.5 / 4) ** 0.5)
    # step 1: .25*3, .5*2, .75*1 -> 2.5 / 3; step 2: 0, .5*1, .25*2 -> 1 / 3
    assert got["pinball_loss"] == pytest.approx((2.5 / 3 + 1 / 3) / 2)
    assert got["wql"] == pytest.approx(2 * (3.5 / 3) / 4)
    assert got["scrps"] == pytest.approx(2 * (3.5 / 3) / 4)
    assert got["scaled_pinball"] == pytest.approx(3.5 / 6 / 2, abs=1e-6)  # sums are kept to 2**-20
    assert got["coverage_50"] == pytest.approx(0.5)  # 4 outside [1, 3], 0 inside [0, 2]
    assert got["quantile_coverage_0.75"] == pytest.approx(0.5)
    assert "coverage_90" not in got


def test_unavailable_and_unknown_periods_are_not_scored():
    table = finish(partial_sums(hand_row(), ["all", "step"])).to_pandas()
    assert set(table["segment"]) == {"all", "step:1", "step:2", "step:3"}
    assert table.loc[table["segment"] == "all", "n"].unique().tolist() == [2]
    third = table[table["segment"] == "step:3"]
    assert third["n"].unique().tolist() == [0]
    assert third["value"].isna().all()
    nothing = metrics(finish(partial_sums(hand_row(mean=[[np.nan, 1.0, 5.0]]), ["all"])))
    assert nothing["mae"] == pytest.approx(1.0)


def test_series_without_a_scale_do_not_count_in_mase():
    rows = pa.concat_tables([hand_row(), hand_row(naive_mae=[0.0], naive_mse=[float("nan")])])
    got = metrics(finish(partial_sums(rows, ["all"])))
    assert got["mase"] == pytest.approx(0.75)
    assert got["rmsse"] == pytest.approx((2.5 / 4) ** 0.5)


def oracle(rows: pa.Table) -> dict[str, float]:
    """One line a metric, one series at a time."""
    err, act, pin, mase, rmsse, scrps, inside = [], [], [], [], [], [], []
    for row in rows.to_pylist():
        a, f = np.array(row["actual"], float), np.array(row["mean"], float)
        q = np.array(row["quantiles"]).reshape(len(a), -1)
        ok = (np.array(row["available"]) > 0.5) & ~np.isnan(a)
        a, f, q = a[ok], f[ok], q[ok]
        tau = np.array(row["levels"])
        pairs = zip(a, q, strict=True)
        p = np.array(
            [[max(t * (y - x), (t - 1) * (y - x)) for t, x in zip(tau, xs, strict=True)] for y, xs in pairs]
        ).mean(1)
        err.extend(f - a), act.extend(a), pin.extend(p)
        mase.append(np.abs(f - a).mean() / row["naive_mae"])
        rmsse.append(np.sqrt(((f - a) ** 2).mean() / row["naive_mse"]))
        scrps.append(2 * p.sum() / a.sum()) if a.sum() > 0 else None
        inside.extend((q[:, 1] <= a) & (a <= q[:, -2]))
    err, act, pin = np.array(err), np.array(act), np.array(pin)
    return {
        "mae": np.abs(err).mean(), "mse": (err**2).mean(), "bias": err.mean(), "wape": np.abs(err).sum() / act.sum(),
        "pinball_loss": pin.mean(), "wql": 2 * pin.sum() / act.sum(), "mase": np.mean(mase), "rmsse": np.mean(rmsse),
        "scrps": np.mean(scrps), "coverage_90": np.mean(inside),
    }  # fmt: skip


def test_vectorised_equals_the_per_series_oracle():
    rows = make_rows()
    got = metrics(finish(partial_sums(rows, ["all"])))
    for name, value in oracle(rows).items():
        assert got[name] == pytest.approx(value, rel=1e-5), name


def test_segments_equal_the_oracle_on_their_rows():
    rows = make_rows()
    table = finish(partial_sums(rows, ["all", "group", "pattern", "fold"]))
    frame = rows.to_pandas()
    for segment, keep in {
        "group:g1": frame["group_id"] == "g1",
        "pattern:unknown": frame["pattern"].isna(),
        "fold:1": frame["fold"] == 1,
    }.items():
        want = oracle(rows.filter(pa.array(keep)))
        got = metrics(table, segment)
        assert got["wape"] == pytest.approx(want["wape"], rel=1e-5)
        assert got["mase"] == pytest.approx(want["mase"], rel=1e-5)


def test_a_step_equals_the_oracle_on_that_step_alone():
    rows = make_rows(horizon=3)
    width = len(LEVELS)
    cut = rows
    for name, begin, stop in (("actual", 1, 2), ("available", 1, 2), ("mean", 1, 2), ("quantiles", width, 2 * width)):
        values = [row[begin:stop] for row in rows[name].to_pylist()]
        cut = cut.set_column(cut.column_names.index(name), name, pa.array(values, pa.list_(pa.float32())))
    pairs = zip(cut["actual"].to_pylist(), cut["available"].to_pylist(), strict=True)
    scored = [a[0] == a[0] and v[0] > 0.5 for a, v in pairs]
    want = oracle(cut.filter(pa.array(scored)))
    got = metrics(finish(partial_sums(rows, ["step"])), "step:2")
    for name in ("mae", "rmsse", "mase", "scrps", "coverage_90"):
        assert got[name] == pytest.approx(want[name], rel=1e-5), name


@pytest.mark.parametrize("pieces", [1, 3, 40])
def test_merging_is_exact_whatever_the_batches_and_order(pieces: int):
    rows = make_rows(n=200, seed=9)
    order = np.random.default_rng(pieces).permutation(rows.num_rows)
    shuffled = rows.take(pa.array(order))
    size = -(-rows.num_rows // pieces)
    parts = [partial_sums(shuffled.slice(k, size)) for k in range(0, rows.num_rows, size)]
    merged = pa.concat_tables(parts).to_pandas().groupby(["model", "segment", "statistic"], as_index=False).sum()
    assert finish(merged).equals(finish(partial_sums(rows)))


def test_big_sums_stay_exact():
    """A thousand series with squared errors near 1e10 and one with 1e-4: the small one must not vanish."""
    big = hand_row(mean=[[1e5, 1.0, 0.0]])
    small = hand_row(mean=[[4.01, 0.0, 0.0]])
    forth = pa.concat_tables([small, *[big] * 1000])
    back = pa.concat_tables([*[big] * 1000, small])
    one, two = partial_sums(forth, ["all"]).to_pandas(), partial_sums(back, ["all"]).to_pandas()
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    low = one.loc[one["statistic"] == "sq_error", "low"].item()
    assert low % 1.0 == pytest.approx(0.0001, abs=2e-6)


def test_shapes_of_the_tables():
    assert partial_sums(make_rows(n=2)).schema.equals(arrow_schema(SUMS))
    assert finish(partial_sums(make_rows(n=2))).schema.equals(arrow_schema(contract("accuracy").data_columns))
    assert partial_sums(make_rows(n=1).slice(0, 0)).num_rows == 0
    assert finish(partial_sums(make_rows(n=1).slice(0, 0))).num_rows == 0


def test_a_missing_segment_column_says_what_to_do():
    with pytest.raises(DataError, match=r"Got \['velocity'\].*Join the series profile"):
        partial_sums(make_rows(n=2), ["all", "velocity"])


def test_rows_of_different_horizons_are_refused():
    rows = pa.concat_tables([make_rows(n=1, horizon=2), make_rows(n=1, horizon=3)])
    with pytest.raises(DataError, match="actual must have one length"):
        partial_sums(rows, ["all"])


def test_rows_of_different_levels_are_refused():
    other = hand_row(levels=[[0.1, 0.5, 0.75]])
    with pytest.raises(DataError, match="share their quantile levels"):
        partial_sums(pa.concat_tables([hand_row(), other]), ["all"])
