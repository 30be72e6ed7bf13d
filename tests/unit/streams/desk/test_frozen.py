"""A period is frozen from the page as by the command: once, under the officer's login, sealed."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI

from streams import cli
from streams.desk.app import desk_app
from streams.notices.casebook import frozen, sealing
from streams.notices.casebook.database import Casebook
from tests.support.desk import NOW, Browser, Filled, house_over

MONTH = f"{NOW:%Y-%m}"
LATER = NOW + timedelta(days=31)
SURE = {"period": MONTH, "sure": "yes"}


@pytest.fixture
def app(casebook: Casebook, tmp_path: Path) -> FastAPI:
    """A desk in the month after that of the notices; sessions are of then too."""
    return desk_app(house_over(casebook, tmp_path, clock=lambda: LATER))


def browser_of(app: FastAPI, casebook: Casebook, login: str) -> Browser:
    from tests.support.desk import sign_in

    browser = Browser(app, casebook)
    token, browser.csrf = sign_in(casebook, login, now=LATER)
    browser.client.cookies.set("takin", token)
    return browser


async def test_what_is_frozen_on_the_page_is_what_the_command_shows(
    app: FastAPI,
    casebook: Casebook,
    filled: Filled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'casebook.db'}")
    browser = browser_of(app, casebook, "officer")
    empty = (await browser.get("/board/frozen")).text
    before = (await browser.get(f"/board?period={MONTH}")).text

    answer = await browser.post("/board/frozen", SURE)
    page = (await browser.get(answer.headers["location"])).text
    exported = (await browser.get(f"/board/export.json?period={MONTH}")).json()
    assert cli.main(["report", "sla", "--period", MONTH, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    kept = casebook.answer(frozen.find, "sla", MONTH)
    assert cli.main(["report", "freeze", "--period", MONTH, "--as", "somebody"]) == 2

    assert f'href="/board?period={MONTH}"' in empty
    assert f"Freeze {MONTH}</button>" in before
    assert answer.status_code == 303
    assert exported == said
    assert kept is not None
    assert kept.checksum == said["checksum"]
    assert (kept.frozen_by, kept.frozen_at) == ("officer", LATER)
    for shown in (kept.checksum, kept.audit_hash, f"row {kept.audit_position}", "just frozen"):
        assert shown in page
    assert f"/board/export.pdf?period={MONTH}" in page
    assert "was frozen" in capsys.readouterr().err
    assert f"Freeze {MONTH}</button>" not in (await browser.get(f"/board?period={MONTH}")).text


async def test_freezing_stands_in_the_audit_chain_under_the_officers_login(
    app: FastAPI, casebook: Casebook
) -> None:
    await browser_of(app, casebook, "officer").post("/board/frozen", SURE)

    with casebook.read() as tx:
        [row] = tx.exec_driver_sql("SELECT actor FROM audit WHERE act = 'frozen_report'")
    assert row.actor == "person:officer"
    assert casebook.answer(sealing.verify).breaks == ()
    with casebook.write() as tx:
        tx.exec_driver_sql("UPDATE frozen_report SET frozen_by = 'somebody else'")
    assert casebook.answer(sealing.verify).breaks != ()


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"period": MONTH}, 422, "it cannot be done again"),
        ({"period": MONTH, "sure": "no"}, 422, "it cannot be done again"),
        ({"period": "2026-13", "sure": "yes"}, 422, "A named period is"),
        ({"period": "<script>", "sure": "yes"}, 422, "A named period is"),
        ({"period": f"{LATER:%Y-%m}", "sure": "yes"}, 409, "is not over before"),
    ],
)
async def test_what_cannot_be_frozen_is_refused_with_its_reason(
    app: FastAPI, casebook: Casebook, fields: dict[str, str], status: int, why: str
) -> None:
    answer = await browser_of(app, casebook, "lead").post("/board/frozen", fields)

    assert answer.status_code == status
    assert why in answer.text
    assert casebook.answer(frozen.every) == ()


async def test_a_second_time_changes_nothing(app: FastAPI, casebook: Casebook) -> None:
    assert (await browser_of(app, casebook, "officer").post("/board/frozen", SURE)).status_code == 303

    again = await browser_of(app, casebook, "lead").post("/board/frozen", SURE)

    assert again.status_code == 409
    assert "by officer and stays so" in again.text
    assert [one.frozen_by for one in casebook.answer(frozen.every)] == ["officer"]


async def test_who_may_only_read_is_offered_no_button(app: FastAPI, casebook: Casebook) -> None:
    browser = browser_of(app, casebook, "auditor")

    assert "Freeze " not in (await browser.get(f"/board?period={MONTH}")).text
    assert "An officer or a lead freezes one" in (await browser.get("/board/frozen")).text
