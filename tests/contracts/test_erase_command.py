"""``takin privacy erase`` and ``hold`` as a person uses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.watchlist import WatchlistEntry
from streams.cli import main
from streams.notices.casebook import accounts, filed, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.evidence import EvidenceStore
from streams.privacy.keys import exchange_keys
from streams.privacy.sellers import found_in, keyed_name
from tests.support.erasable import finished_case, make_report, where_named
from tests.support.lists import entry
from tests.support.notices import T0

WHO = ["--as", "Kim", "--reason", "a request of 3 May"]


@pytest.fixture
def casebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Casebook]:
    """On SQLite: :mod:`tests.contracts.test_erasure` holds the two databases together."""
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    for name in ("TAKIN_PRIVACY_KEY", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    book = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    yield book
    book.close()


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_it_says_row_by_row_what_would_go_and_changes_nothing(
    casebook: Casebook, capsys: pytest.CaptureFixture[str]
) -> None:
    case_id = finished_case(casebook, page=b"a page")
    rows = casebook.answer(sealing.verify).rows
    before = where_named(casebook)

    assert main(["privacy", "erase", "--seller", "market", "Canary-Seller", *WHO]) == 0

    lines = said(capsys)
    assert [line for line in lines if line.startswith("removed  evidence:")]
    assert f"emptied  event:{case_id}/1" in lines
    assert lines[-2].startswith("would erase ")
    assert "nothing was changed: add --apply" in lines[-2]
    assert casebook.answer(sealing.verify).rows == rows
    assert where_named(casebook) == before


def test_an_account_goes_by_any_of_its_names_with_its_files_and_others_stay(
    casebook: Casebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = EvidenceStore(tmp_path / "evidence")
    pages = [store.put(b"page 1"), store.put(b"page 2")]
    finished_case(casebook, "1", page=b"page 1")
    other = finished_case(casebook, "2", seller="canary-other", page=b"page 2")

    for name in ("canary-seller", "CANARY-seller"):
        assert main(["privacy", "erase", "--seller", "market", name, *WHO]) == 0
        assert "of 1 cases and 1 reports, 1 files; nothing was changed" in said(capsys)[-2]

    assert main(["privacy", "erase", "--seller", "market", "canary-seller-4711", "--apply", *WHO]) == 0

    assert "1 files; `takin audit verify` lists decision de_" in said(capsys)[-2]
    assert [store.path(page).exists() for page in pages] == [False, True]
    assert "case_.seller" in where_named(casebook, "canary-other")
    assert where_named(casebook, "canary-seller") == set()
    assert main(["audit", "verify"]) == 0
    assert "by Kim" in capsys.readouterr().out
    assert main(["privacy", "erase", "--case", other, "--apply", *WHO]) == 0
    assert where_named(casebook) == set()


def test_a_hold_keeps_a_case_until_it_is_released(
    casebook: Casebook, capsys: pytest.CaptureFixture[str]
) -> None:
    case_id = finished_case(casebook)
    assert main(["privacy", "hold", case_id, "--as", "Ada", "--reason", "court of Brno"]) == 0
    assert main(["privacy", "hold", case_id, "--as", "Ada", "--reason", "court of Brno"]) == 0
    assert "was under a legal hold already" in said(capsys)[-1]

    assert main(["privacy", "erase", "--seller", "market", "canary-seller", "--apply", *WHO]) == 1
    assert f"stays    {case_id} is under legal hold by Ada: court of Brno" in said(capsys)
    assert "case_.seller" in where_named(casebook)
    assert main(["privacy", "holds"]) == 0
    assert said(capsys)[-1] == "1 in force"

    assert main(["privacy", "release", case_id, "--as", "Ada", "--reason", "it is over"]) == 0
    assert main(["privacy", "erase", "--case", case_id, "--apply", *WHO]) == 0
    assert where_named(casebook) == set()
    assert main(["privacy", "release", case_id, "--as", "Ada", "--reason", "it is over"]) == 2


def test_a_report_goes_alone(casebook: Casebook, capsys: pytest.CaptureFixture[str]) -> None:
    finished_case(casebook)

    assert main(["privacy", "erase", "--report", "r_" + "1".rjust(20, "A"), "--apply", *WHO]) == 0

    assert "2 things of 0 cases and 1 reports" in said(capsys)[-1]
    named = where_named(casebook)
    assert not [place for place in named if place.startswith("filed_report")]
    assert "detection.body" in named


def test_a_report_goes_with_its_pictures_but_not_with_those_of_another(
    casebook: Casebook, tmp_path: Path
) -> None:
    store = EvidenceStore(tmp_path / "evidence")
    mine, shared = store.put(b"picture 1"), store.put(b"picture 2")
    for report in (make_report("7", pictures=(mine, shared)), make_report("8", pictures=(shared,))):
        casebook.decide(filed.keep, report, now=T0)
        casebook.decide(filed.decide, report.report_id, "dismissed", by="ada", reason="no", now=T0)

    assert main(["privacy", "erase", "--report", "r_" + "7".rjust(20, "A"), "--apply", *WHO]) == 0
    assert [store.path(one).exists() for one in (mine, shared)] == [False, True]

    assert main(["privacy", "erase", "--report", "r_" + "8".rjust(20, "A"), "--apply", *WHO]) == 0
    assert not store.path(shared).exists()


CANNOT = [
    (["--seller", "market", "nobody-there"], "holds nothing about that account"),
    (["--case", "c_none"], "has no single case"),
    (["--report", "r_" + "B" * 20], "is not there"),
    ([], "one of --seller PLATFORM ID, --case or --report"),
    (["--seller", "market", "canary-seller", "--reason", "Canary-Seller asked"], "names whom it is about"),
]


def test_what_cannot_be_done_is_one_sentence(casebook: Casebook, capsys: pytest.CaptureFixture[str]) -> None:
    finished_case(casebook)
    for arguments, why in CANNOT:
        assert main(["privacy", "erase", "--apply", *WHO, *arguments]) == 2

        error = capsys.readouterr().err
        assert why in error
        assert error.count("\n") == 1


def test_another_key_than_the_casebooks_is_refused(
    casebook: Casebook, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = finished_case(casebook)
    assert main(["privacy", "erase", "--case", case_id, "--apply", *WHO]) == 0
    kept = tmp_path / "privacy.key"
    assert kept.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("NEW_KEY", "ab" * 32)

    monkeypatch.setenv("TAKIN_PRIVACY_KEY", "env:NEW_KEY")
    assert main(["privacy", "erase", "--case", case_id, *WHO]) == 2
    assert "which TAKIN_PRIVACY_KEY does not name" in capsys.readouterr().err

    monkeypatch.setenv("TAKIN_PRIVACY_KEY", f"env:NEW_KEY,file:{kept}")
    assert main(["privacy", "erase", "--case", case_id, *WHO]) == 0


def test_who_holds_the_key_is_told_whom_a_keyed_name_means_and_that_is_on_record(
    casebook: Casebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case_id = finished_case(casebook)
    monkeypatch.setenv("OLD_KEY", "0" * 64)
    monkeypatch.setenv("NEW_KEY", "1" * 64)
    monkeypatch.setenv("SHARED_KEY", "2" * 64)
    old, shared = exchange_keys("env:OLD_KEY"), exchange_keys("env:SHARED_KEY")
    written = tmp_path / "partner.csv"
    written.write_text(
        f"seller\n{keyed_name(old, 'Canary-Seller')}\n{keyed_name(old, 'canary-seller-4711')}\n"
        f"{keyed_name(old, 'nobody')}\n{keyed_name(shared, 'canary-seller')}\n"
    )
    monkeypatch.setenv("TAKIN_PRIVACY_KEY", "env:NEW_KEY")
    assert main(["privacy", "whose", str(written), *WHO]) == 1
    assert said(capsys)[-1] == "0 of 4 are known here"

    monkeypatch.setenv("TAKIN_PRIVACY_KEY", "env:NEW_KEY,env:OLD_KEY")
    assert main(["privacy", "whose", str(written), *WHO]) == 1
    lines = said(capsys)
    assert [line.partition("  ")[2] for line in lines[:3]] == [
        f"seller “canary-seller” on market, case {case_id}",
        f"seller “canary-seller-4711” on market, case {case_id}",
        "nobody that is known here",
    ]
    assert lines[3].startswith(f"Under the key {shared.ids[0]}, which is not here")
    name = keyed_name(shared, "canary-seller")
    assert main(["privacy", "whose", name, "--exchange-key", "env:SHARED_KEY", *WHO]) == 0
    with casebook.read() as tx:
        subjects = [(one.login, one.act, one.subject) for one in accounts.accesses(tx, limit=9)]
        assert sealing.verify(tx).holds
    assert subjects[0] == ("Kim", "whose", f"1 keyed names, {name}: a request of 3 May")
    assert len(subjects) == 2


def test_a_watchlist_leaves_with_keyed_names_unless_somebody_says_why_on_record(
    casebook: Casebook, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    canary = entry("Canary-Seller", kind="seller")

    async def read_entries(bootstrap: str) -> dict[str, WatchlistEntry]:
        del bootstrap
        return {canary.entry_id: canary}

    def exported(*options: str) -> str:
        assert main(["watchlist", "export", *options]) == 0
        return capfdbinary.readouterr().out.decode()

    monkeypatch.setattr("streams.watchlist.store.read_entries", read_entries)
    monkeypatch.setenv("SHARED_KEY", "2" * 64)

    assert "canary" not in exported().casefold()
    shared = exported("--exchange-key", "env:SHARED_KEY")
    assert found_in(shared) == (keyed_name(exchange_keys("env:SHARED_KEY"), "canary-seller"),)
    assert main(["watchlist", "export", "--clear-sellers", " "]) == 2
    assert casebook.answer(accounts.accesses, limit=9) == ()
    assert "Canary-Seller" in exported("--clear-sellers", "backup of 3 May")
    with casebook.read() as tx:
        [access] = accounts.accesses(tx, limit=9)
        assert sealing.verify(tx).holds
    assert (access.act, access.subject) == ("clear_sellers", "watchlist (1 entries): backup of 3 May")
