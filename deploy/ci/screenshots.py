"""Takes the pictures in deploy/screenshots again: the desk's main pages over the tests' story."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402 - after the path is set

from streams.notices.casebook import desk_lists  # noqa: E402
from streams.notices.casebook.database import Casebook  # noqa: E402
from tests.browser.conftest import CHROMIUM, FLAGS  # noqa: E402
from tests.support.desk import PASSWORD, viewer_of  # noqa: E402
from tests.support.desk_server import desk_server, story_accounts  # noqa: E402
from tests.support.desk_story import tell  # noqa: E402
from tests.support.filed import file_report  # noqa: E402
from tests.support.lists import draft_pack, pack_text, story_topic  # noqa: E402

FOLDER = ROOT / "deploy" / "screenshots"
PLATFORM = "market-silent"


def signed_in(
    browser: Browser, base: str, login: str | None, *, scheme: str = "light", width: int = 1_280
) -> Page:
    """A new page of somebody."""
    context = browser.new_context(
        base_url=base,
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 860},
        timezone_id="Europe/Paris",
        locale="en-GB",
    )
    page = context.new_page()
    if login is not None:
        page.goto("/login")
        page.fill("#login", login)
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/login" not in url)
    return page


def main() -> None:
    """Tell the story, open each page, and take its picture."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        casebook = Casebook.open(f"sqlite:///{folder / 'casebook.db'}")
        story_accounts(casebook)
        tell(casebook)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with desk_server(casebook, folder) as (base, house):
            line = casebook.answer(desk_lists.inbox, viewer_of(casebook, PLATFORM), waiting=False, limit=1)[0]
            untrue = desk_lists.Filter(platform="market-liar", condition="mismatch")
            case = casebook.answer(desk_lists.lines, viewer_of(casebook, "officer"), untrue, limit=1)[0]
            assert line.sent_at is not None
            link = house.links.link(notice_id=line.notice_id, platform=PLATFORM, issued_at=line.sent_at)

            platform = signed_in(browser, base, PLATFORM)
            officer = signed_in(browser, base, "officer")
            analyst = signed_in(browser, base, "analyst")
            stranger = signed_in(browser, base, None, width=420)
            dark = signed_in(browser, base, PLATFORM, scheme="dark", width=420)
            assert house.evidence is not None
            report = file_report(casebook, house.evidence, now=house.clock())
            pack = draft_pack(
                casebook, "analyst", now=house.clock(), text=pack_text(version=4), there=story_topic().told
            )
            for page, path, picture in (
                (platform, "/inbox", "inbox"),
                (platform, f"/notices/{line.reference}", "notice"),
                (platform, "/engineers", "engineers"),
                (dark, "/inbox", "inbox-phone-dark"),
                (officer, "/board", "board"),
                (officer, f"/cases/{case.case_id}", "case"),
                (stranger, link, "reply-link-phone"),
                (stranger, "/report/en", "report-phone"),
                (analyst, f"/triage/{report}", "triage"),
                (analyst, f"/rules/changes/{pack}", "rules"),
                (analyst, "/review", "review"),
            ):
                page.goto(path)
                take(page, picture)
            analyst.get_by_role("button", name="Take the next case").click()
            analyst.wait_for_url(lambda url: "/review/c_" in url)
            take(analyst, "review-case")
        browser.close()
        casebook.close()


def take(page: Page, picture: str) -> None:
    """One picture, of what fits the window."""
    page.wait_for_load_state("load")
    file = FOLDER / f"{picture}.png"
    page.screenshot(path=file)
    sys.stdout.write(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1024} kB\n")


if __name__ == "__main__":
    main()
