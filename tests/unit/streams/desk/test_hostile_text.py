"""Listing text written by somebody who means harm does none, on any page or in any export."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from streams.desk.app import desk_app
from streams.desk.lists import Lists
from streams.desk.trials import Trials
from streams.notices.casebook.database import Casebook
from streams.privacy.keys import made_keys
from streams.privacy.sellers import keyed_name
from tests.support.desk import NOW, Browser, Filled, add_accounts, app_over, fill, house_over
from tests.support.lists import MemoryTopic, draft_file, draft_pack, entry, pack_text, release

TEXT = (
    "ivory <script>alert(1)</script><img src=x onerror=alert(2)>"
    "\"'><a href=javascript:alert(3)>x</a> {{ 7*7 }} {% raw %}"
    "\u202eyrovi\u2066\u200b\u2028\x1b[2J\x07 &lt;b&gt;"
)
FORMULAS = ("=HYPERLINK(1)", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1+1", "＝1+1")
PARTS = ("/inbox/counts", "/progress")
"""Addresses of parts of pages."""
ALLOWED_SCRIPTS = {"/static/htmx-4.0.1.min.js", "/static/desk.js"}


DRAWN = {
    "svg": {"class", "viewbox", "role", "aria-labelledby"},
    "title": {"id"},
    "line": {"class", "x1", "x2", "y1", "y2"},
    "rect": {"class", "x", "y", "width", "height"},
    "circle": {"class", "cx", "cy", "r"},
    "polyline": {"class", "points"},
    "text": {"x", "y", "text-anchor"},
}
"""What the board's own picture is made of: numbers, and nothing that acts or loads."""
PICTURES = {"/board?since=": 1}


