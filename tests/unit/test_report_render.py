"""The report: every section, nothing from outside, the data inside, the numbers of the tables."""

from __future__ import annotations

import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

import sample_warehouse as sample
from parlevel.config import Config
from parlevel.report import data, fans
from parlevel.report.fans import shift
from parlevel.report.render import SECTIONS, render, write_report
from parlevel.report.warehouse import Warehouse, open_warehouse

IDS = [
    "headline",
    "forecasts",
    "accuracy",
    "costs",
    "inventory",
    "orders",
    "shipments",
    "solves",
    "worst",
    "quality",
    "fallbacks",
    "run",
]
VOID = {"meta", "input", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Sections, headings, every attribute, script texts, and whether tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in given.items()]
        self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self.open.append(f"{tag}#{given.get('id', '')}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().split("#")[0] == tag

    def handle_data(self, text: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + text


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.build(tmp_path_factory.mktemp("warehouse"))


@pytest.fixture(scope="module")
def house(built: Path) -> Warehouse:
    return open_warehouse(built)


@pytest.fixture(scope="module")
def html(built: Path, house: Warehouse) -> str:
    return render(house, sample.config(built))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_section_is_there_once_and_in_the_menu(page: Page):
    assert [name for name in page.ids if name in IDS] == IDS
    assert len(page.ids) == len(set(page.ids))
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert links == [f"#{name}" for name in IDS]
    assert len(SECTIONS) == len(IDS)
    assert page.open == []


def test_nothing_comes_from_outside(html: str, page: Page):
    assert not re.search(r"https?://|//cdn|@import|url\(", html)
    assert not [value for _, name, value in page.attributes if name in ("src", "srcset", "action")]
    assert not [1 for tag, _, _ in page.attributes if tag in ("link", "iframe", "img")]


def test_the_order_plan_is_embedded_whole_and_safely(page: Page, house: Warehouse):
    payload = json.loads(page.texts["script#orders-data"])
    lines = house.rows("SELECT count(*) AS n, sum(order_value) AS value FROM order_plan WHERE order_qty > 0")[0]
    at = payload["columns"].index("order_value")
    assert len(payload["rows"]) == lines["n"]
    assert sum(row[at] for row in payload["rows"]) == pytest.approx(lines["value"], abs=0.01)
    assert {len(row) for row in payload["rows"]} == {len(payload["columns"])}
    dates = [row[0] for row in payload["rows"]]
    assert dates == sorted(dates)


def test_names_from_the_data_cannot_become_markup(built: Path, tmp_path: Path):
    root = sample.build(tmp_path / "w")
    evil = "</script><script>alert(1)</script><b>\"'&"
    products = [{"product_id": f"P{k:03d}", "name": evil, "category": evil} for k in range(24)]
    sample.write(root, "products", products)
    html = render(open_warehouse(root), sample.config(root))
    assert "<script>alert" not in html
    assert Page(html).open == []
    payload = json.loads(Page(html).texts["script#orders-data"])
    assert payload["rows"][0][payload["columns"].index("name")] == evil


def test_a_wide_gap_to_the_bound_is_named(tmp_path: Path):
    root = sample.build(tmp_path / "w")
    solve = {
        "location_id": "S0", "n_items": 5, "status": "feasible", "objective": 4.43, "bound": 1.0, "rounds": 3,
        "seconds": 0.4, "order_value": 300.0, "relaxed": [], "prices": [], "reason": "time limit",
    }  # fmt: skip
    groups = [(None, "757"), (0.02, "758"), (3.43, "759"), (3.43, "75")]
    rows = [{**solve, "solve_group": name, "supplier_id": name, "gap": gap} for gap, name in groups]
    sample.write(root, "plan_report", rows)
    text = render(open_warehouse(root), sample.config(root)).replace("\u00a0", " ")
    assert "solved within all constraints; largest gap to the bound 343.0 %, supplier 759" in text
    sample.write(root, "plan_report", rows[:2])
    text = render(open_warehouse(root), sample.config(root)).replace("\u00a0", " ")
    assert "2 of 2 supplier groups solved within all constraints; largest gap 2.00 %<" in text


def test_titles_say_the_numbers_of_the_tables(html: str):
    text = html.replace("\u00a0", " ")
    assert "The plan would have cost 22.8 % less than the history-based policy" in text
    assert "8 of 10 supplier groups solved within all constraints; the whole plan costs at most 1.23 % more" in text
    assert "2 of 3 rules caught something; 1 row in quarantine" in text
    assert "48 series forecast, 4 of them (8.3 %) by the fallback; 1 without a forecast" in text
    assert "Frozen &amp; &lt;chilled&gt;" in text


def test_what_service_costs_is_drawn_and_what_was_promised_is_checked(html: str):
    assert "Fill rate against holding and order cost, setting by setting" in html
    assert "optimal, shortage_weight 1: 98.0 % for" in html
    assert "Service against its target" in html


def test_limits_that_items_share_have_a_table_of_their_own(html: str):
    shown = html.index("with the minimums, trucks and capacities that their items share")
    assert html.index("limits kept") > shown > html.index("By segment")
    assert html.index("the same series, limits ignored") > html.index("limits kept")


def test_a_dozen_fans_and_six_projections(html: str, built: Path):
    assert html.count("Demand and forecast of") == sample.config(built).report.fans == 12
    assert html.count("Stock projection of") == 6


def test_the_same_tables_give_the_same_page(html: str, built: Path):
    assert render(open_warehouse(built), sample.config(built)) == html


def test_limits_of_the_configuration_hold(built: Path, house: Warehouse):
    cfg = Config.model_validate(
        {**sample.config(built).model_dump(), "report": {"rows": 5, "fans": 3, "currency": "€"}}
    )
    html = render(house, cfg)
    assert len(json.loads(Page(html).texts["script#orders-data"])["rows"]) == 5
    assert "first 5 of 96 lines" in html
    assert html.count("Demand and forecast of") == 3
    assert "€" in html
    assert not re.search(r"\$\d", html)


def test_a_run_that_stopped_early_still_has_a_report(tmp_path: Path):
    whole = sample.build(tmp_path / "whole")
    early = tmp_path / "early"
    for name in ("series", "products", "panel", "data_quality", "runs"):
        rows = open_warehouse(whole).rows(f"SELECT * FROM history.{name}")
        keep = [row for row in rows if name != "runs" or row["stage"] in ("sources", "clean")]
        sample.write(early, name, keep)
    html = render(open_warehouse(early), sample.config(early))
    # without places that supply each other there is nothing to say about them
    assert [name for name in Page(html).ids if name in IDS] == [name for name in IDS if name != "shipments"]
    assert "No forecast in this run." in html
    assert "2 of 3 rules caught something" in html


def test_write_report_leaves_one_whole_file(tmp_path: Path):
    root = sample.build(tmp_path / "w")
    place, size = write_report(sample.config(root), out=tmp_path / "deep" / "r.html")
    assert place.stat().st_size == size < 6_000_000
    assert [file.name for file in place.parent.iterdir()] == ["r.html"]


def test_fans_show_the_tail_of_history_and_the_forecast_of_the_model_in_use(house: Warehouse, built: Path):
    chosen = fans.fan_series(house, 12)
    whys = [row["why"] for row in chosen]
    assert whys.count("high volume") == 6
    assert "intermittent" in whys
    assert "large error" in whys
    name = next(row["series_id"] for row in chosen if row["model"] == "forest")
    fan = fans.fans(house, sample.config(built), chosen)[name]
    panel = house.rows("SELECT demand FROM panel WHERE series_id = ?", [name])[0]
    assert list(fan.history) == panel["demand"][-84:]
    back = house.rows("SELECT mean FROM backtest WHERE series_id = ? AND model = 'chosen' AND fold = 2", [name])[0]
    assert list(fan.back_mean) == back["mean"]
    assert fan.back_start == 84 - 28
    assert fan.dates[83] == sample.CUTOFF
    assert fan.dates[84] == sample.day(1)
    quantiles = house.rows(
        "SELECT quantile, demand_hat FROM forecast_quantiles WHERE series_id = ? AND step = 2 ORDER BY quantile", [name]
    )
    by_level = {row["quantile"]: row["demand_hat"] for row in quantiles}
    assert fan.band_names == ["90 %", "50 %"]
    assert (fan.bands[0][0][1], fan.bands[0][1][1]) == (by_level[0.05], by_level[0.95])
    assert (fan.bands[1][0][1], fan.bands[1][1][1]) == (by_level[0.25], by_level[0.75])


@pytest.mark.parametrize(
    ("period", "want"), [("day", date(2024, 2, 27)), ("week", date(2024, 2, 12)), ("month", date(2023, 11, 1))]
)
def test_shift_counts_periods(period: str, want: date):
    start = {"day": date(2024, 3, 1), "week": date(2024, 3, 4), "month": date(2024, 2, 1)}[period]
    assert shift(start, -3, period) == want


def test_stages_stand_for_the_run_even_where_another_run_made_them(tmp_path: Path):
    root = sample.build(tmp_path / "w")
    only = [row for row in open_warehouse(root).rows("SELECT * FROM history.runs") if row["stage"] == "publish"]
    sample.write(root, "runs", [{**row, "run_id": "later", "seconds": 1.5} for row in only], "later")
    outputs = {**dict.fromkeys(("sources", "forecast"), sample.RUN), "publish": "later"}
    rows = data.stages(open_warehouse(root, "later", outputs))
    assert [(row["stage"], row["run_id"]) for row in rows] == [
        ("sources", sample.RUN), ("forecast", sample.RUN), ("publish", "later"),
    ]  # fmt: skip


def test_the_title_of_shipments_counts_every_lane_not_only_those_shown(tmp_path: Path):
    root = sample.build(tmp_path / "w")
    first = open_warehouse(root).rows("SELECT * FROM shipments WHERE kind = 'distribution'")[0]
    plain = {name: value for name, value in first.items() if name != "run_id"}
    lanes = [{**plain, "target_id": f"S{k:04d}", "asked": 10.0, "sent": 10.0} for k in range(data.LONG_TABLE)]
    cut = {**plain, "target_id": "S9999", "asked": 2000.0, "sent": 0.0}
    moved = {**plain, "source_id": "S0000", "target_id": "S0001", "kind": "transfer", "saving": 125.0}
    sample.write(root, "shipments", [*lanes, cut, moved])
    text = render(open_warehouse(root), sample.config(root))
    assert "50.0\u00a0% of the units that places order from each other can be sent" in text
    assert re.search(r"transfers save [^<]*125", text)
    assert "By lane, 200 of 202" in text
    sample.write(root, "shipments", [moved])
    assert "No place orders from another on" in render(open_warehouse(root), sample.config(root))
