"""A citizen's report from the public form to a case whose notice is queued."""

import io
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from schemas.listing import Listing
from schemas.report import Report, reference
from streams.contacts.keys import ContactKeys
from streams.desk import public_form, report_routes
from streams.desk.app import desk_app
from streams.desk.pictures import NoPicture, redrawn
from streams.notices import acts
from streams.notices.casebook import accounts, events, filed, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.evidence import EvidenceStore
from tests.support.desk import CONTACT_KEYS, NOW, Browser, Filled, house_over, two_platforms, viewer_of

FIELDS = {"what": "An ivory figure <script>alert(1)</script>", "url": "https://market.example/listing/77"}
OFFER = {
    "platform": "market",
    "listing_id": "77",
    "url": "https://market.example/listing/77",
    "title": "Old figure, real tusk",
    "description": "",
    "quote": "real tusk",
    "meaning": "elephant ivory",
    "scientific_name": "Loxodonta africana",
    "rank": "species",
    "appendix": "I",
    "specimen": "part",
    "severity": "high",
    "legal_basis": "cites-i",
    "explanation": "The offer is for a figure of elephant ivory, and no certificate is shown.",
}


def picture(size: tuple[int, int] = (60, 40), kind: str = "JPEG", *, note: bytes = b"") -> bytes:
    image = Image.new("RGB", size, "grey")
    exif = Image.Exif()
    exif[0x010E] = "taken at 12 Example Street"
    content = io.BytesIO()
    image.save(content, kind, exif=exif, **({"comment": note} if note else {}))
    return content.getvalue()


