"""The four main paths, one after another, from a fresh ``takin demo``: its Kafka, its practice platforms."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from streams.notices.casebook import figures
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.figures import ItemTimes
from tests.browser.test_paths import ready
from tests.support.processes import wait_for_text

PATIENCE_S = 120.0
"""For what the services have to do first; a busy machine needs most of it."""
SILENT = "sandbox-silent"


@dataclass(frozen=True, slots=True)
class Demo:
    """A demonstration that runs."""

    base: str
    passwords: dict[str, str]
    casebook: Casebook

    def said(self, reference: str) -> ItemTimes:
        """What the casebook knows of the platform's answer to a notice."""
        [item] = [one for one in self.casebook.answer(figures.item_times) if one.reference == reference]
        return item

    def until_said(self, reference: str, known: Callable[[ItemTimes], object]) -> None:
        """An answer is kept at once, and applied by the notice service a moment later."""
        deadline = time.monotonic() + PATIENCE_S
        while not known(self.said(reference)):
            assert time.monotonic() < deadline, self.said(reference)
            time.sleep(0.2)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TAKIN_CACHE_DIR") if name in os.environ}
    said, data = tmp_path / "said.txt", tmp_path / "demo"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "demo", "--data-dir", str(data)],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": os.getcwd(), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        text = wait_for_text(said, "  auditor ", within_s=PATIENCE_S)
        found = re.search(r"^desk: (http://127\.0\.0\.1:\d+)/", text, re.M)
        assert found is not None, text
        lines = (data / "desk-logins.txt").read_text("utf-8").splitlines()
        casebook = Casebook.open(f"sqlite:///{data / 'casebook.db'}", threads=1)
        try:
            yield Demo(found[1], dict(line.split(maxsplit=1) for line in lines), casebook)
        finally:
            casebook.close()
        assert process.poll() is None, said.read_text("utf-8")[-3_000:]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
    assert process.returncode == 0, said.read_text("utf-8")[-3_000:]
    assert SILENT in said.read_text("utf-8").rpartition("platform  ")[2]


@pytest.fixture
def enter(chromium: Browser, demo: Demo) -> Iterator[Callable[[str | None], Page]]:
    contexts = []

    def entered(login: str | None) -> Page:
        context = chromium.new_context(base_url=demo.base, locale="en-GB")
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        if login is not None:
            page.goto("/login")
            page.fill("#login", login)
            page.fill("#password", demo.passwords[login])
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield entered
    for context in contexts:
        context.close()


