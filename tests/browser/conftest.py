"""Debian's Chromium, driven by Playwright, before a desk on a real port."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from streams.desk.house import House
from streams.notices.casebook.database import Casebook
from tests.support.desk import PASSWORD
from tests.support.desk_server import desk_server, story_accounts
from tests.support.desk_story import tell

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
PATIENCE_MS = 15_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is not there: run deploy/ci/chromium.sh, or name it in CHROMIUM")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("story") / "casebook.db"
    book = Casebook.open(f"sqlite:///{path}")
    story_accounts(book)
    tell(book)
    book.close()
    return path


@pytest.fixture
def casebook(told: Path, tmp_path: Path) -> Iterator[Casebook]:
    shutil.copy(told, tmp_path / "casebook.db")
    book = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    yield book
    book.close()


@pytest.fixture
def served(casebook: Casebook, tmp_path: Path) -> Iterator[tuple[str, House]]:
    with desk_server(casebook, tmp_path) as found:
        yield found


@pytest.fixture
def open_as(chromium: Browser, served: tuple[str, House]) -> Iterator[Callable[..., Page]]:
    """A page of somebody who has signed in by the form; what the console complains of fails the test."""
    contexts = []
    complaints: list[str] = []

    def opened(login: str | None, **options: object) -> Page:
        context = chromium.new_context(base_url=served[0], **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if login is not None:
            page.goto("/login")
            page.fill("#login", login)
            page.fill("#password", PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield opened
    for context in contexts:
        context.close()
    # What a test asks for by itself: a page that is not there, a form that is refused.
    assert [one for one in complaints if "404" not in one and "422" not in one] == []
