"""axe-core finds nothing on any page, light and dark, at 320 and 1440 pixels; pages stay small and fit."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page

from streams.desk.house import House
from streams.notices.casebook import desk_lists
from streams.notices.casebook.database import Casebook
from tests.support.desk import viewer_of

OpenAs = Callable[..., Page]
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
RUN = """() => axe.run(document, {resultTypes: ['violations'],
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
  .then(found => found.violations.map(one =>
    `${one.id}: ${one.help} (${one.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(' | ')})`))"""
LARGEST = 150_000
LOOKS = [("light", 1440), ("dark", 320), ("light", 320), ("dark", 1440)]


def pages(casebook: Casebook, house: House) -> dict[str | None, list[str]]:
    """Every page, with something on it and empty."""
    line = casebook.answer(
        desk_lists.inbox, viewer_of(casebook, "market-silent"), waiting=False, limit=1
    )[0]
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
    return {
        None: ["/login", link],
        "market-silent": [
            *("/inbox", "/inbox?waiting=true", f"/notices/{line.reference}", "/tokens", "/engineers"),
            *("/account", "/nowhere"),
        ],
        "officer": [
            *("/board", "/board?since=1h", "/cases", "/cases?condition=late&taxon=none"),
            f"/cases/{case.case_id}",
        ],
        "analyst": ["/review", f"/review/{review.case_id}"],
        "auditor": ["/access"],
    }


def problems(page: Page) -> list[str]:
    # By the browser's own debugging channel, which the page's policy does not concern.
    page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN)
    return found


@pytest.mark.parametrize(("scheme", "width"), LOOKS, ids=[f"{scheme}-{width}" for scheme, width in LOOKS])
def test_axe_finds_nothing_and_nothing_sticks_out(
    open_as: OpenAs, casebook: Casebook, served: tuple[str, House], scheme: str, width: int
) -> None:
    found: dict[str, Any] = {}
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    for login, paths in pages(casebook, served[1]).items():
        page = open_as(login, **options)
        for path in paths:
            answer = page.goto(path)
            assert answer is not None
            size = len(answer.body())
            for details in page.locator("main details").all():
                details.evaluate("one => one.open = true")
            wrong = problems(page)
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"the page is {wide} px wide")
            if size > LARGEST:
                wrong.append(f"the page has {size} bytes")
            if wrong:
                found[f"{login} {path}"] = wrong

    assert found == {}


def test_axe_is_asked_at_all(open_as: OpenAs) -> None:
    page = open_as(None)
    page.goto("/login")
    page.evaluate("document.querySelector('label[for=login]').remove()")

    assert any(one.startswith("label:") for one in problems(page))
