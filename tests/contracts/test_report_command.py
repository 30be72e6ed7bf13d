"""``takin report`` as a person uses it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfReader

from streams.cli import main
from streams.notices import handlers
from streams.notices.casebook import cases, figures, frozen
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.frozen import Frozen
from streams.notices.evidence import EvidenceStore
from streams.notices.item import Look
from streams.reports.document import BOM, checksum, figures_in
from streams.reports.frozen import corrections, facts_of
from tests.contracts.test_casebook import DESK, answer, casebook, look, noticed, url  # noqa: F401 - fixtures
from tests.support.casebooks import fill
from tests.support.notices import at

Run = Callable[..., str]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("TAKIN_PLATFORMS_FILE", "TAKIN_AUDIT_KEY_FILE", "TAKIN_CHECKPOINTS_FILE"):
        monkeypatch.delenv(name, raising=False)
    place = f"sqlite:///{tmp_path / 'casebook.db'}"
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", place)
    book = Casebook.open(place)
    fill(book, 4, page=EvidenceStore(tmp_path / "evidence").put(b"a page"))
    book.close()
    return place


@pytest.fixture
def run(address: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str, code: int = 0) -> str:
        assert main(["report", *arguments]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return call


def test_json_csv_and_pdf_say_the_same_under_one_checksum(run: Run, tmp_path: Path) -> None:
    for form in ("json", "csv", "pdf"):
        run("sla", "--period", "2026-03", "--output", str(tmp_path / f"r.{form}"))

    read = json.loads((tmp_path / "r.json").read_text())
    text = (tmp_path / "r.csv").read_text(encoding="utf-8")
    figures_there = {name: read[name] for name in read["checksum_of"]}
    in_csv = figures_in(text)
    # Open listings grow older between two reports; what is over is the same.
    assert in_csv["platforms"][0]["removed_seen"] == figures_there["platforms"][0]["removed_seen"]
    assert checksum(figures_there) == read["checksum"]
    rows = list(csv.reader(io.StringIO(text.removeprefix(BOM))))
    assert ["#checksum", checksum(in_csv)] in rows
    assert "SHA-256" in PdfReader(tmp_path / "r.pdf").pages[0].extract_text()
    assert read["platforms"][0]["removed_seen"]["n"] == 2


def test_only_notices_of_the_period_count(run: Run) -> None:
    assert "No notices yet" in run("sla", "--since", "2026-03-03", "--until", "2026-03-04")
    assert json.loads(run("sla", "--until", "2026-03-03", "--json"))["platforms"][0]["sent"] == 4


def test_a_frozen_period_stays_as_it_was_and_what_changed_is_listed(run: Run, address: str) -> None:
    assert "4 listings" in run("freeze", "--period", "2026-03", "--as", "A. Person")
    first = json.loads(run("sla", "--period", "2026-03", "--json"))
    book = Casebook.open(address)
    late = next(one for one in book.answer(figures.item_times) if one.removal_verified_at is None)
    for seconds in (5_000, 5_100):
        with book.write() as tx:
            [item] = cases.items_of_notice(tx, late.notice_id)
            due = handlers.looks.LookDue(
                item.notice_id, item.case_id, "market", item.listing_id, item.url, "a" * 64
            )
            handlers.take_look(
                tx,
                due,
                Look("offline", "gone", at(seconds)),
                DESK,
                now=at(seconds),
                http_status=404,
                body_sha256=None,
                observer="verifier",
            )
    book.close()

    second = json.loads(run("sla", "--period", "2026-03", "--json"))

    assert first["corrections"] == []
    assert (second["checksum"], second["platforms"]) == (first["checksum"], first["platforms"])
    assert {(one["listing_id"], one["fact"]) for one in second["corrections"]} == {
        (late.listing_id, name) for name in ("content", "first_offline_at", "removal_verified_at", "late")
    }
    shown = run("sla", "--period", "2026-03")
    assert "Corrections since" in shown
    assert "by A. Person" in shown
    assert "2026-03" in run("frozen")


def test_a_period_is_frozen_once_and_only_when_it_is_over(run: Run) -> None:
    run("freeze", "--period", "2026-03", "--as", "A. Person")

    assert "was frozen" in run("freeze", "--period", "2026-03", "--as", "B. Person", code=2)
    assert "is not over" in run("freeze", "--period", "2099", "--as", "A. Person", code=2)
    assert "--as NAME" in run("freeze", "--period", "2026-02", "--as", " ", code=2)
    assert json.loads(run("frozen", "--json").splitlines()[-1])["frozen_by"] == "A. Person"


def test_a_changed_frozen_report_shows(run: Run, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("freeze", "--period", "2026-03", "--as", "A. Person")
    assert main(["audit", "verify"]) == 0
    book = Casebook.open(address)
    with book.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(
            "UPDATE frozen_report SET document = "
            "CAST(replace(CAST(document AS TEXT), '\"sent\":4', '\"sent\":5') AS BLOB) "
            "WHERE period = '2026-03'"
        )
    book.close()

    assert "not what was frozen" in run("sla", "--period", "2026-03", code=2)
    assert main(["audit", "verify"]) == 1
    assert "frozen_report:sla/2026-03" in capsys.readouterr().out


def test_freezing_twice_keeps_the_first_and_both_are_sealed(casebook: Casebook) -> None:  # noqa: F811
    one = Frozen("sla", "2026-03", at(0), "A", "c" * 64, b"{}", b"[]", 3, "h" * 64)

    assert casebook.decide(frozen.freeze, one)
    assert not casebook.decide(
        frozen.freeze, Frozen(*("sla", "2026-03", at(9), "B"), "d" * 64, b"", b"", 4, "x")
    )
    assert casebook.answer(frozen.find, "sla", "2026-03") == one
    assert casebook.answer(frozen.find, "sla", "2026-04") is None


def test_a_look_at_what_is_still_online_is_no_correction(casebook: Casebook) -> None:  # noqa: F811
    notice_id = noticed(casebook)
    look(casebook, notice_id, "online", 60)
    kept = [facts_of(one) for one in casebook.answer(figures.item_times)]
    look(casebook, notice_id, "online", 120)

    assert corrections(kept, casebook.answer(figures.item_times)) == ()

    answer(casebook, notice_id)
    assert {one.fact for one in corrections(kept, casebook.answer(figures.item_times))} >= {
        "claim",
        "decided_at",
    }
    assert [one.now for one in corrections(kept, [])] == ["absent"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sla", "--period", "2026-03", "--since", "1d"), "either --period or"),
        (("sla", "--format", "pdf"), "--output"),
        (("sla", "--format", "xlsx"), "table, json, csv, pdf"),
        (("sla", "--period", "soon"), "2026-Q4"),
    ],
)
def test_a_wrong_question_is_told_what_to_do(run: Run, arguments: tuple[str, ...], told: str) -> None:
    assert told in run(*arguments, code=2)
