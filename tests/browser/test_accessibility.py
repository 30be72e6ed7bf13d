"""axe-core finds nothing on any page, light and dark, at 320 and 1440 pixels; pages stay small and fit."""

from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from schemas.listing import Image
from streams.desk.house import House
from streams.desk.public_form import reference
from streams.notices import acts, handlers
from streams.notices.casebook import cases, desk_lists, holds
from streams.notices.casebook.database import Casebook
from streams.watchlist.exchange import entry_id_of
from tests.support.desk import viewer_of
from tests.support.desk_story import notice_about_two
from tests.support.filed import file_report
from tests.support.lists import draft_file, draft_pack
from tests.support.notices import make_desk, make_detection
from tests.unit.streams.notices.test_pictures import ONE, TWO
from tests.unit.streams.notices.test_pictures import found as found_there

OpenAs = Callable[..., Page]
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
RUN = """() => axe.run(document, {resultTypes: ['violations'],
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
  .then(found => found.violations.map(one =>
    `${one.id}: ${one.help} (${one.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(' | ')})`))"""
LARGEST = 150_000
ENTRY = entry_id_of("code_word", "ice")
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (
    ("light", 1_440),
    ("dark", 1_440),
    ("dark", 320),
    ("light", 320),
)


def pictured(casebook: Casebook, *, now: datetime) -> str:
    """A case whose listing names three pictures, of which one was fetched."""
    first = Image(url=ONE, fetched=found_there("a"))
    shown = make_detection(
        "pictured",
        outcome="review",
        platform="market-liar",
        images=(first, Image(url=TWO, sha256="d" * 64), Image(url=f"{TWO}?{'long' * 60}")),
    )
    casebook.decide(handlers.take_detection, shown, make_desk(name="market-liar"), now=now)
    with casebook.write() as tx:
        case = cases.hold_by_listing(tx, "market-liar", "pictured")
    assert case is not None
    return case.case_id


def pages(casebook: Casebook, house: House) -> dict[str | None, list[str]]:
    """Every page, with something on it and empty."""
    line = casebook.answer(desk_lists.inbox, viewer_of(casebook, "market-silent"), waiting=False, limit=1)[0]
    [case, *_] = casebook.answer(
        desk_lists.lines,
        viewer_of(casebook, "officer"),
        desk_lists.Filter(platform="market-liar", condition="mismatch"),
        limit=1,
    )
    [review, *_] = casebook.answer(
        desk_lists.review_queue, viewer_of(casebook, "analyst"), now=house.clock(), limit=1
    )
    assert line.sent_at is not None
    link = house.links.link(notice_id=line.notice_id, platform="market-silent", issued_at=line.sent_at)
    assert house.evidence is not None
    if casebook.answer(holds.open_hold, case.case_id) is None:
        ends = house.clock() + timedelta(hours=72)
        casebook.decide(
            acts.ask_hold,
            case.case_id,
            by="lead",
            reason="unit X asks",
            expires_at=ends,
            now=house.clock(),
        )
    two = notice_about_two(casebook, "market-silent", now=house.clock())
    with casebook.write() as tx:
        # A notice of the week before, so that the board has a trend to draw.
        tx.exec_driver_sql(
            "UPDATE notice SET queued_at = queued_at - 604800000000 WHERE notice_id IN "
            "(SELECT min(notice_id) FROM notice)"
        )
    report = file_report(casebook, house.evidence, now=house.clock())
    shown = pictured(casebook, now=house.clock())
    return {
        None: [
            *("/login", link, "/report/en", "/report/fr", "/report/es", "/report/zh"),
            *("/report/zh/follow", "/report/es/follow?reference=R-AAAAA-AAAAA-AAAAA-AAAAA"),
            f"/report/fr/follow?reference={reference(report)}",
        ],
        "market-silent": [
            *("/inbox", "/inbox?waiting=true", f"/notices/{line.reference}", "/tokens", "/engineers"),
            *("/account", "/nowhere", f"/notices/{two}", "/deliveries", "/webhook"),
        ],
        "officer": [
            *(
                "/board",
                "/board?since=1h",
                "/board/corrections",
                f"/board?period={house.clock() - timedelta(days=40):%Y-%m}",
                "/board/overdue",
                "/board/overdue?platform=nobody",
                "/board/frozen",
                "/cases",
                "/cases?condition=late&taxon=none",
            ),
            *(f"/cases/{case.case_id}", f"/cases/{shown}"),
        ],
        "analyst": [
            *(f"/review/{shown}", "/review", f"/review/{review.case_id}", "/holds", f"/cases/{case.case_id}"),
            *(
                "/triage",
                "/triage?decided=true",
                "/quality",
                "/questions",
                f"/questions/{line.reference}",
                f"/triage/{report}",
            ),
            *("/watchlist", f"/watchlist/entries/{ENTRY}"),
            *("/rules", "/rules/packs/bangles"),
            f"/rules/changes/{draft_pack(casebook, 'analyst', now=house.clock())}",
            f"/watchlist/files/{draft_file(casebook, 'analyst', now=house.clock())}",
        ],
        "auditor": ["/access"],
        "admin": ["/webhook", "/webhook/market-prompt", "/webhook/market-silent"],
    }


def problems(page: Page) -> list[str]:
    found: list[str] = page.evaluate(RUN)
    return found


@pytest.mark.parametrize("login", [None, "market-silent", "officer", "analyst", "auditor", "admin"])
def test_axe_finds_nothing_and_nothing_sticks_out(
    open_as: OpenAs, casebook: Casebook, served: tuple[str, House], login: str | None
) -> None:
    found: dict[str, Any] = {}
    page = open_as(login)
    for path in pages(casebook, served[1])[login]:
        answer = page.goto(path)
        assert answer is not None
        wrong = [f"{size} bytes"] if (size := len(answer.body())) > LARGEST else []
        for details in page.locator("main details").all():
            details.evaluate("one => one.open = true")
        # By the browser's own debugging channel, which the page's policy does not concern.
        page.evaluate(AXE)
        for scheme, width in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            wrong += [f"{scheme} {width}: {one}" for one in problems(page)]
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{wide} px wide at {width}")
        if wrong:
            found[path] = wrong

    assert found == {}


def test_axe_is_asked_at_all(open_as: OpenAs) -> None:
    page = open_as(None)
    page.goto("/login")
    page.evaluate(AXE)
    page.evaluate("document.querySelector('label[for=login]').remove()")

    assert any(one.startswith("label:") for one in problems(page))
