"""A picture is kept before it is acknowledged, and only the key that sent it can name it."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from connectors.intake import Intake, intake_app
from connectors.intake_keys import IntakeKey, KeyRing, hash_key
from connectors.intake_pictures import MAX_PICTURE
from connectors.metrics import ConnectorMetrics
from schemas.report import MOST_PICTURES
from streams.connect.intake_process import PictureKeeper
from streams.notices.evidence import EvidenceStore
from tests.support.pictures import drawn, encoded
from tests.unit.connectors.test_intake import REPORT, _Log

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TRUST, POLICE, MARKET = ("tk_" + letter * 40 for letter in "xyz")


def key(identity: str, token: str, role: Any = "reports") -> IntakeKey:
    return IntakeKey(
        id=identity,
        sha256=hash_key(token),
        organisation=identity,
        roles=frozenset({role}),
        reporters=frozenset({"officer"}),
        rate_per_s=1_000,
        burst=1_000,
    )


class _Desk:
    def __init__(self, folder: Path) -> None:
        self.evidence = EvidenceStore(folder)
        self.log = _Log()
        keys = KeyRing((key("trust", TRUST), key("police", POLICE), key("market", MARKET, "listings")))
        intake = Intake(
            self.log,
            keys,
            platforms=frozenset(),
            metrics=ConnectorMetrics(),
            now=lambda: NOW,
            seal=lambda report: report,
            keep=PictureKeeper(self.evidence).keep,
        )
        transport = httpx.ASGITransport(intake_app(intake))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://intake")

    async def send(self, content: bytes, token: str = TRUST, **headers: str) -> httpx.Response:
        named = {"authorization": f"Bearer {token}", "content-type": "image/jpeg", **headers}
        return await self.client.post("/v1/reports/pictures", content=content, headers=named)

    async def report(self, *pictures: str, token: str = TRUST) -> httpx.Response:
        return await self.client.post(
            "/v1/reports",
            json={**REPORT, "pictures": list(pictures)},
            headers={"authorization": f"Bearer {token}"},
        )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[_Desk]:
    made = _Desk(tmp_path)
    yield made
    await made.client.aclose()


def photographed() -> bytes:
    note = Image.Exif()
    note[0x010E] = "taken at 12 Example Street"
    return encoded(drawn(1), "JPEG", exif=note, comment=b"hidden words")


async def test_a_picture_is_drawn_anew_kept_and_named_by_the_report(desk: _Desk) -> None:
    sent = photographed()
    answer = await desk.send(sent)
    reply = await desk.report(answer.json()["picture"])

    assert (answer.status_code, reply.status_code) == (201, 202)
    assert answer.json()["sha256"] == hashlib.sha256(sent).hexdigest()
    [report] = desk.log.reports
    [picture] = report.pictures
    kept = desk.evidence.get(picture.sha256)
    assert (picture.came_sha256, picture.size) == (hashlib.sha256(sent).hexdigest(), len(kept))
    assert report.kept == (picture.sha256,)
    assert b"Example Street" in sent
    assert b"Example Street" not in kept
    assert b"hidden words" not in kept
    assert Image.open(io.BytesIO(kept)).size == (640, 480)


async def test_the_same_picture_and_report_again_are_the_same(desk: _Desk) -> None:
    first, second = await desk.send(photographed()), await desk.send(photographed())
    assert first.json() == second.json()

    named = first.json()["picture"]
    answers = [await desk.report(named), await desk.report(named), await desk.report(named, named)]
    assert answers[0].json()["report_id"] == answers[1].json()["report_id"]
    assert len(desk.log.reports[2].pictures) == 1


async def test_only_the_key_that_sent_a_picture_can_name_it(desk: _Desk) -> None:
    named = (await desk.send(photographed())).json()["picture"]

    for reference, token in (
        (named, POLICE),
        (named[:-3] + "AAA", TRUST),
        ("pic_", TRUST),
        ("é" * 90, TRUST),
    ):
        reply = await desk.report(reference, token=token)
        assert (reply.status_code, reply.json()["code"]) == (422, "unknown_picture")
    assert desk.log.reports == []


async def test_a_report_has_a_few_pictures_and_no_more(desk: _Desk) -> None:
    names = [
        (await desk.send(encoded(drawn(number, 40, 50)))).json()["picture"]
        for number in range(MOST_PICTURES + 1)
    ]

    assert (await desk.report(*names[:-1])).status_code == 202
    assert (await desk.report(*names)).json()["code"] == "too_many"


@pytest.mark.parametrize(
    ("content", "token", "headers", "status", "code"),
    [
        (b"<svg/>", TRUST, {}, 422, "not_a_picture"),
        (encoded(drawn(1))[:900], TRUST, {}, 422, "not_a_picture"),
        (bytes(MAX_PICTURE + 1), TRUST, {}, 413, "too_large"),
        (b"x", TRUST, {"content-encoding": "gzip"}, 415, "compressed"),
        (b"x", MARKET, {}, 403, "not_allowed"),
        (b"x", "tk_" + "q" * 40, {}, 401, "unauthorised"),
    ],
    ids=["svg", "cut", "large", "compressed", "another role", "no key"],
)
async def test_what_is_not_taken_has_a_reason_and_leaves_nothing(
    desk: _Desk, content: bytes, token: str, headers: dict[str, str], status: int, code: str
) -> None:
    reply = await desk.send(content, token, **headers)

    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert [one for one in desk.evidence.folder.rglob("*") if one.is_file()] == []


async def test_what_could_not_be_written_is_not_acknowledged(desk: _Desk, tmp_path: Path) -> None:
    desk.evidence.folder = tmp_path / "file"
    desk.evidence.folder.write_text("not a folder")

    reply = await desk.send(encoded(drawn(1, 40, 50)))

    assert (reply.status_code, reply.json()["code"]) == (503, "unavailable")


async def test_pictures_are_drawn_one_after_the_other() -> None:
    under_way, most = 0, 0

    async def keep(content: bytes) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        raise OSError

    intake = Intake(
        _Log(),
        KeyRing((key("trust", TRUST),)),
        platforms=frozenset(),
        metrics=ConnectorMetrics(),
        now=lambda: NOW,
        seal=lambda report: report,
        keep=keep,
    )
    transport = httpx.ASGITransport(intake_app(intake))
    async with httpx.AsyncClient(transport=transport, base_url="http://intake") as client:
        headers = {"authorization": f"Bearer {TRUST}"}
        sent = [client.post("/v1/reports/pictures", content=b"x", headers=headers) for _ in range(5)]
        await asyncio.gather(*sent)

    assert most == 1
