"""Each person's main path, in a real browser."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from streams.desk.house import House
from streams.notices.casebook import cases, desk_lists, desk_pages, events, filed
from streams.notices.casebook.database import Casebook
from tests.support.desk import viewer_of
from tests.support.desk_story import notice_about_two
from tests.support.lists import QuickTrials, pack_text

OpenAs = Callable[..., Page]


def ready(page: Page) -> None:
    """The page's script listens: nobody types before they see the page, but a test would."""
    page.locator("html[data-keys=ready]").wait_for(state="attached")


def inbox_of(casebook: Casebook, login: str) -> list[desk_lists.Line]:
    return list(casebook.answer(desk_lists.inbox, viewer_of(casebook, login), waiting=False, limit=99))


def standing(casebook: Casebook, reference: str) -> tuple[str, str | None]:
    with casebook.read() as tx:
        notice_id = cases.find_notice(tx, reference)
        assert notice_id is not None
        [item] = cases.items_of_notice(tx, notice_id)
    return item.claim, item.outcome


def test_a_trust_and_safety_agent_answers_three_notices_by_keyboard_alone(
    open_as: OpenAs, casebook: Casebook
) -> None:
    first, second, third, *_ = [line.reference for line in inbox_of(casebook, "market-silent")]
    page = open_as("market-silent")
    keys = page.keyboard
    expect(page).to_have_url(re.compile("/inbox$"))
    ready(page)

    # The first from the list, with one key for the answer.
    keys.press("j")
    keys.press("2")
    expect(page.get_by_role("status")).to_contain_text("Answered “removed” for 1 notice")

    ready(page)
    # The second on its own page, kept with reasons; the desk goes on to the third by itself.
    keys.press("j")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(second)
    ready(page)
    keys.press("4")
    keys.press("Space")
    keys.press("Tab")
    keys.type("An antique from 1910 with its certificate, number 12.")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(third)
    ready(page)
    keys.press("1")
    page.wait_for_url(re.compile("said=received"))

    assert standing(casebook, first) == ("removed", "actioned_removed")
    assert standing(casebook, second) == ("refused", "refused_lawful")
    assert standing(casebook, third) == ("receipted", None)


def test_many_are_answered_at_once_and_keys_can_be_turned_off(open_as: OpenAs, casebook: Casebook) -> None:
    wanted = [line.reference for line in inbox_of(casebook, "market-silent")][:2]
    page = open_as("market-silent")
    keys = page.keyboard
    ready(page)

    keys.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Single keys act").uncheck()
    keys.press("Escape")
    keys.press("j")
    keys.press("2")
    expect(page).to_have_url(re.compile("/inbox$"))
    keys.press("?")
    page.get_by_label("Single keys act").check()
    keys.press("Escape")
    for _ in wanted:
        keys.press("j")
        keys.press("x")
    expect(page.locator("[data-chosen]")).to_have_text("2")
    keys.press("2")

    expect(page.get_by_role("status")).to_contain_text("for 2 notices")
    assert {standing(casebook, one) for one in wanted} == {("removed", "actioned_removed")}


def test_each_listing_of_a_notice_is_answered_by_keyboard_or_all_at_once(
    open_as: OpenAs, casebook: Casebook
) -> None:
    reference = notice_about_two(casebook, "market-silent")
    page = open_as("market-silent")
    keys = page.keyboard
    page.goto(f"/notices/{reference}")
    ready(page)
    keys.press("n")
    page.wait_for_url(re.compile("item="))
    ready(page)
    keys.press("2")
    expect(page.get_by_role("heading", name="Listing 2 of 2")).to_be_visible()
    ready(page)
    keys.press("6")
    page.wait_for_url(lambda url: reference not in url)
    assert claims(casebook, reference) == ["removed", "refused"]

    page.goto(f"/notices/{reference}?item={items(casebook, reference)[1]}")
    ready(page)
    keys.press("*")
    page.wait_for_url(lambda url: "item=" not in url)
    ready(page)
    keys.press("1")
    page.wait_for_url(lambda url: reference not in url)
    page.goto(f"/notices/{reference}")
    expect(page.locator("ol.said li")).to_have_count(2)


def page_of(casebook: Casebook, reference: str) -> desk_pages.NoticePage:
    found = casebook.answer(desk_pages.notice, viewer_of(casebook, "market-silent"), reference)
    assert found is not None
    return found


def claims(casebook: Casebook, reference: str) -> list[str]:
    return [item.claim for item in page_of(casebook, reference).items]


def items(casebook: Casebook, reference: str) -> list[str]:
    return [item.item_id for item in page_of(casebook, reference).items]