def until(page: Page, address: str, there: Callable[[], bool], what: str) -> None:
    """Load a page again until the services have brought what it needs."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        page.goto(address)
        if there():
            return
        assert time.monotonic() < deadline, f"{address} never showed {what}: {page.inner_text('main')[:800]}"
        page.wait_for_timeout(500)


def test_each_persons_main_path_from_a_fresh_demonstration(
    demo: Demo, enter: Callable[[str | None], Page]
) -> None:
    citizen = enter(None)
    receipt = files_a_report(citizen)
    analyst = enter("analyst")
    decides_two(analyst)
    makes_the_case(analyst)
    citizen.goto(f"/report/en/follow?reference={receipt}")
    expect(citizen.get_by_role("status")).to_contain_text("Read; the offer is being examined.")
    answers_three(enter(SILENT), demo)
    exports_the_overdue(enter("officer"))


def files_a_report(page: Page) -> str:
    page.goto("/report")
    page.get_by_label("What is offered?").fill("A carved figure; the seller writes of a real tusk.")
    page.get_by_label("Link to the offer").fill("https://market.example/listing/4711")
    page.wait_for_timeout(2_100)  # a person takes longer than a program
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you: your report has arrived")
    found = re.search(r"R(-[A-Z0-9]{5})+", page.inner_text("main"))
    assert found is not None
    return found[0]


def decides_two(page: Page) -> None:
    """Dismiss one case and approve the next."""
    until(page, "/review", lambda: page.locator("tbody tr").count() >= 2, "two cases to decide")
    keys = page.keyboard
    ready(page)
    keys.press("n")
    page.wait_for_url(re.compile("/review/c_"))
    ready(page)
    keys.press("d")
    keys.type("The goods are not what the words suggest.")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Dismissed.")
    page.wait_for_url(re.compile("/review/c_"))
    ready(page)
    keys.press("a")
    expect(page.get_by_role("status").or_(page.get_by_role("alert"))).to_contain_text("Approved")


def makes_the_case(page: Page) -> None:
    page.goto("/triage")
    page.locator("tbody th a").first.click()
    page.get_by_label("Platform", exact=True).select_option(SILENT)
    page.get_by_label("Title, as shown").fill("Old figure, real tusk")
    page.get_by_label("Telling words").fill("real tusk")
    page.get_by_label("What they mean").fill("elephant ivory")
    page.locator("fieldset.provisions input").first.check()
    page.get_by_label("Why it is unlawful").fill("It offers elephant ivory and shows no certificate.")
    page.get_by_role("button", name="Make the case").click()
    expect(page.get_by_role("status")).to_contain_text("waits in review")


def answers_three(page: Page, demo: Demo) -> None:
    """By keyboard alone: removed from the list, then kept with reasons and received on their own pages."""
    rows = page.locator("li[data-line]")
    until(page, "/inbox", lambda: rows.count() >= 3, "three notices")
    keys = page.keyboard
    answered = []
    ready(page)
    keys.press("j")
    answered.append(references(page)[0])
    keys.press("2")
    expect(page.get_by_role("status")).to_contain_text("Answered “removed” for 1 notice")
    ready(page)
    keys.press("j")
    keys.press("Enter")
    page.wait_for_url(re.compile("/notices/"))
    answered += references(page, "h1")
    ready(page)
    keys.press("4")
    keys.press("Space")
    keys.press("Tab")
    keys.type("An antique from 1910 with its certificate, number 12.")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).not_to_contain_text(answered[1])
    page.wait_for_url(re.compile("/notices/"))
    answered += references(page, "h1")
    ready(page)
    keys.press("1")
    page.wait_for_url(re.compile("said=received"))

    assert len(set(answered)) == 3
    removed, kept, received = answered
    demo.until_said(removed, lambda one: one.outcome == "actioned_removed" and one.removal_claimed_at)
    demo.until_said(kept, lambda one: one.decided_at and str(one.outcome).startswith("refused"))
    demo.until_said(received, lambda one: one.acknowledged_at and not one.decided_at)


def references(page: Page, where: str = "li[data-line]") -> list[str]:
    return re.findall(r"TKN(?:-[A-Z0-9]+)+", page.locator(where).first.inner_text())


def exports_the_overdue(page: Page) -> None:
    late = page.get_by_role("link", name=f"late of {SILENT}")
    until(page, "/board", lambda: late.count() == 1, f"that {SILENT} is late")
    late.click()
    page.wait_for_url(re.compile(f"platform={SILENT}&condition=late"))
    address = page.url
    rows = page.locator("tbody tr")
    deadline = time.monotonic() + PATIENCE_S
    while True:
        # Deadlines go on passing: what is shown and both files must agree between two of them.
        page.goto(address)
        shown = rows.count()
        with page.expect_download() as csv_file:
            page.get_by_role("link", name="Export CSV").click()
        with page.expect_download() as json_file:
            page.get_by_role("link", name="Export JSON").click()
        lines = list(csv.DictReader(csv_file.value.path().read_text(encoding="utf-8-sig").splitlines()))
        objects = json.loads(json_file.value.path().read_text())
        if shown == len(lines) == len(objects):
            break
        assert time.monotonic() < deadline, (shown, len(lines), len(objects))
    assert shown > 0
    assert {line["platform"] for line in lines} == {SILENT}
