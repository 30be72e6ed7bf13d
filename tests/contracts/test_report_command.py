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
from streams.notices.casebook import cases, figures, frozen, looks, published
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
            due = looks.LookDue(item.notice_id, item.case_id, "market", item.listing_id, item.url, "a" * 64)
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


SENDER = """
reporter: {organisation: Example Wildlife Monitor, email: desk@monitor.example, contact_name: Person A}
signed_by: Person B
trusted_flagger: {awarded_by: Example DSC, area: wildlife, since: 2025-03-27}
"""
INDEPENDENCE = "We take no money from providers; the board is elected by members for three years."


@pytest.fixture
def flagged(run: Run, tmp_path: Path) -> Callable[..., str]:
    (tmp_path / "sender.yaml").write_text(SENDER)
    (tmp_path / "text.txt").write_text(INDEPENDENCE)

    def call(*more: str, code: int = 0) -> str:
        options = ("--sender", str(tmp_path / "sender.yaml"), "--independence", str(tmp_path / "text.txt"))
        return run("trusted-flagger", "--period", "2026", *options, *more, code=code)

    return call


def test_the_trusted_flagger_s_report_counts_by_provider_type_and_action(flagged: Callable[..., str]) -> None:
    read = json.loads(flagged("--json"))

    assert (read["notices"], read["items"]) == (4, 4)
    assert read["by_provider"] == [
        {"provider": "market", "legal_name": None, "notices": 4, "items": 4, "seen_removed": 2}
    ]
    assert read["by_type"] == [{"type": "ivory, CITES Appendix I/II", "items": 4}]
    assert read["by_action"] == [{"action": "removed", "items": 4}]
    assert sum(row["items"] for row in read["rows"]) == 4
    assert (read["status"]["awarded_by"], read["independence"]) == ("Example DSC", INDEPENDENCE)


def test_it_holds_nothing_about_a_person_or_a_listing(flagged: Callable[..., str], tmp_path: Path) -> None:
    found = "".join(flagged("--format", form) for form in ("json", "csv", "table"))
    flagged("--output", str(tmp_path / "r.pdf"))
    found += " ".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages)

    assert "Example Wildlife Monitor" in found
    assert INDEPENDENCE in found
    for private in ("Person A", "Person B", "desk@", "market.example", "TKN-", "n1_", "/listing/"):
        assert private not in found


def test_a_report_without_a_word_on_independence_is_not_made(
    flagged: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("Yes.")

    assert "explains nothing" in flagged(code=2)


def test_another_year_has_no_notices(run: Run, flagged: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "sender.yaml").write_text(SENDER)
    assert json.loads(flagged("--json", "--period", "2025"))["items"] == 0


def test_our_side_of_a_transparency_report_says_that_it_is_unchecked(run: Run) -> None:
    [row] = json.loads(run("transparency", "--period", "2026-03", "--json"))["platforms"]
    shown = run("transparency", "--period", "2026-03")

    assert (row["notices_article_16"], row["notices_trusted_flaggers"], row["items"]) == (4, 0, 4)
    assert row["actions_ground_not_stated"] == 4
    assert row["median_time_to_receipt_s"] == 1
    assert all("unchecked" in line for line in shown.splitlines() if line.startswith("market"))


def test_groups_of_items_are_the_same_on_both_databases(casebook: Casebook) -> None:  # noqa: F811
    fill(casebook, 3)

    groups = casebook.answer(published.item_groups)

    assert sum(group.items for group in groups) == 3
    assert {(group.product, group.appendix, group.reached) for group in groups} == {("ivory", "I/II", True)}
    assert casebook.answer(published.notice_counts) == (("market", "art16", 3),)
    assert casebook.answer(published.notice_counts, until=at(-1)) == ()
    assert [one.outcome for one in casebook.answer(published.decisions)] == ["actioned_removed"] * 3
