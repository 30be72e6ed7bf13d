"""What the board shows is what ``takin report sla`` shows, to the digit; and what lies behind a figure."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from streams import cli
from streams.desk.app import desk_app
from streams.desk.board_routes import BOARD_COLUMNS
from streams.notices.casebook.database import Casebook
from streams.reports import sla
from streams.reports.sla import MEASURES
from tests.support.desk import Browser, Filled, house_over, sign_in, table_of

FIGURES = {
    "sent": "sent",
    "refused": "refused",
    "claim_mismatch": "mismatch",
    "reappeared": "reappeared",
    "still_open": "open",
    "late": "late",
    "overdue": "overdue",
    "already_gone_untrue": "gone_untrue",
    "undeliverable": "undeliverable",
}
"""Figures that are counts of notices, and the condition that lists those notices."""


async def test_the_page_its_exports_and_the_command_say_the_same(
    casebook: Casebook,
    tmp_path: Path,
    filled: Filled,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = desk_app(house_over(casebook, tmp_path, clock=lambda: datetime.now(UTC)))
    browser = Browser(app, casebook)
    token, _ = sign_in(casebook, "officer", now=datetime.now(UTC))
    browser.client.cookies.set("takin", token)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'casebook.db'}")

    assert cli.main(["report", "sla", "--since", "2026-03-01", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    exported = (await browser.get("/board/export.json?since=2026-03-01")).json()
    page = (await browser.get("/board?since=2026-03-01")).text
    content = (await browser.get("/board/table.csv?since=2026-03-01")).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))

    for document in (said, exported):
        for row in document["platforms"]:
            # The age of what is open grows between the two: everything else is equal.
            assert row.pop("oldest_open_s") > 0
            assert row.pop("median_open_s") > 0
    assert exported["platforms"] == said["platforms"]
    assert len(rows) == len(said["platforms"]) == 2
    for row, wanted in zip(rows, said["platforms"], strict=True):
        assert row["platform"] == wanted["platform"]
        for name in ("notices", *FIGURES, "already_gone"):
            assert int(row[name]) == wanted[name], name
        for name in ("acknowledged", "decided", "removed_claimed", "removed_seen"):
            assert int(row[f"{name}_n"]) == wanted[name]["n"]
            median = wanted[name]["median_s"]
            assert row[f"{name}_median_s"] == ("" if median is None else str(median))
            shown = f"{sla.span(wanted[name]['median_s'])} / {sla.span(wanted[name]['p90_s'])}"
            assert wanted[name]["n"] == 0 or shown in page
    assert set(BOARD_COLUMNS) == set(rows[0])


async def test_each_figure_opens_the_list_of_exactly_those_notices(
    app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    browser = Browser(app, casebook, "officer")
    unanswered = filled.references["market"][2:]
    with casebook.write() as tx:
        # One that came back after it was taken, and one that is called gone before and is seen online.
        tx.exec_driver_sql(
            "UPDATE notice SET delivery = 'failed_permanent' WHERE human_reference = ?", (unanswered[0],)
        )
        tx.exec_driver_sql(
            "UPDATE notice_item SET claim = 'already_gone', last_online_at = 4000000000000000 "
            "WHERE notice_id = (SELECT notice_id FROM notice WHERE human_reference = ?)",
            (unanswered[1],),
        )
    figures = (await browser.get("/board/export.json?since=")).json()["platforms"]
    compared = 0
    for row in figures:
        for name, condition in FIGURES.items():
            path = f"/cases/export.json?platform={row['platform']}&condition={condition}"
            listed = (await browser.get(path)).json()

            assert len(listed) == row[name], (row["platform"], name)
            compared += row[name] > 0
        for name in MEASURES:
            path = f"/cases/export.json?platform={row['platform']}&condition={name}"
            assert len((await browser.get(path)).json()) == row[name]["n"], (row["platform"], name)
    assert compared >= 9, "the casebook has something to compare"


async def test_the_late_platform_stands_on_top_and_is_named_so(app: FastAPI, casebook: Casebook) -> None:
    page = (await Browser(app, casebook, "officer").get("/board?since=")).text

    order = list(table_of(page))
    assert order == ["bazaar", "market"]
    assert page.count('class="due overdue">overdue') == 1


@pytest.mark.parametrize("query", ["since=nonsense", "until=99999999999d", "since=0001-01-01&until=x"])
async def test_a_period_that_is_none_is_refused(app: FastAPI, casebook: Casebook, query: str) -> None:
    answer = await Browser(app, casebook, "officer").get(f"/board?{query}")

    assert answer.status_code == 422


async def test_a_list_goes_on_where_its_page_ends(app: FastAPI, casebook: Casebook, filled: Filled) -> None:
    from streams.desk import case_routes

    browser = Browser(app, casebook, "officer")
    everything = [one["reference"] for one in (await browser.get("/cases/export.json")).json()]
    found: list[str] = []
    path: str | None = "/cases"
    page_size, case_routes.PAGE = case_routes.PAGE, 3
    try:
        while path:
            text = (await browser.get(path)).text
            found += re.findall(r"<a href=\"/cases/c_\w+\">(TKN-[\w-]+)</a>", text)
            following = re.search(r'href="(/cases\?[^"]*before=[^"]+)">Older', text)
            path = following[1].replace("&amp;", "&") if following else None
    finally:
        case_routes.PAGE = page_size

    assert found == everything
    assert len(found) == 8
