"""Packed cleaning of a batch: hand-worked series, each rule with a case that it catches and one that it leaves."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from parlevel.domain.clean import flags as bits
from parlevel.domain.clean.pack import RAW, Rules, clean_batch
from parlevel.domain.periods import to_index
from parlevel.schemas import arrow_schema, contract

CUTOFF = int(to_index(np.array(["2017-12-31"], "datetime64[D]"), "day")[0])
TYPES = {name: pa.list_(pa.int64() if name.endswith(("index", "first", "last")) else pa.float64()) for name in RAW}


def raw(*series: dict[str, list]) -> pa.Table:
    """A batch; record and hole indices are given relative to the cutoff (0 = the cutoff)."""
    columns: dict[str, pa.Array] = {
        "series_id": pa.array([one.get("series_id", f"s{k}") for k, one in enumerate(series)]),
        "product_id": pa.array(["p"] * len(series)),
        "location_id": pa.array(["l"] * len(series)),
    }
    for name in RAW:
        shift = CUTOFF if TYPES[name].value_type == pa.int64() else 0
        lists = [None if name not in one else [v + shift if shift else v for v in one[name]] for one in series]
        columns[name] = pa.array(lists, TYPES[name])
    return pa.table(columns)


def records(values: dict[int, float], in_stock: dict[int, float] | None = None) -> dict[str, list]:
    stock = in_stock or {}
    return {
        "record_index": list(values),
        "record_sales": list(values.values()),
        "record_in_stock": [stock.get(k) for k in values],
    }


def clean(*series: dict[str, list], **rules) -> list[dict[str, np.ndarray]]:
    settings = {"period": "day", "cutoff": CUTOFF, "horizon": 2, "promotions_until": CUTOFF, **rules}
    out = clean_batch(raw(*series), Rules(**settings))
    out = out.select([column.name for column in contract("panel").data_columns])
    assert out.cast(arrow_schema(contract("panel").data_columns)).num_rows == len(series)
    return [{k: np.array(v) if isinstance(v, list) else v for k, v in row.items()} for row in out.to_pylist()]


def test_the_axis_runs_from_the_first_record_to_the_cutoff_and_gaps_are_zeros():
    (row,) = clean(records({-3: 5.0, -1: 2.0}))
    assert row["start_date"] == date(2017, 12, 28)
    assert row["cutoff"] == date(2017, 12, 31)
    assert row["n_periods"] == 4
    assert row["sales"].tolist() == row["demand"].tolist() == [5, 0, 2, 0]
    assert row["available"].tolist() == [1, 1, 1, 1]
    assert row["flags"].tolist() == [bits.RECORD, bits.GAP, bits.RECORD, bits.GAP]
    assert np.isnan(row["price"]).all()
    assert row["promo"].tolist() == [0, 0, 0, 0]
    assert np.isnan(row["promo_future"]).all()


def test_gaps_may_be_missing_instead():
    (row,) = clean(records({-2: 5.0, 0: 2.0}), gaps="missing")
    assert np.isnan(row["demand"][1])
    assert row["available"].tolist() == [1, 0, 1]
    assert row["flags"][1] == bits.GAP | bits.MISSING


def test_a_series_without_records_is_one_unknown_period():
    (row,) = clean({})
    assert row["n_periods"] == 1
    assert np.isnan(row["demand"]).all()
    assert row["available"].tolist() == [0]
    assert row["flags"].tolist() == [0]


def test_closed_periods_are_masked_zeros_unless_something_was_sold():
    (row,) = clean({**records({-3: 5.0, -1: 2.0}), "closed_index": [-2, -1]})
    assert row["demand"].tolist() == [5, 0, 2, 0]
    assert row["available"].tolist() == [1, 0, 1, 1]
    assert np.isnan(row["sales"][1])
    assert row["flags"].tolist() == [bits.RECORD, bits.CLOSED, bits.RECORD, bits.GAP]


def test_rows_of_one_period_are_added_in_any_order():
    one = {"record_index": [0, -1, -1], "record_sales": [1.0, 2.5, 0.5], "record_in_stock": [None, 1.0, 0.0]}
    two = {"record_index": [-1, 0, -1], "record_sales": [0.5, 1.0, 2.5], "record_in_stock": [0.0, None, 1.0]}
    first, second = clean(one, two, censoring="off")
    assert first["sales"].tolist() == [3.0, 1.0]
    assert first["content_key"] == second["content_key"]
    assert first["flags"][0] == bits.RECORD | bits.CENSORED


def test_a_missing_record_is_unknown_a_hole_too_but_not_a_zero():
    (row,) = clean({**records({-3: 4.0, -2: None, 0: 1.0}), "hole_index": [-1]})
    assert np.isnan(row["demand"]).tolist() == [False, True, True, False]
    assert row["available"].tolist() == [1, 0, 0, 1]
    assert row["flags"].tolist() == [bits.RECORD, bits.RECORD | bits.MISSING, bits.MISSING, bits.RECORD]


@pytest.mark.parametrize(
    ("method", "value", "available"),
    [("zero", 0, 1), ("mean", 4, 1), ("median", 3, 1), ("interpolate", 5, 1), ("drop", 0, 1), ("keep", np.nan, 0)],
)
def test_missing_sales_follow_the_chosen_method(method, value, available):
    (row,) = clean(records({-4: 2.0, -3: None, -2: 8.0, -1: 2.0, 0: 4.0}), missing_sales=method)
    assert row["demand"][1] == pytest.approx(value, nan_ok=True)
    assert row["available"][1] == available
    assert bool(row["flags"][1] & bits.FILLED) == (method not in ("drop", "keep"))
    assert bool(row["flags"][1] & bits.GAP) == (method == "drop")


def test_seasonal_and_model_methods_know_the_weekday():
    weekend = {k: 20.0 if (CUTOFF + k + 3) % 7 >= 5 else 2.0 for k in range(-83, 1)}
    hole = next(k for k in range(-40, 0) if weekend[k] == 20)
    (seasonal,) = clean(records({**weekend, hole: None}), missing_sales="seasonal", outliers="off")
    (model,) = clean(records({**weekend, hole: None}), missing_sales="model", outliers="off")
    assert seasonal["demand"][83 + hole] == pytest.approx(20)
    assert 14 < model["demand"][83 + hole] < 21


def test_returns_net_drop_and_keep():
    values = {-3: 5.0, -2: 3.0, -1: -4.0, 0: 2.0}
    (net,) = clean(records(values))
    assert net["sales"].tolist() == [4, 0, 0, 2]
    touched = [bool(flag & bits.RETURN) for flag in net["flags"]]
    assert touched == [True, True, True, False]
    (keep,) = clean(records(values), returns="keep")
    assert keep["sales"].tolist() == [5, 3, -4, 2]
    assert keep["demand"].tolist() == [5, 3, 0, 2]
    (early,) = clean(records({-1: -4.0, 0: 2.0}))
    assert early["sales"].tolist() == [0, 2]
    assert early["flags"][0] & bits.UNMATCHED


def steady(spikes: dict[int, float], level: float = 10.0, n: int = 60) -> dict[str, list]:
    return records({k: spikes.get(k, level) for k in range(-n + 1, 1)})


def test_a_spike_is_capped_and_flagged_but_its_sales_stay():
    (row,) = clean(steady({-10: 500.0}))
    at = 60 - 1 - 10
    assert row["sales"][at] == 500
    assert row["demand"][at] == pytest.approx(10 + 8 * np.sqrt(10))
    assert row["flags"][at] == bits.RECORD | bits.OUTLIER | bits.CAPPED
    assert row["available"].min() == 1
    (flagged,) = clean(steady({-10: 500.0}), outliers="flag")
    assert flagged["demand"][at] == 500
    assert flagged["flags"][at] == bits.RECORD | bits.OUTLIER
    (off,) = clean(steady({-10: 500.0}), outliers="off")
    assert off["flags"][at] == bits.RECORD


def test_promotions_events_level_shifts_and_small_samples_are_no_outliers():
    promoted = {"promo_first": [-10], "promo_last": [-9], "promo_intensity": [0.5]}
    shifted = dict.fromkeys(range(-8, 1), 500.0)
    cases = (
        {**steady({-10: 500.0}), **promoted},
        {**steady({-10: 500.0}), "event_index": [-10]},
        steady(shifted),
        steady({-2: 500.0}, n=7),
    )
    for row in clean(*cases):
        assert not (row["flags"] & bits.OUTLIER).any()


def test_stockouts_are_masked_and_estimated():
    values = dict.fromkeys(range(-59, 1), 10.0) | {-10: 3.0, -11: 40.0}
    one = records(values, {-10: 0.0, -11: 0.0, -12: 1.0})
    (row,) = clean(one, outliers="off")
    low, high = 49, 48
    assert row["available"][[low, high]].tolist() == [0, 0]
    assert row["demand"][low] == pytest.approx(10, abs=0.2)
    assert row["demand"][high] >= 40
    assert row["sales"][low] == 3
    assert row["flags"][low] == bits.RECORD | bits.CENSORED | bits.ESTIMATED
    (masked,) = clean(one, censoring="mask")
    assert np.isnan(masked["demand"][low])
    assert masked["available"][low] == 0
    (off,) = clean(one, censoring="off", outliers="off")
    assert (off["demand"][low], off["available"][low]) == (3, 1)


def test_runs_of_zeros_are_stockouts_only_if_asked_and_before_the_cutoff():
    values = dict.fromkeys(range(-59, -5), 10.0)
    for k in range(-30, -20):
        del values[k]
    (plain,) = clean(records(values))
    assert plain["available"].min() == 1
    (row,) = clean(records(values), stockout_run=5)
    assert row["available"][29:39].tolist() == [0] * 10
    assert row["available"][54:].tolist() == [1] * 6
    assert row["demand"][29:39] == pytest.approx(9, abs=1.2)  # the zeros at the end pull the weekdays down


def test_prices_hold_until_the_next_row_also_from_before_the_axis_and_over_the_horizon():
    (row,) = clean({**steady({}, n=4), "price_index": [-9, -6, -1, 1], "price_value": [1.0, 2.0, 3.0, 4.0]})
    assert row["price"].tolist() == [2, 2, 3, 3]
    assert row["price_future"].tolist() == [4, 4]
    (late,) = clean({**steady({}, n=4), "price_index": [-1], "price_value": [3.0]}, missing_price="drop")
    assert np.isnan(late["price"]).tolist() == [True, True, False, False]
    (filled,) = clean({**steady({}, n=4), "price_index": [-1], "price_value": [3.0]})
    assert filled["price"].tolist() == [3, 3, 3, 3]


def test_the_strongest_promotion_counts_and_the_future_is_known_only_so_far():
    promo = {"promo_first": [-2, -1, 1], "promo_last": [-1, -1, 9], "promo_intensity": [0.9, 0.4, 1.0]}
    (row,) = clean({**steady({}, n=4), **promo}, promotions_until=CUTOFF + 1)
    assert row["promo"].tolist() == pytest.approx([0, 0.9, 0.9, 0])
    assert row["promo_future"][0] == 1
    assert np.isnan(row["promo_future"][1])


def test_weeks_take_the_share_of_their_days_that_a_promotion_covers():
    week = int(to_index(np.array(["2017-12-25"], "datetime64[D]"), "week")[0])
    one = raw({"record_index": [0], "record_sales": [1.0], "record_in_stock": [None]})
    day = int(np.datetime64("2017-12-29").astype(int))
    one = one.set_column(
        one.schema.get_field_index("record_index"), "record_index", pa.array([[week]], TYPES["record_index"])
    )
    for name, value in (("promo_first", day), ("promo_last", day + 3), ("promo_intensity", 0.7)):
        one = one.set_column(one.schema.get_field_index(name), name, pa.array([[value]], TYPES[name]))
    out = clean_batch(one, Rules(period="week", cutoff=week, horizon=1, promotions_until=week + 1)).to_pylist()[0]
    assert out["promo"] == pytest.approx([0.7 * 3 / 7])
    assert out["promo_future"] == pytest.approx([0.7 * 1 / 7])
    assert out["start_date"] == date(2017, 12, 25)


def test_a_series_comes_out_the_same_in_any_company_and_under_any_name():
    rng = np.random.default_rng(0)

    def noisy(n: int) -> dict[str, list]:
        values = {k: float(v) for k, v in zip(range(-n + 1, 1), rng.gamma(1.0, 7.3, n), strict=True)}
        stock = {k: float(rng.random() > 0.2) for k in values}
        values[-5] = None
        return {**records(values, stock), "price_index": [-50], "price_value": [1.7]}

    series = [noisy(n) for n in (30, 200, 90, 365)]
    together = clean(*series, missing_sales="model")
    for k, one in enumerate(series):
        (alone,) = clean({**one, "series_id": "renamed"}, missing_sales="model")
        assert alone["content_key"] == together[k]["content_key"]
        assert alone["demand"].tobytes() == together[k]["demand"].tobytes()
    assert len({row["content_key"] for row in together}) == 4
