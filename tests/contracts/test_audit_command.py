"""``takin audit key`` and ``takin audit verify`` as a person uses them."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization

from streams.cli import main
from streams.notices.casebook import sealing
from streams.notices.casebook.database import Casebook
from streams.notices.checkpoints import CheckpointLog, load_key, sign
from streams.notices.evidence import EvidenceStore
from streams.notices.merkle import Frontier
from tests.support.casebooks import fill
from tests.support.notices import T0


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "TAKIN_AUDIT_KEY_FILE", "TAKIN_CHECKPOINTS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    fill(casebook, 2, page=EvidenceStore(tmp_path / "evidence").put(b"a page"))
    casebook.close()
    return tmp_path


def sql(data: Path, *statements: str) -> None:
    casebook = Casebook.open(f"sqlite:///{data / 'casebook.db'}")
    with casebook.engine.connect() as connection, connection.begin():
        for statement in statements:
            connection.execute(sa.text(statement))
    casebook.close()


def sign_now(data: Path) -> None:
    casebook = Casebook.open(f"sqlite:///{data / 'casebook.db'}")
    tree = Frontier.empty()
    with casebook.read() as tx:
        rows = tuple(sealing.audit_rows(tx))
    casebook.close()
    for row in rows:
        tree.add(bytes.fromhex(row.hash))
    key = load_key(data / "audit-key.pem")
    CheckpointLog(data / "checkpoints.jsonl").append(sign(key, tree, head=rows[-1].hash, at=T0, after=None))


def test_the_key_is_made_once_and_its_public_key_printed(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "key"]) == 0
    first = capsys.readouterr().out
    assert main(["audit", "key"]) == 0

    assert capsys.readouterr().out == first
    serialization.load_pem_public_key(first.encode())


def test_without_checkpoints_it_says_what_it_cannot_show(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify"]) == 0

    said = capsys.readouterr().out
    assert "the chain holds" in said
    assert "cut tail" in said


def test_with_checkpoints_a_cut_tail_is_found(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "key"])
    public = data / "public.pem"
    public.write_text(capsys.readouterr().out)
    sign_now(data)
    arguments = ["audit", "verify", "--checkpoints", str(data / "checkpoints.jsonl")]
    arguments += ["--public-key", str(public)]
    assert main(arguments) == 0
    assert main(["audit", "verify"]) == 0
    assert capsys.readouterr().out.count("1 checkpoints agree") == 2

    last = "(SELECT max(position) FROM audit)"
    sql(
        data,
        f"UPDATE audit_head SET hash = (SELECT previous FROM audit WHERE position = {last}), "
        "position = position - 1",
        "DELETE FROM case_event WHERE 'event:' || case_id || '/' || sequence = "
        f"(SELECT subject FROM audit WHERE position = {last})",
        f"DELETE FROM audit WHERE position = {last}",
    )

    assert main(arguments) == 1
    assert "but there are only" in capsys.readouterr().out


def test_a_forged_checkpoint_and_a_wrong_key_are_found(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["audit", "key"])
    sign_now(data)
    main(["audit", "key", "--file", str(data / "other.pem")])
    other = data / "other-public.pem"
    capsys.readouterr()
    main(["audit", "key", "--file", str(data / "other.pem")])
    other.write_text(capsys.readouterr().out)

    assert main(["audit", "verify", "--public-key", str(other)]) == 1
    assert "checkpoint 1 is not signed with this key" in capsys.readouterr().out


def test_files_that_are_not_there_are_one_sentence(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", "--checkpoints", str(data / "none")]) == 2
    assert main(["audit", "verify", "--public-key", str(data / "none")]) == 2
    sign_key = data / "checkpoints.jsonl"
    sign_key.write_text("")
    assert main(["audit", "verify"]) == 2

    said = capsys.readouterr().err
    assert said.count("takin: ") == said.count("\n") == 3


def test_a_file_of_evidence_that_was_changed_or_removed_is_found(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [file] = [path for path in (data / "evidence").rglob("*") if path.is_file()]
    file.write_bytes(b"another page")
    assert main(["audit", "verify"]) == 1
    file.unlink()
    assert main(["audit", "verify"]) == 1

    said = capsys.readouterr().out
    assert f"evidence {file.name} was changed" in said
    assert f"evidence {file.name} is missing" in said


def test_what_was_erased_is_listed_with_when_by_whom_and_why(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify"]) == 0
    said = capsys.readouterr().out
    assert "erased 2026-03-02 10:08:29Z by Ada: 2 things of 0 cases and 1 reports; a request (GDPR" in said

    sql(data, "DELETE FROM erasure")

    assert main(["audit", "verify"]) == 1
    said = capsys.readouterr().out
    assert "was erased, and no tombstone says so" in said
    assert "erasure:er_" in said