class Citizen:
    """Somebody with a browser who takes their time."""

    def __init__(self, casebook: Casebook, folder: Path, *, address: str = "192.0.2.9") -> None:
        self.now = NOW
        self.app = desk_app(house_over(casebook, folder, clock=lambda: self.now))
        transport = httpx.ASGITransport(app=self.app, client=(address, 40_000))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://desk.example")

    async def open(self, language: str = "en") -> dict[str, str]:
        page = await self.client.get(f"/report/{language}")
        assert page.status_code == 200
        return dict(re.findall(r'name="(csrf|issued|nonce)" value="([^"]+)"', page.text))

    async def send(
        self, fields: dict[str, str] | None = None, *, hidden: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        if hidden is None:
            hidden = await self.open()
        self.now += timedelta(seconds=30)
        data = {**hidden, **FIELDS, **(fields or {})}
        files = more.pop("files", {"picture": ("", b"")})
        return await self.client.post("/report/en", data=data, files=files, **more)


def reference_in(page: httpx.Response) -> str:
    found = re.search(r"R(-[A-Z2-7]{5}){4}", page.text)
    assert found, page.text
    return found[0]


def waiting(casebook: Casebook) -> tuple[filed.Filed, ...]:
    return casebook.answer(filed.listed, viewer_of(casebook, "analyst"), waiting=True, limit=50)


def chain(casebook: Casebook) -> list[tuple[str, str]]:
    with casebook.read() as tx:
        rows = tx.exec_driver_sql("SELECT act, actor FROM audit ORDER BY position").all()
    return [(row.act, row.actor) for row in rows]


@pytest.fixture
def citizen(casebook: Casebook, tmp_path: Path) -> Citizen:
    return Citizen(casebook, tmp_path)


async def progress(citizen: Citizen, reference: str) -> str:
    page = await citizen.client.get("/report/en/follow", params={"reference": reference})
    assert page.status_code == 200
    assert "alert" not in page.text, "what was written is not shown to whom has the reference"
    found = re.search(r"Where it stands</dt><dd><strong>([^<]+)", page.text)
    assert found
    return found[1]


async def test_a_contact_whose_key_is_missing_is_told_with_what_to_do(
    citizen: Citizen, casebook: Casebook, tmp_path: Path
) -> None:
    await citizen.send({"name": "Kim Canary"})
    [one] = waiting(casebook)
    house = replace(house_over(casebook, tmp_path), contacts=lambda: ContactKeys((b"other" * 8,)))
    analyst = Browser(desk_app(house), casebook, "analyst")

    shown = await analyst.get(f"/triage/{one.report.report_id}/contact")

    assert shown.status_code == 200
    assert f"the key {CONTACT_KEYS.ids[0]}, which is not here: add that key" in shown.text
    assert "Canary" not in shown.text


async def test_a_report_becomes_a_case_and_its_notice_goes(
    citizen: Citizen, app: FastAPI, casebook: Casebook
) -> None:
    reference = reference_in(await citizen.send({"email": "kim@reporter.example"}))
    assert await progress(citizen, reference) == "Received; a person will read it."
    analyst = Browser(app, casebook, "analyst")
    [one] = waiting(casebook)
    shown = await analyst.get(f"/triage/{one.report.report_id}")
    assert "&lt;script&gt;" in shown.text
    assert "<script>alert" not in shown.text
    assert "kim@reporter.example" not in shown.text, "only who asks for it sees it"
    asked = await analyst.get(f"/triage/{one.report.report_id}/contact")
    assert "kim@reporter.example" in asked.text
    with casebook.read() as tx:
        seen = [(line.login, line.act, line.subject) for line in accounts.accesses(tx, limit=2)]
    assert seen == [("analyst", act, one.report.report_id) for act in ("contact", "report")]

    made = await analyst.post(f"/triage/{one.report.report_id}/case", OFFER)

    assert made.headers["location"] == "/triage?said=case"
    assert await progress(citizen, reference) == "Read; the offer is being examined."
    [decided] = casebook.answer(filed.listed, viewer_of(casebook, "analyst"), waiting=False, limit=5)
    assert (decided.state, decided.decided_by) == ("case", "analyst")
    assert decided.case_id is not None
    taken = casebook.decide(acts.approve, decided.case_id, two_platforms(), by="analyst", now=citizen.now)
    assert taken.notice_id is not None
    with casebook.read() as tx:
        told = [event.type for event in events.of_case(tx, decided.case_id)]
        [body] = tx.exec_driver_sql("SELECT body FROM notice WHERE notice_id = ?", (taken.notice_id,)).one()
    assert told[-1] == "notice_queued"
    assert b"real tusk" in body
    assert b"kim@reporter.example" not in body, "the reporter stays between us and them"
    assert ("report", "reporter:citizen") in chain(casebook)
    assert ("report_decided", "person:analyst") in chain(casebook)
    with casebook.read() as tx:
        assert sealing.verify(tx).holds


async def test_a_dismissed_report_says_so_and_its_reason_stays_inside(
    citizen: Citizen, app: FastAPI, casebook: Casebook
) -> None:
    reference = reference_in(await citizen.send())
    analyst = Browser(app, casebook, "lead")
    [one] = waiting(casebook)
    path = f"/triage/{one.report.report_id}"

    assert (await analyst.post(f"{path}/dismiss", {"reason": " "})).status_code == 422
    assert (await analyst.post(f"{path}/dismiss", {"reason": "a curtain"})).status_code == 303

    assert await progress(citizen, reference) == "Read and closed without a notice to the platform."
    again = await analyst.post(f"{path}/case", OFFER)
    assert again.status_code == 422
    assert "Somebody has decided this report" in again.text


async def test_a_refused_case_leaves_nothing_behind(
    citizen: Citizen, app: FastAPI, casebook: Casebook
) -> None:
    await citizen.send()
    analyst = Browser(app, casebook, "analyst")
    [one] = waiting(casebook)
    with casebook.read() as tx:
        before = tx.exec_driver_sql("SELECT count(*) FROM case_").scalar()

    for change in (
        {"platform": "elsewhere"},
        {"legal_basis": "no-such-law"},
        {"quote": "words that stand nowhere"},
        {"url": "ftp://market.example/77"},
        {"explanation": "bad"},
        {"appendix": "IX"},
        {"title": "x" * 5_000},
    ):
        answer = await analyst.post(f"/triage/{one.report.report_id}/case", {**OFFER, **change})
        assert answer.status_code == 422, change
        assert OFFER["meaning"] in answer.text, "what was typed is not lost"

    with casebook.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM case_").scalar() == before
    assert len(waiting(casebook)) == 1


async def test_a_report_is_joined_to_the_case_that_is_there(
    citizen: Citizen, app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    reference = reference_in(await citizen.send())
    analyst = Browser(app, casebook, "analyst")
    [one] = waiting(casebook)
    path = f"/triage/{one.report.report_id}/merge"

    assert (await analyst.post(path, {"case": "TKN-NONE"})).status_code == 422
    assert (await analyst.post(path, {"case": filled.references["market"][1]})).status_code == 303

    assert "no longer online" in await progress(citizen, reference)


async def test_sending_a_form_twice_makes_one_report(citizen: Citizen, casebook: Casebook) -> None:
    hidden = await citizen.open()

    first, second = [await citizen.send(hidden=hidden) for _ in range(2)]

    assert reference_in(first) == reference_in(second)
    assert len(waiting(casebook)) == 1


@pytest.mark.parametrize("change", [{"csrf": "x"}, {"csrf": "é"}, {"issued": "1"}, {"issued": ""}], ids=str)
async def test_a_form_that_is_not_ours_keeps_its_text_and_files_nothing(
    citizen: Citizen, casebook: Casebook, change: dict[str, str]
) -> None:
    hidden = await citizen.open()

    answer = await citizen.send(hidden={**hidden, **change})

    assert answer.status_code == 403
    assert "An ivory figure" in answer.text
    assert waiting(casebook) == ()


async def test_a_program_that_answers_at_once_or_from_elsewhere_files_nothing(
    citizen: Citizen, casebook: Casebook
) -> None:
    hidden = await citizen.open()
    at_once = await citizen.client.post("/report/en", data={**hidden, **FIELDS})
    elsewhere = await citizen.send(headers={"sec-fetch-site": "cross-site"})
    trapped = await citizen.send({public_form.TRAP: "http://spam.example"})

    assert [at_once.status_code, elsewhere.status_code, trapped.status_code] == [403, 403, 422]
    assert waiting(casebook) == ()


async def test_one_place_is_stopped_after_a_few_and_others_are_not(
    casebook: Casebook, tmp_path: Path
) -> None:
    most = report_routes.ALLOWANCE.from_one_per_hour
    one, other = Citizen(casebook, tmp_path), Citizen(casebook, tmp_path, address="198.51.100.4")

    codes = [(await one.send()).status_code for _ in range(most + 1)]

    assert codes == [200] * most + [429]
    assert (await other.send()).status_code == 200
    one.now += timedelta(hours=1)
    assert (await one.send()).status_code == 200
    one.now += timedelta(days=2)
    await one.send()
    with casebook.read() as tx:
        kept = tx.exec_driver_sql("SELECT count(*) FROM filed_report WHERE origin <> ''").scalar()
    assert kept == 1, "where a report came from is forgotten after a day"


async def test_a_picture_is_drawn_anew_and_shown_to_who_decides(
    citizen: Citizen, app: FastAPI, casebook: Casebook, tmp_path: Path
) -> None:
    await citizen.send(files={"picture": ("../../evil.svg", picture(note=b"hidden words"), "image/svg+xml")})
    [one] = waiting(casebook)
    path = f"/triage/{one.report.report_id}/picture"

    shown = await Browser(app, casebook, "analyst").get(path)

    assert shown.headers["content-type"] == "image/jpeg"
    assert b"Example Street" not in shown.content
    assert b"hidden words" not in shown.content
    assert Image.open(io.BytesIO(shown.content)).size == (60, 40)
    assert (await Browser(app, casebook, "officer").get(path)).status_code == 403


async def test_each_picture_of_a_partners_report_is_blurred_by_itself_and_has_words(
    app: FastAPI, casebook: Casebook, tmp_path: Path
) -> None:
    evidence = EvidenceStore(tmp_path / "evidence")
    drawn = [redrawn(picture((60 + number, 40))) for number in range(3)]
    pictures = [
        {"sha256": evidence.put(content), "came_sha256": "c" * 64, "size": len(content)} for content in drawn
    ]
    told = {
        "what": "Tusks.",
        "url": "https://a.example",
        "reporter": {"kind": "partner"},
        "pictures": pictures,
    }
    one = Report.model_validate({**told, "report_id": "r_" + "A" * 20, "received_at": NOW})
    casebook.decide(filed.keep, one, now=NOW)
    analyst = Browser(app, casebook, "analyst")
    with casebook.read() as tx:
        row = tx.exec_driver_sql("SELECT picture_sha256, picture_size FROM filed_report").one()
    assert tuple(row) == (pictures[0]["sha256"], pictures[0]["size"])

    page = (await analyst.get(f"/triage/{one.report_id}")).text
    shown = re.findall(r'<section class="picture".*?<img src="([^"]+)" alt="([^"]+)"', page)
    contents = [(await analyst.get(path)).content for path, _ in shown]
    beyond = [(await analyst.get(f"/triage/{one.report_id}/picture?number={number}")) for number in (0, 4)]

    assert [words for _, words in shown] == [
        f"Picture {number} of 3, sent with the report; not described" for number in (1, 2, 3)
    ]
    assert page.count('type="checkbox"') >= 3
    assert contents == drawn
    assert [one.status_code for one in beyond] == [404, 404]
    assert "with 3 pictures" in (await analyst.get("/triage")).text


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a" + b"\0" * 40,
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        picture()[:200],
        b"\xff\xd8\xff" + b"x" * 500,
        b"",
    ],
    ids=["gif", "svg", "cut", "noise", "empty"],
)
async def test_what_is_no_picture_is_refused_and_the_text_is_kept(
    citizen: Citizen, casebook: Casebook, content: bytes
) -> None:
    answer = await citizen.send(files={"picture": ("a.jpg", content, "image/jpeg")})

    assert answer.status_code == 422
    assert "An ivory figure" in answer.text
    assert waiting(casebook) == ()


