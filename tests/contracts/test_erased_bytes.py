"""What was erased is in no byte of SQLite's files, also while others have them open."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from streams.cli import main
from streams.notices.casebook import database
from streams.notices.casebook.database import Casebook
from tests.support.erasable import CANARY, finished_case

WHO = ["--as", "Kim", "--reason", "a request of 3 May"]
ERASE = ["privacy", "erase", "--seller", "market", "canary-seller", "--apply", *WHO]


@pytest.fixture
def casebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Casebook]:
    """Open throughout, as a running notice service has it: SQLite keeps its log then."""
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    for name in ("TAKIN_PRIVACY_KEY", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    book = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    yield book
    book.close()


def holding(folder: Path, word: str = CANARY) -> list[str]:
    """Names of the casebook's files that hold a word, in any case."""
    files = sorted(folder.glob("casebook.db*"))
    assert {"casebook.db", "casebook.db-wal"} <= {file.name for file in files}
    return [file.name for file in files if word.encode() in file.read_bytes().lower()]


@pytest.mark.parametrize("written_back", [False, True])
def test_no_file_of_the_casebook_holds_a_byte_of_what_was_erased(
    casebook: Casebook, tmp_path: Path, capsys: pytest.CaptureFixture[str], written_back: bool
) -> None:
    """Whether it stood in the log only, or in the file already."""
    for number in range(4):
        finished_case(casebook, str(number), page=b"a page")
    if written_back:
        assert casebook.forget_journal()
    assert ("casebook.db" if written_back else "casebook.db-wal") in holding(tmp_path)

    assert main(ERASE) == 0

    assert holding(tmp_path) == []
    assert holding(tmp_path, "a request of 3 may") == ["casebook.db"], "what is kept was written to the file"
    assert "casebook.db-wal" not in capsys.readouterr().out
    assert main(["audit", "verify"]) == 0


def test_what_another_still_reads_stays_in_the_files_and_is_told_until_it_can_be_emptied(
    casebook: Casebook, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_FOR_READERS", timedelta(milliseconds=50))
    finished_case(casebook)
    with casebook.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM case_event").scalar_one() > 0

        assert main(ERASE) == 1

        said = capsys.readouterr().out
        assert "casebook.db-wal still holds what was erased" in said
        assert "takin privacy retention --apply" in said
        assert "casebook.db-wal" in holding(tmp_path)

    assert main(["privacy", "retention", "--apply"]) == 0
    assert holding(tmp_path) == []


def test_what_age_takes_away_leaves_the_files_as_well(casebook: Casebook, tmp_path: Path) -> None:
    finished_case(casebook)
    table = tmp_path / "table.yaml"
    shipped = Path("streams/privacy/retention.yaml").read_text("utf-8")
    table.write_text(shipped.replace("keep_days: 1825", "keep_days: 1"))

    assert main(["privacy", "retention", "--table", str(table), "--apply"]) == 0

    assert holding(tmp_path) == []
