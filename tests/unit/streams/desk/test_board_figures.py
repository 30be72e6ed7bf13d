"""The board against ``takin report``, to the digit, over a casebook of many states; and a frozen period."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from streams import cli
from streams.desk.app import desk_app
from streams.notices import handlers
from streams.notices.casebook import cases
from streams.notices.casebook.database import Casebook
from streams.reports import sla
from streams.reports.commands import sla_document
from streams.reports.document import BOM, checksum, figures_in
from tests.bench import desk_pages
from tests.support.desk import NOW, Browser, Filled, add_accounts, house_over, table_of
from tests.support.notices import make_response

COUNTED = {
    **{1: "sent", 2: "late", 3: "overdue", 4: "still_open"},
    **{7: "refused", 8: "claim_mismatch", 9: "reappeared"},
}
"""Columns of the page's table that are counts, after the platform's name."""
TIMES = {10: "acknowledged", 11: "decided", 12: "removed_claimed", 13: "removed_seen"}


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    place = f"sqlite:///{tmp_path / 'casebook.db'}"
    for name in ("TAKIN_PLATFORMS_FILE", "TAKIN_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", place)
    return place


@pytest.mark.parametrize(
    "period", [("", ""), ("30d", ""), ("45d", "10d"), ("2026-02-01", "2026-02-20"), ("3m", "")]
)
async def test_every_figure_is_that_of_the_report_to_the_digit(
    tmp_path: Path, address: str, period: tuple[str, str]
) -> None:
    casebook = Casebook.open(address, threads=2)
    add_accounts(casebook)
    desk_pages.fill(casebook, 600, NOW)
    browser = Browser(desk_app(house_over(casebook, tmp_path)), casebook, "officer")
    since, until = period
    wanted = sla_document(since or None, until or None, None, 20, None, now=NOW)
    query = f"since={since}&until={until}"

    page = (await browser.get(f"/board?{query}")).text
    as_json = (await browser.get(f"/board/export.json?{query}")).json()
    as_csv = (await browser.get(f"/board/export.csv?{query}")).content.decode()
    as_pdf = (await browser.get(f"/board/export.pdf?{query}")).content
    as_table = (await browser.get(f"/board/table.csv?{query}")).content.decode("utf-8-sig")
    casebook.close()

    assert as_json == json.loads(wanted.to_json())
    assert as_csv == wanted.to_csv()
    assert checksum(figures_in(as_csv)) == wanted.checksum
    assert f"#checksum,{wanted.checksum}" in as_csv.removeprefix(BOM)
    said = "".join(one.extract_text() for one in PdfReader(io.BytesIO(as_pdf)).pages)
    assert wanted.checksum in said.replace("\n", "")
    assert wanted.checksum in page
    shown = table_of(page)
    rows = wanted.figures["platforms"]
    assert set(shown) == {row["platform"] for row in rows}
    for row in rows:
        cells = shown[row["platform"]]
        assert {place: cells[place] for place in COUNTED} == {
            place: str(row[name]) for place, name in COUNTED.items()
        }
        assert (cells[5], cells[6]) == (sla.span(row["oldest_open_s"]), str(row["acknowledged"]["open"]))
        for place, name in TIMES.items():
            one = row[name]
            both = f"{sla.span(one['median_s'])} / {sla.span(one['p90_s'])} n={one['n']}"
            assert cells[place] == (both if one["n"] else "–"), (row["platform"], name)
    flat = {row["platform"]: row for row in csv.DictReader(io.StringIO(as_table))}
    for row in rows:
        assert int(flat[row["platform"]]["sent"]) == row["sent"]
        share = row["removed_seen"]["within"]["24h"]["share"]
        assert shown[row["platform"]][14].startswith("–" if share is None else f"{100 * share:.0f} %")
        assert flat[row["platform"]]["removed_seen_within_24h"] == ("" if share is None else str(share))
    assert table_of(page, "figures weeks") == weeks_as_read(wanted.figures["all"])
    assert table_of(page, "figures league") == {
        one["platform"]: [
            str(one["place"] or "too few"),
            one["platform"],
            share_as_read(one),
            "–" if one["weight"] is None else f"{100 * one['weight']:.1f} %",
            "",
        ]
        for one in wanted.figures["league"]["places"]
    }


def share_as_read(one: Mapping[str, Any]) -> str:
    if not one["n"]:
        return "–"
    return f"{100 * one['share']:.0f} % ({100 * one['low']:.0f}–{100 * one['high']:.0f}) of {one['n']}"


def weeks_as_read(row: Mapping[str, Any]) -> dict[str, list[str]]:
    names = ("notices", "sent", "late", "still_open", "verified")
    return {
        week["monday"]: [
            f"{week['monday']} {week['week']}",
            *(str(week[name]) for name in names),
            share_as_read(week["removed_seen_24h"]),
            "",
        ]
        for week in row["weeks"]
    }


async def test_the_weeks_of_one_platform_are_those_of_the_report_and_their_links_list_them(
    tmp_path: Path, address: str
) -> None:
    casebook = Casebook.open(address, threads=2)
    add_accounts(casebook)
    desk_pages.fill(casebook, 600, NOW)
    browser = Browser(desk_app(house_over(casebook, tmp_path)), casebook, "officer")
    wanted = sla_document("45d", None, None, 20, None, now=NOW)
    [row] = [one for one in wanted.figures["platforms"] if one["platform"] == "bazaar"]

    page = (await browser.get("/board?since=45d&platform=bazaar")).text
    week = row["weeks"][2]
    monday = date.fromisoformat(week["monday"])
    where = f"/cases?since={monday}&until={monday + timedelta(days=7)}&platform=bazaar"
    listed = (await browser.get(where.replace("/cases", "/cases/export.json"))).json()
    casebook.close()

    assert table_of(page, "figures weeks") == weeks_as_read(row)
    assert f'href="{where.replace("&", "&amp;")}"' in page
    assert len(listed) == week["notices"] > 0
    assert page.count('<rect class="sent"') == len(row["weeks"])


async def test_a_frozen_period_stays_and_its_corrections_stand_beside_it(
    casebook: Casebook,
    tmp_path: Path,
    filled: Filled,
    address: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"{NOW:%Y-%m}"
    browser = Browser(desk_app(house_over(casebook, tmp_path)), casebook, "officer")
    live = (await browser.get(f"/board?period={name}")).text
    assert cli.main(["report", "freeze", "--period", name, "--as", "A. <b>Person</b>"]) == 0
    with casebook.read() as tx:
        notice = cases.notice_by_id(tx, cases.find_notice(tx, filled.references["market"][3]) or "")
    before = (await browser.get(f"/board/corrections?period={name}")).text
    late = NOW + timedelta(hours=1)
    response = make_response(key=notice.idempotency_key, response_id="late").model_copy(
        update={"received_at": late, "effective_at": late}
    )
    casebook.decide(handlers.apply_response, response, now=late)
    capsys.readouterr()
    assert cli.main(["report", "sla", "--period", name, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)

    page = (await browser.get(f"/board?period={name}")).text
    corrections = (await browser.get(f"/board/corrections?period={name}")).text
    exported = (await browser.get(f"/board/export.json?period={name}")).json()

    assert "is not frozen, and not over yet" in live
    assert "Nothing has changed" in before
    assert exported == said
    assert said["checksum"] in page
    assert "by A. &lt;b&gt;Person&lt;/b&gt;" in page
    assert f'href="/board?period={name}" aria-current="page"' in page
    assert {one["fact"] for one in said["corrections"]} >= {"decided_at", "outcome", "claim"}
    assert all(f"<td>{one['fact'].replace('_', ' ')}</td>" in corrections for one in said["corrections"])
    assert corrections.count(filled.references["market"][3]) == len(said["corrections"])


@pytest.mark.parametrize("path", ["/board?period=2026-13", "/board/corrections?period=x"])
async def test_a_name_of_no_period_is_refused_and_corrections_are_of_frozen_ones(
    path: str, casebook: Casebook, tmp_path: Path
) -> None:
    browser = Browser(desk_app(house_over(casebook, tmp_path)), casebook, "officer")

    assert (await browser.get(path)).status_code == 422
    assert (await browser.get("/board/corrections?period=2019")).status_code == 404