def test_a_picture_that_would_fill_the_memory_is_not_unpacked() -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000

    with pytest.raises(NoPicture):
        redrawn(bomb.getvalue())


async def test_too_large_a_form_is_cut_off(citizen: Citizen, casebook: Casebook) -> None:
    answer = await citizen.send(files={"picture": ("a.jpg", b"x" * 7_000_000, "image/jpeg")})
    large_picture = await citizen.send(files={"picture": ("a.jpg", b"x" * 5_300_000, "image/jpeg")})

    assert [answer.status_code, large_picture.status_code] == [413, 422]
    assert waiting(casebook) == ()


async def test_a_form_that_is_no_form_is_no_failure(citizen: Citizen, casebook: Casebook) -> None:
    hidden = await citizen.open()
    kind = {"content-type": "multipart/form-data; boundary=x"}
    post = citizen.client.post

    answers = [
        await post("/report/en", content=b"--x\r\nnonsense", headers=kind),
        await post("/report/en", content=b"", headers=kind),
        await post("/report/en", content=b"{}", headers={"content-type": "application/json"}),
        await post("/report/en", data={**hidden, **{f"f{n}": "" for n in range(60)}}),
        await post("/report/en", files=[("picture", ("a", b"1")), ("picture", ("b", b"2"))]),
        await post("/report/xx", data=hidden),
    ]

    assert all(400 <= answer.status_code < 500 for answer in answers), answers
    assert waiting(casebook) == ()