class Reader(HTMLParser):
    """Notes what a page would do."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[str] = []
        self.acts: list[str] = []
        self.texts: list[str] = []
        self.pictures = 0
        self.drawn: list[str] = []
        self._in_picture = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "svg":
            self._in_picture = False

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "script":
            self.scripts.append((given.get("src") or "inline").partition("?")[0])
        self.acts += [name for name in given if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action", "formaction"):
            where = (given.get(name) or "").strip().lower()
            if where.partition(":")[0] in ("javascript", "data", "vbscript"):
                self.acts.append(where)
        if tag in ("style", "iframe", "object", "embed", "base"):
            self.acts.append(tag)
        if tag == "svg":
            self.pictures += 1
            self._in_picture = True
            if given.get("class") != "trend":
                self.acts.append(tag)
        if self._in_picture and not (tag in DRAWN and set(given) <= DRAWN[tag]):
            self.acts.append(f"{tag} {sorted(given)} in a picture")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._in_picture:
            self.drawn.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Casebook, Path, Filled]]:
    folder = tmp_path_factory.mktemp("hostile")
    book = Casebook.open(f"sqlite:///{folder / 'casebook.db'}")
    add_accounts(book)
    filled = fill(book, each=2, text=TEXT)
    with book.write() as tx:
        # What a channel refuses to send can still stand in old rows: the columns themselves are hostile.
        tx.exec_driver_sql(
            "UPDATE case_ SET url = 'javascript:alert(4)', product = ?, taxon = ?", (TEXT, TEXT)
        )
        tx.exec_driver_sql("UPDATE notice_item SET url = 'javascript:alert(5)'")
        tx.exec_driver_sql("UPDATE case_ SET product = ? WHERE platform = 'bazaar'", (FORMULAS[0],))
        # Three weeks, two of them old enough to have a share, so that there is a trend to draw.
        for kind, weeks in (("min", 2), ("max", 1)):
            tx.exec_driver_sql(
                f"UPDATE notice SET queued_at = queued_at - {weeks} * 604800000000, "
                f"sent_at = sent_at - {weeks} * 604800000000 WHERE notice_id IN "
                f"(SELECT {kind}(notice_id) FROM notice)"
            )
        tx.exec_driver_sql(
            "INSERT INTO webhook_address (address_id, platform, address, proposed_by, proposed_at, "
            "tested_at, test_result, test_status) VALUES ('wa_1', 'market', ?, ?, 1, 1, ?, 500)",
            (TEXT, TEXT, TEXT),
        )
        tx.exec_driver_sql("UPDATE attempt SET reply = ?, reason = ?", (TEXT.encode() + b"\xff\x00", TEXT))
    yield book, folder, filled
    book.close()


def pages(filled: Filled) -> dict[str, list[str]]:
    return {
        "market": [
            "/inbox",
            "/inbox/counts",
            "/deliveries",
            "/webhook",
            *(f"/notices/{one}" for one in filled.references["market"]),
        ],
        "officer": [
            "/board?since=",
            "/board/overdue",
            "/board/frozen",
            "/cases",
            *(f"/cases/{one}" for one in filled.cases["market"]),
        ],
        "analyst": [
            "/questions",
            f"/questions/{filled.references['market'][0]}",
            "/review",
            *(f"/review/{one}" for one in filled.cases["market"]),
        ],
        "auditor": ["/access"],
    }


def list_pages(casebook: Casebook) -> tuple[MemoryTopic, list[str]]:
    """A watchlist of hostile words, and a file with more of them."""
    topic = MemoryTopic()
    bad = entry(TEXT, reason=TEXT, source=TEXT, added_by=TEXT[:200], state_reason=TEXT, platform=TEXT[:60])
    topic.hold(bad)
    change = draft_file(casebook, "analyst", now=NOW, word=TEXT, name="<script>.csv")
    pack = draft_pack(casebook, "analyst", now=NOW, text=pack_text(title=TEXT), word=TEXT)
    topic.hold(release(pack_text(version=2, title=TEXT, description=TEXT), version=2, released_by=TEXT[:200]))
    rules = ["/rules", "/rules/packs/bangles", f"/rules/changes/{pack}", f"/rules/changes/{pack}/progress"]
    return topic, [*rules, "/watchlist", f"/watchlist/entries/{bad.entry_id}", f"/watchlist/files/{change}"]


async def test_no_page_runs_or_hides_anything_of_it(hostile: tuple[Casebook, Path, Filled]) -> None:
    book, folder, filled = hostile
    topic, paths = list_pages(book)
    app = desk_app(replace(house_over(book, folder), lists=Lists(topic, Trials("127.0.0.1:1"))))
    seen = 0
    asked = pages(filled)
    asked["analyst"] += paths
    for login, paths in asked.items():
        browser = Browser(app, book, login)
        for path in paths:
            answer = await browser.get(path)
            reader = Reader()
            reader.feed(answer.text)
            text = "".join(reader.texts)
            seen += "<script>alert(1)" in text

            assert answer.status_code == 200, path
            assert set(reader.scripts) == (set() if path.endswith(PARTS) else ALLOWED_SCRIPTS), path
            assert reader.acts == [], path
            assert reader.pictures == PICTURES.get(path, 0), path
            assert not set("".join(reader.drawn)) & set("<>&=\"'"), "words of ours and numbers only"
            hidden = {
                one for one in answer.text if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp", "Cs")
            }
            assert hidden <= {"\n", "\t"}, path
    assert seen >= 12, "the hostile text is on the pages at all"


async def test_a_reply_page_shows_it_harmless_too(hostile: tuple[Casebook, Path, Filled]) -> None:
    from tests.unit.streams.desk.test_answering import link_of

    book, folder, filled = hostile
    path = link_of(book, folder, filled.references["market"][0], platform="market")

    answer = await Browser(app_over(book, folder), book).get(path)
    reader = Reader()
    reader.feed(answer.text)

    assert "<script>alert(1)" in "".join(reader.texts)
    assert (set(reader.scripts), reader.acts) == (ALLOWED_SCRIPTS, [])


async def test_an_export_is_text_in_every_spreadsheet(hostile: tuple[Casebook, Path, Filled]) -> None:
    book, folder, _ = hostile
    browser = Browser(app_over(book, folder), book, "officer")

    exported = await browser.get("/cases/export.csv")
    rows = list(csv.reader(io.StringIO(exported.content.decode("utf-8-sig"))))
    [products] = [{row[rows[0].index("product")] for row in rows[1:]}]

    assert exported.headers["content-disposition"].startswith("attachment; ")
    assert f"'{FORMULAS[0]}" in products
    assert len(rows) == 1 + 4
    cells = [cell for row in rows[1:] for cell in row]
    assert [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "＝")] == []
    assert [cell for cell in cells if any(unicodedata.category(one)[0] == "C" for one in cell)] == []


async def test_an_export_follows_a_seller_and_names_nobody(hostile: tuple[Casebook, Path, Filled]) -> None:
    book, folder, _ = hostile
    with book.write() as tx:
        tx.exec_driver_sql("UPDATE case_ SET seller = 'Canary.Seller' WHERE platform = 'bazaar'")
    browser = Browser(app_over(book, folder), book, "officer")

    answer = await browser.get("/cases/export.json")

    keyed = keyed_name(made_keys(None, folder / "privacy.key"), "canary.seller")
    told = {(row["platform"], row["seller"]) for row in answer.json()}
    assert ("bazaar", keyed) in told
    assert len(told) == 2
    assert "canary" not in answer.text.casefold()


@pytest.mark.parametrize("path", ["/notices/{}", "/cases/{}", "/review/{}", "/r/{}", "/api/v1/notices/{}"])
@pytest.mark.parametrize(
    "text",
    ["%00", "%E2%80%AE", "%3Cscript%3E", "' OR 1=1 --", "x" * 3_000, "%FF%FE", "..%2F..%2Fetc%2Fpasswd"],
)
async def test_an_address_of_somebody_who_means_harm_is_answered_like_any_unknown_one(
    hostile: tuple[Casebook, Path, Filled], path: str, text: str
) -> None:
    book, folder, _ = hostile
    login = "analyst" if "cases" in path or "review" in path else "market"

    answer = await Browser(app_over(book, folder), book, login).get(path.format(text))

    assert answer.status_code in (401, 404), answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_would_be_a_formula_is_text(text: str) -> None:
    from streams.desk.export import guarded

    assert guarded(text).startswith("'")