def test_an_analyst_approves_one_and_dismisses_one(open_as: OpenAs, casebook: Casebook) -> None:
    page = open_as("analyst")
    keys = page.keyboard

    ready(page)
    keys.press("n")
    page.wait_for_url(re.compile("/review/c_"))
    ready(page)
    first = page.url.partition("?")[0].rpartition("/")[2]
    keys.press("d")
    keys.type("A curtain in the colour of ivory.")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Dismissed.")
    second = page.url.partition("?")[0].rpartition("/")[2]
    ready(page)
    keys.press("a")
    expect(page.get_by_role("status").or_(page.get_by_role("alert"))).to_contain_text("Approved")

    with casebook.read() as tx:
        dismissed = events.of_case(tx, first)[-1]
        approved = [event.type for event in events.of_case(tx, second)]
    assert (dismissed.type, dismissed.actor) == ("dismissed", "person:analyst")
    assert approved[-1] == "notice_queued"


def test_an_analyst_changes_a_notice_and_sees_it_before_it_goes(open_as: OpenAs, casebook: Casebook) -> None:
    page = open_as("analyst")
    keys = page.keyboard
    ready(page)
    keys.press("n")
    page.wait_for_url(re.compile("/review/c_"))
    ready(page)
    case_id = page.url.partition("?")[0].rpartition("/")[2]
    keys.press("e")
    keys.press("Control+a")
    keys.press("Delete")
    expect(page.locator("#preview")).to_contain_text("reasons_missing at /reasons")
    keys.type("The seller offers it, and says of what it is made.")
    expect(page.locator("#preview .done")).to_contain_text("with your changes")
    expect(page.locator("#preview .passage").first).to_contain_text("says of what it is made.")
    shown = page.locator("#preview .raw").text_content()
    keys.press("Escape")
    keys.press("a")
    expect(page.get_by_role("status").or_(page.get_by_role("alert"))).to_contain_text("Approved")

    with casebook.read() as tx:
        told = {event.type: event for event in events.of_case(tx, case_id)}
    assert told["notice_edited"].actor == "person:analyst"
    assert told["notice_queued"].data["body_sha256"] == shown


