"""Features of a batch: hand-worked channels, and a future that does not reach back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from parlevel.domain.features import calendar, statistics
from parlevel.domain.features.build import STATICS, Settings, feature_rows, predicted_bytes, profile_rows
from parlevel.domain.features.channels import CHANNELS, known_channels, with_known_future
from parlevel.domain.features.history import History
from parlevel.domain.features.prices import discount, price_ratio
from parlevel.domain.panel import Panel
from parlevel.domain.periods import to_index
from parlevel.errors import ConfigError, DataError
from parlevel.schemas import arrow_schema, contract

CUTOFF = date(2017, 12, 31)
INDEX = int(to_index(np.array([CUTOFF], "datetime64[D]"), "day")[0])
SETTINGS = Settings(
    period="day",
    cutoff=INDEX,
    horizon=5,
    channels=CHANNELS,
    ahead=known_channels(["price", "promo", "holiday", "open"]),
    lags=(1, 7),
    windows=(7, 28),
    halflives=(14.0,),
    max_history=2000,
)


def panel_rows(seed: int = 0, lengths: tuple[int, ...] = (40, 120, 400), **changes: list) -> pa.Table:
    rng = np.random.default_rng(seed)
    n = len(lengths)

    def lists(draw) -> list[list[float]]:
        return [draw(length).astype(float).tolist() for length in lengths]

    columns = {
        "series_id": [f"s{k}" for k in range(n)],
        "product_id": [f"p{k}" for k in range(n)],
        "location_id": ["store"] * n,
        "cutoff": [CUTOFF] * n,
        "n_periods": list(lengths),
        "demand": lists(lambda m: rng.poisson(2, m)),
        "available": lists(lambda m: rng.random(m) > 0.1),
        "price": lists(lambda m: 1 + rng.integers(0, 3, m)),
        "promo": lists(lambda m: rng.random(m) > 0.9),
        "flags": [[1] * length for length in lengths],
        "price_future": [[2.0] * 5] * n,
        "promo_future": [[0.0, 1.0, 0.0, 0.0, 0.0]] * n,
        "content_key": [f"{k:032x}" for k in range(n)],
        "category": ["food"] * n,
        "department": [None] * n,
        "brand": ["b"] * n,
        **{name: [float(k) for k in range(n)] for name in STATICS[:-1]},
        "country": ["US"] * n,
        "subdivision": [None] * n,
        "calendar_day": [[INDEX - 2, INDEX - 1, INDEX + 2]] * n,
        "calendar_bits": [[calendar.CLOSED, calendar.BENEFIT, calendar.EVENT | 77 << calendar.CODE_SHIFT]] * n,
        **changes,
    }
    kinds = {
        "cutoff": pa.date32(), "n_periods": pa.int32(), "department": pa.string(), "subdivision": pa.string(),
        "calendar_day": pa.list_(pa.int64()), "calendar_bits": pa.list_(pa.int64()),
    }  # fmt: skip
    floats = {name: pa.list_(pa.float32()) for name in ("demand", "available", "price", "promo")}
    floats |= {f"{name}_future": pa.list_(pa.float32()) for name in ("price", "promo")}
    return pa.table({name: pa.array(values, {**kinds, **floats}.get(name)) for name, values in columns.items()})


def as_panel(rows: pa.Table, settings: Settings = SETTINGS) -> Panel:
    out = feature_rows(rows, settings).select([c.name for c in contract("features").data_columns])
    return with_known_future(Panel.from_arrow(out.cast(arrow_schema(contract("features").data_columns)), "day"))


def test_a_batch_reads_back_as_a_panel():
    rows = panel_rows()
    panel = as_panel(rows)
    assert panel.demand.shape == (3, 400)
    assert list(panel.channels) == list(CHANNELS)
    assert panel.channels["promo"].shape == (3, 405)
    assert panel.demand[0, -40:].tolist() == rows["demand"][0].as_py()
    assert np.isnan(panel.demand[0, :-40]).all()
    assert panel.channels["promo"][1, -5:].tolist() == [0, 1, 0, 0, 0]
    assert panel.statics["category_code"].tolist() == [0, 1, 2]
    assert panel.statics["log_price"][2] == pytest.approx(np.log1p(rows["price"][2].as_py()[-1]))
    assert panel.known_future == frozenset(CHANNELS)


def test_calendar_channels_of_known_days():
    panel = as_panel(panel_rows())
    last = {
        name: values[0, 400 - 7 :] for name, values in panel.channels.items()
    }  # 25 Dec .. 5 Jan; 15 Jan is the next
    assert last["holiday"].tolist() == [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert last["open"].tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1]
    assert last["benefit"].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert last["event"].tolist() == [0] * 8 + [1, 0, 0, 0]
    christmas, new_year = calendar.event_code("Christmas Day"), calendar.event_code("New Year's Day")
    assert last["event_code"].tolist() == [christmas, 0, 0, 0, 0, 0, 0, new_year, 77, 0, 0, 0]
    assert last["holiday_next"][:9] * 28 == pytest.approx([0, 6, 5, 4, 3, 2, 1, 0, 13])
    assert last["holiday_since"][:9] * 28 == pytest.approx([0, 1, 2, 3, 4, 5, 6, 0, 1])


def test_holidays_can_be_switched_off_and_need_a_known_country():
    panel = as_panel(panel_rows(), replace(SETTINGS, holidays=False))
    assert panel.channels["holiday"][2].max() == 0
    assert calendar.holidays_between(None, None, 17_000, 18_000).tolist() == []
    calendar.check_country("US", "CA")
    with pytest.raises(DataError, match="ISO 3166.*'XX'.*calendar.holidays=false"):
        calendar.check_country("XX", None)


def test_weeks_and_months_hold_shares_of_their_days():
    days = np.array(["2018-01-01", "2018-01-02", "2018-02-10"], "datetime64[D]").astype(np.int64)
    week = int(to_index(np.array(["2018-01-01"], "datetime64[D]"), "week")[0])
    assert calendar.share_of_days(days, week, 2, "week").tolist() == [2 / 7, 0]
    month = int(to_index(np.array(["2018-01-01"], "datetime64[D]"), "month")[0])
    assert calendar.share_of_days(days, month, 2, "month").tolist() == [2 / 31, 1 / 28]


def test_price_channels_look_back_only():
    price = np.array([[np.nan, 2.0, 4.0, 1.0, 4.0, 5.0]])
    assert price_ratio(price, "day")[0].tolist() == pytest.approx([np.nan, 1, 1, 0.25, 1, 1], nan_ok=True)
    assert discount(price, "day")[0].tolist() == pytest.approx([np.nan, 0, 0, 1 - 1 / 3, 0, 0], nan_ok=True)
    long = np.concatenate([np.full(400, 10.0), np.full(400, 5.0)])[None, :]
    assert price_ratio(long, "day")[0, [399, 400, 762, 763, 764]].tolist() == [1, 0.5, 0.5, 1, 1]
    assert discount(np.full((1, 300), 0.1), "day").max() == 0


def test_channels_not_known_ahead_are_empty_after_the_cutoff():
    rows = panel_rows(promo_future=[[np.nan] * 5] * 3)
    panel = as_panel(rows, replace(SETTINGS, ahead=known_channels(["promo", "open"])))
    assert panel.known_future == {"open"}
    assert np.isnan(panel.channels["price_ratio"][:, 400:]).all()
    assert not np.isnan(panel.channels["price_ratio"][2, :400]).any()


def test_known_channels_take_families_and_single_names():
    assert known_channels(["open", "discount"]) == {"open", "discount"}
    assert known_channels(["price"], ["promo"]) == frozenset()
    with pytest.raises(ConfigError, match="features.known_future must name any of.*'promos'.*Did you mean 'promo'"):
        known_channels(["promos"])


def test_what_comes_after_the_cutoff_changes_nothing_before_it():
    before = as_panel(panel_rows())
    future = panel_rows(
        price_future=[[9.0, 0.1, 7.0, np.nan, 3.0]] * 3,
        promo_future=[[1.0] * 5] * 3,
        calendar_day=[[INDEX - 2, INDEX - 1, INDEX + 1, INDEX + 3]] * 3,
        calendar_bits=[[calendar.CLOSED, calendar.BENEFIT, calendar.CLOSED, calendar.EVENT | 78 << calendar.CODE_SHIFT]]
        * 3,
    )
    after = as_panel(future)
    for name, values in before.channels.items():
        assert values[:, :400].tobytes() == after.channels[name][:, :400].tobytes(), name
        assert (
            name.startswith("holiday")
            or name == "benefit"
            or not np.array_equal(values[:, 400:], after.channels[name][:, 400:], equal_nan=True)
        ), name
    rows = [feature_rows(table, SETTINGS) for table in (panel_rows(), future)]
    for name in ("demand", "available", "statistic_values", "static_values"):
        assert rows[0][name].equals(rows[1][name]), name


def test_a_series_has_the_same_features_in_any_company():
    together = feature_rows(panel_rows(), SETTINGS)
    for k in range(3):
        alone = feature_rows(panel_rows().slice(k, 1), SETTINGS)
        for name in ("channel_values", "statistic_values", "static_values", "demand", "start_date", "n_past"):
            assert str(alone[name].to_pylist()) == str(together[name].to_pylist()[k : k + 1]), name


def test_history_beyond_the_maximum_is_cut_but_its_prices_are_remembered():
    rows = panel_rows(price=[[5.0] * 40, [5.0] * 120, [9.0] + [5.0] * 399])
    cut = as_panel(rows, replace(SETTINGS, max_history=100))
    assert cut.n_periods == 100
    assert cut.channels["price_ratio"][2, 0] == pytest.approx(5 / 9)
    assert feature_rows(rows, replace(SETTINGS, max_history=100))["n_past"].to_pylist() == [40, 100, 100]


def test_statistics_match_pandas():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    demand = rng.poisson(1, (4, 60)).astype(np.float32)
    available = rng.random((4, 60)) > 0.2
    past = History(Panel(np.array(list("abcd"), object), demand, available, INDEX, "day"))
    names = statistics.names((1, 7), (7, 28), (14.0,))
    got = statistics.at_cutoff(past, (1, 7), (7, 28), (14.0,))
    for row in range(4):
        series = pd.Series(np.where(available[row], demand[row], np.nan))
        want = {"lag_1": series.iloc[-1], "lag_7": series.iloc[-7]}
        for window in (7, 28):
            tail = series.iloc[-window:]
            want |= {
                f"mean_{window}": tail.mean(), f"sd_{window}": tail.std(), f"max_{window}": tail.max(),
                f"zero_share_{window}": (tail.dropna() == 0).mean(),
            }  # fmt: skip
        want["exponential_14"] = series.ewm(halflife=14, ignore_na=False).mean().iloc[-1]
        want["since_sale"] = 59 - series[series > 0].index[-1]
        want["age"] = 59 - series[series > 0].index[0]
        assert dict(zip(names, got[row], strict=True)) == pytest.approx(want, nan_ok=True, rel=1e-5)


def test_profile_rows_fit_their_contract_but_for_what_comes_later():
    rows = profile_rows(panel_rows(), SETTINGS)
    later = {"velocity", "high_volume", "group_id", "group_velocity", "kept_from"}
    wanted = {c.name for c in contract("series_profile").data_columns} - later
    assert set(rows.schema.names) == wanted | {"volume_bucket", "group_bucket", "group_mean"}
    recent = rows["recent_mean"].to_pylist()
    assert rows["volume_bucket"].to_pylist() == [int(np.floor(64 * np.log(mean))) for mean in recent]
    assert rows["predicted_bytes"].to_pylist() == predicted_bytes(np.array([40, 120, 400]), len(CHANNELS)).tolist()
    for name, now in (("bucket", "volume_bucket"), ("mean", "recent_mean"), ("pattern", "pattern")):
        assert rows[f"group_{name}"].to_pylist() == rows[now].to_pylist()  # no folds: nothing is judged


def test_what_groups_are_made_of_ends_before_what_folds_judge():
    settings = replace(SETTINGS, judged=60)
    quiet = panel_rows(demand=[[2.0] * (length - 60) + [0.0] * min(60, length) for length in (60, 120, 400)],
                       lengths=(60, 120, 400))  # fmt: skip
    rows = profile_rows(quiet, settings)
    assert rows["recent_mean"].to_pylist() == [0.0, 0.0, 0.0]
    assert rows["group_mean"].to_pylist() == [0.0, 2.0, 2.0]
    assert rows["group_pattern"].to_pylist() == ["empty", "smooth", "smooth"]
    loud = panel_rows(lengths=(120, 400))
    demand = [row[:-60] + [50.0] * 60 for row in loud["demand"].to_pylist()]
    earlier = [row[:-60] for row in loud["demand"].to_pylist()]
    available = [row[:-60] for row in loud["available"].to_pylist()]
    cut = profile_rows(panel_rows(lengths=(60, 340), demand=earlier, available=available), SETTINGS)
    then = profile_rows(
        panel_rows(lengths=(120, 400), demand=demand, available=loud["available"].to_pylist()), settings
    )
    for name, now in (("bucket", "volume_bucket"), ("mean", "recent_mean"), ("pattern", "pattern")):
        assert then[f"group_{name}"].to_pylist() == cut[now].to_pylist()


@pytest.mark.parametrize("lengths", [(60, 120), (60,)])
def test_a_series_that_began_while_folds_judge_is_new_to_its_group(lengths):
    rows = profile_rows(panel_rows(lengths=lengths), replace(SETTINGS, judged=60))
    assert rows["group_pattern"].to_pylist()[0] == "new"
    assert rows["group_bucket"].to_pylist()[0] is None