async def test_the_front_door_speaks_the_browsers_language(citizen: Citizen) -> None:
    answer = await citizen.client.get("/report", headers={"accept-language": "es-MX, en;q=0.5"})
    page = await citizen.client.get("/report/zh")

    assert answer.headers["location"] == "/report/es"
    assert '<html lang="zh">' in page.text
    assert "举报" in page.text
    assert (await citizen.client.get("/report/tlh")).status_code == 404


async def test_an_unknown_reference_is_answered_so(citizen: Citizen) -> None:
    for asked in ("R-AAAAA-AAAAA-AAAAA-AAAAA", "<script>", "' OR 1=1"):
        answer = await citizen.client.get("/report/fr/follow", params={"reference": asked})

        assert answer.status_code == 404
        assert "<script>" not in answer.text


def partner_report(n: str, **changes: Any) -> Report:
    return Report.model_validate(
        {
            "report_id": f"r_{n * 20}",
            "received_at": NOW,
            "reporter": {"kind": "officer", "organisation": "Example Police"},
            "url": "https://market.example/listing/77",
            "what": "A tusk.",
            "provenance": {"entry_into_country": "in a container of 2 March"},
            **changes,
        }
    )


async def test_what_a_partner_sent_is_read_beside_the_public_s_and_says_what_is_known_already(
    citizen: Citizen, app: FastAPI, casebook: Casebook, filled: Filled
) -> None:
    [(case_id, url)] = [
        tuple(row)
        for row in casebook.answer(
            lambda tx: tx.exec_driver_sql(
                "SELECT case_id, url FROM case_ WHERE platform = 'market' ORDER BY case_id LIMIT 1"
            ).all()
        )
    ]
    listing = Listing.sealed(
        platform="market",
        listing_id="77",
        url="https://market.example/listing/77",
        title="Old tusk <b>",
        description="Whole.",
        seller={"handle": "dealer"},
        observed_at=NOW,
        connector="intake",
        run_id="r",
    )
    batch = [partner_report("B", url=url), partner_report("C", url=url), partner_report("D", listing=listing)]
    for report in (*batch, batch[0]):
        casebook.decide(filed.keep, report, now=NOW)
    analyst = Browser(app, casebook, "analyst")

    first = (await analyst.get("/triage/r_" + "B" * 20)).text
    third = (await analyst.get("/triage/r_" + "D" * 20)).text

    assert len(waiting(casebook)) == 3
    assert "officer of <bdi>Example Police</bdi>" in first
    assert "in a container of 2 March" in first
    assert f"/cases/{case_id}" in first
    assert "/triage/r_" + "C" * 20 in first
    assert "Known already" not in third
    for value in ("Old tusk &lt;b&gt;", "dealer", "77"):
        assert f'value="{value}"' in third
    assert await progress(citizen, reference("r_" + "B" * 20)) == "Received; a person will read it."
    assert [actor for _, actor in chain(casebook)].count("reporter:officer") == 3