def test_an_officer_finds_the_overdue_platform_and_exports_it(open_as: OpenAs, casebook: Casebook) -> None:
    page = open_as("officer")
    first = page.locator("table.figures tbody tr").first
    expect(first).to_contain_text("overdue")
    worst = first.locator("th").inner_text().split()[0]
    late = first.get_by_role("link", name=f"late of {worst}")
    count = int(re.match(r"\d+", late.inner_text())[0])  # type: ignore[index]

    late.click()
    page.wait_for_url(re.compile(f"platform={worst}&condition=late"))
    expect(page.locator("tbody tr")).to_have_count(count)
    with page.expect_download() as csv_file:
        page.get_by_role("link", name="Export CSV").click()
    with page.expect_download() as json_file:
        page.get_by_role("link", name="Export JSON").click()
    page.locator("tbody th a").first.click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()

    rows = list(csv.DictReader(csv_file.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert {row["platform"] for row in rows} == {worst}
    assert len(rows) == len(json.loads(json_file.value.path().read_text())) == count
    assert worst == "market-silent"
    expect(page.locator("table.timeline")).to_contain_text("deadline missed")


def test_a_letters_link_answers_without_a_login(
    open_as: OpenAs, casebook: Casebook, served: tuple[str, House]
) -> None:
    line = inbox_of(casebook, "market-silent")[0]
    assert line.sent_at is not None
    page = open_as(None)

    page.goto(
        served[1].links.link(notice_id=line.notice_id, platform="market-silent", issued_at=line.sent_at)
    )
    assert standing(casebook, line.reference) == ("none", None)
    page.get_by_role("button", name="Removed").click()

    expect(page.get_by_role("status")).to_contain_text("“removed” is recorded")
    assert standing(casebook, line.reference) == ("removed", "actioned_removed")


def test_times_are_shown_in_utc_and_in_the_viewers_zone(open_as: OpenAs) -> None:
    page = open_as("officer", timezone_id="Europe/Paris", locale="en-GB")

    shown = page.locator("main time").first
    expect(shown).to_contain_text("UTC")
    expect(shown).to_contain_text("yours")
    expect(page.locator("footer")).to_contain_text("Europe/Paris")


def test_without_scripts_a_notice_is_answered_all_the_same(open_as: OpenAs, casebook: Casebook) -> None:
    reference = inbox_of(casebook, "market-silent")[0].reference
    page = open_as("market-silent", java_script_enabled=False)

    page.get_by_role("link", name=reference).click()
    page.get_by_role("button", name="Removed").click()

    assert standing(casebook, reference) == ("removed", "actioned_removed")


def test_a_citizen_files_a_report_that_becomes_a_case(
    open_as: OpenAs, casebook: Casebook, tmp_path: Path
) -> None:
    picture = tmp_path / "seen.png"
    Image.linear_gradient("L").save(picture)
    citizen = open_as(None, locale="es-ES")
    citizen.goto("/report")
    expect(citizen.get_by_role("heading", level=1)).to_have_text(
        "Denunciar la venta de fauna o flora silvestre"
    )
    citizen.get_by_label("¿Qué se ofrece?").fill("Una figura de marfil, dice que es de un colmillo.")
    citizen.get_by_label("Enlace al anuncio").fill("https://market-silent.example/listing/4711")
    citizen.get_by_label("¿Cómo lo obtuvo el vendedor?").fill("heredado")
    citizen.get_by_label("Foto o captura de pantalla").set_input_files(picture)
    citizen.wait_for_timeout(2_100)  # a person takes longer than a program
    citizen.get_by_role("button", name="Enviar la denuncia").click()
    expect(citizen.get_by_role("heading", level=1)).to_have_text("Gracias: su denuncia ha llegado")

    analyst = open_as("analyst")
    analyst.get_by_role("link", name="Reports").click()
    analyst.locator("tbody th a").first.click()
    shown = analyst.get_by_role("img", name="Sent with the report")
    expect(shown).to_have_css("filter", "blur(32px)")
    analyst.get_by_label("Show it clearly").check()
    expect(shown).to_have_css("filter", "none")
    assert shown.evaluate("one => one.naturalWidth") == 256
    expect(analyst.get_by_label("Platform", exact=True)).to_have_value("market-silent")
    expect(analyst.get_by_label("The platform’s own id of it")).to_have_value("4711")
    analyst.get_by_label("Title, as shown").fill("Old figure, real tusk")
    analyst.get_by_label("Telling words").fill("real tusk")
    analyst.get_by_label("What they mean").fill("elephant ivory")
    analyst.locator("fieldset.provisions input").first.check()
    analyst.get_by_label("Why it is unlawful").fill("It offers elephant ivory and shows no certificate.")
    analyst.get_by_role("button", name="Make the case").click()
    expect(analyst.get_by_role("status")).to_contain_text("waits in review")

    citizen.get_by_role("link", name="Seguir una denuncia").first.click()
    expect(citizen.get_by_role("status")).to_contain_text("Leída; se está examinando el anuncio.")
    with casebook.read() as tx:
        case_id = filed_case(casebook)
        assert [event.type for event in events.of_case(tx, case_id)][-1] == "sent_to_review"


def filed_case(casebook: Casebook) -> str:
    [one] = casebook.answer(filed.listed, viewer_of(casebook, "analyst"), waiting=False, limit=2)
    assert one.case_id is not None
    return one.case_id


def pack_file(text: str) -> FilePayload:
    return {"name": "bangles.yaml", "mimeType": "text/yaml", "buffer": text.encode()}


def test_an_analyst_proposes_a_pack_and_a_lead_releases_it(
    open_as: OpenAs, served: tuple[str, House]
) -> None:
    assert served[1].lists is not None
    trials = served[1].lists.trials
    assert isinstance(trials, QuickTrials)
    trials.takes_s = 1.5
    page = open_as("analyst")
    page.goto("/rules")
    ready(page)
    page.keyboard.press("u")
    page.locator("#file").set_input_files(pack_file(pack_text(version=4, when="odd")))
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("alert")).to_contain_text("rule bangles.offered")

    page.locator("#file").set_input_files(pack_file(pack_text(version=4)))
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("bangles@4")
    expect(page.locator("#backtest")).to_contain_text("7 of 9 kept listings read.")
    expect(page.locator("#backtest")).to_contain_text("1 of 812 listings would be judged otherwise")
    expect(page.locator(".diff")).to_contain_text("severity: high")
    page.get_by_label("in force, instead of what is now").check()
    page.get_by_label("Why").fill("Bangles in parcels are not critical.")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    expect(page.get_by_role("status")).to_contain_text("another person, a lead, has to release it")

    lead = open_as("lead")
    lead.goto("/rules")
    lead.get_by_role("link", name="bangles@4").click()
    expect(lead.get_by_text("Bangles in parcels are not critical.")).to_be_visible()
    ready(lead)
    lead.keyboard.press("y")
    expect(lead.get_by_role("status")).to_contain_text("Released: in force in every worker within seconds.")
    lead.goto("/rules/packs/bangles")
    expect(lead.get_by_role("heading", name="In force: bangles@4")).to_be_visible()

    page.goto("/watchlist")
    ready(page)
    page.keyboard.press("a")
    page.get_by_label("The word, name").fill("white gold")
    page.get_by_label("Why").fill("stands for ivory")
    page.get_by_label("Where that is known from").fill("case 20")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Added")
