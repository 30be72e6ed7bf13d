"""Reporters' contacts are encrypted where they stand, under keys that are replaced: SQLite and PostgreSQL."""

import json
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from schemas.errors import OperatorError
from schemas.report import Report
from streams.cli import main
from streams.contacts import reseal
from streams.contacts.keys import (
    Contact,
    ContactKeys,
    ContactRing,
    ContactUnreadable,
    add_key,
    make_keys,
    read_keys,
    too_open,
)
from streams.contacts.start import contact_ring, ring_if_any
from streams.notices.casebook import contacts, erasure, filed, sealing
from streams.notices.casebook import report_tables as r
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.erasure import Decision
from streams.notices.casebook.viewer import Viewer
from streams.notices.intake import Batch, Record, take_reports
from streams.settings import Settings
from tests.support.erasable import make_report
from tests.support.notices import T0, at
from tests.support.postgres import PostgresServer, find_bin

LEAD = Viewer("a", "ada", "Ada", "lead")
WHO = Contact("Canary", "canary@reporter.example")
CANARY = b"canary@reporter.example"
ONE, TWO = ContactKeys((b"1" * 32,)), ContactKeys((b"2" * 32, b"1" * 32))
DECISION = Decision("de_1", "request", "Ada", "the person asked", "GDPR Article 17(1)(a)")


@dataclass(frozen=True, slots=True)
class Place:
    """A casebook, as the environment names it, and all that its database would hand to a thief."""

    casebook: Casebook
    keys: Path
    stolen: Callable[[], bytes]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'casebook.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database(
            server.template("casebook", lambda address: Casebook.open(address).close())
        )
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.delenv("TAKIN_CONTACT_KEYS_FILE", raising=False)

    def stolen() -> bytes:
        if request.param == "sqlite":
            return b"".join(file.read_bytes() for file in sorted(tmp_path.glob("casebook.db*")))
        dumped = subprocess.run(
            [str(find_bin() / "pg_dump"), "--inserts", url], check=True, capture_output=True, timeout=60
        ).stdout
        # What is bytes stands there in hexadecimal digits.
        return dumped + b"".join(
            bytes.fromhex(piece.partition(b"'")[0].decode()) for piece in dumped.split(rb"'\x")[1:]
        )

    book = Casebook.open(url)
    yield Place(book, tmp_path / "contact.keys", stolen)
    book.close()


def keep(place: Place, number: str, keys: ContactKeys | None = None) -> str:
    """File a report, in clear as a version before did, unless there are keys."""
    report = make_report(number)
    place.casebook.decide(filed.keep, keys.seal(report) if keys else report, now=at(410))
    return report.report_id


def kept(place: Place, report_id: str) -> filed.Filed:
    found = place.casebook.answer(filed.one, LEAD, report_id)
    assert found is not None
    return found


def read(place: Place, report_id: str, keys: ContactKeys) -> Contact:
    contact = kept(place, report_id).contact
    assert contact is not None
    return keys.decrypt(report_id, contact)


def listed(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, int], int]:
    capsys.readouterr()
    assert main(["keys", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    return {row["key"]: row["contacts"] for row in told["keys"]}, told["not_looked_at"]


def test_a_key_is_replaced_and_no_contact_is_lost_or_left_in_clear(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    clear = keep(place, "1")
    assert CANARY in place.stolen(), "this looks where contacts stood before"
    assert main(["keys", "make"]) == 0
    assert stat.S_IMODE(place.keys.stat().st_mode) == 0o400
    ring = ContactRing(place.keys)
    [first] = ring().ids
    under_first = keep(place, "2", ring())

    assert main(["keys", "rotate"]) == 0

    second, again = ring().ids
    assert again == first, "a process that runs on sees the new key, and still the old one"
    under_second = keep(place, "3", ring())
    assert listed(capsys) == ({second: 1, first: 1}, 1)
    assert [read(place, one, ring()) for one in (under_first, under_second)] == [WHO, WHO]
    assert main(["keys", "drop", first]) == 2
    assert "need the key" in capsys.readouterr().err

    assert main(["keys", "reseal", "--dry-run"]) == 0
    assert listed(capsys) == ({second: 1, first: 1}, 1)
    assert main(["keys", "reseal", "--as", "Kim"]) == 0

    assert listed(capsys) == ({second: 3, first: 0}, 0)
    assert main(["keys", "drop", first]) == 0
    assert ring().ids == (second,)
    assert [read(place, one, ring()) for one in (clear, under_first, under_second)] == [WHO] * 3
    stolen = place.stolen()
    assert CANARY not in stolen
    assert clear.encode() in stolen
    verdict = place.casebook.answer(sealing.verify)
    assert (verdict.breaks, verdict.erased) == ((), 1)
    [told] = place.casebook.answer(lambda tx: tuple(erasure.decisions(tx)))
    assert (told.by, told.why, told.things) == ("Kim", reseal.WHY, 1)
    assert main(["keys", "drop", second]) == 2, "the last key encrypts"


def test_no_free_place_of_the_file_keeps_what_stood_there_in_clear(place: Place) -> None:
    for number in range(30):
        keep(place, str(number))
    list(reseal.run(place.casebook, ONE, by="Kim", clock=lambda: T0))
    assert place.casebook.forget_journal()

    assert CANARY not in place.stolen()


def test_what_was_taken_out_of_the_record_cannot_be_guessed_from_it(place: Place) -> None:
    """Who has the record and its chain tries addresses in vain: the salt of before is gone."""
    clear = keep(place, "1")
    list(reseal.run(place.casebook, ONE, by="Kim", clock=lambda: T0))

    with place.casebook.read() as tx:
        was, now = sealing.rows_about(tx, [f"report:{clear}"])
    assert was.salt is None
    assert now.salt is not None, "what is left holds what they wrote, and may be erased later"


def test_an_interrupted_run_goes_on_and_what_was_tampered_with_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reseal, "AT_ONCE", 2)
    ids = [keep(place, str(number)) for number in range(5)]
    with place.casebook.engine.connect() as raw, raw.begin():
        raw.execute(sa.update(r.filed_report).where(r.filed_report.c.report_id == ids[3]).values(url="x:y"))
    begun = reseal.run(place.casebook, ONE, by="Kim", clock=lambda: T0)
    assert next(begun).sealed == 2
    del begun
    assert place.casebook.answer(contacts.kept) == contacts.Kept({ONE.ids[0]: 2}, 3)

    place.keys.write_text("31" * 32 + "\n")
    assert main(["keys", "reseal"]) == 1

    assert f"stays    {ids[3]}: report:{ids[3]} is not what was sealed" in capsys.readouterr().out
    assert place.casebook.answer(contacts.kept) == contacts.Kept({ONE.ids[0]: 4}, 1)
    assert kept(place, ids[3]).report.reporter.email == WHO.email, "it reads as before"


def test_a_report_without_a_contact_is_looked_at_once(place: Place) -> None:
    bare = Report.model_validate({**make_report("1").model_dump(), "reporter": {"kind": "citizen"}})
    place.casebook.decide(filed.keep, bare, now=at(410))
    with place.casebook.write() as tx:
        tx.execute(sa.update(r.filed_report).values(contact_key=None))

    assert [piece.looked for piece in reseal.run(place.casebook, ONE, by="K", clock=lambda: T0)] == [1]
    assert list(reseal.run(place.casebook, ONE, by="K", clock=lambda: T0)) == []
    assert not kept(place, bare.report_id).leaves_contact


def test_erasing_takes_the_encrypted_contact_too(place: Place) -> None:
    report_id = keep(place, "1", ONE)
    list(reseal.run(place.casebook, TWO, by="Kim", clock=lambda: T0))
    place.casebook.decide(filed.decide, report_id, "dismissed", by="ada", reason="no", now=at(411))
    assert read(place, report_id, TWO) == WHO

    place.casebook.decide(erasure.erase, DECISION, report_ids=[report_id], now=at(500))

    with place.casebook.read() as tx:
        row = tx.execute(sa.select(r.filed_report.c.contact, r.filed_report.c.contact_key)).one()
    assert tuple(row) == (None, "")
    assert place.casebook.answer(sealing.verify).holds


def test_one_in_clear_that_kafka_still_holds_is_encrypted_when_it_is_taken(place: Place) -> None:
    """From a version before; without a key it is kept as it came, until `takin keys reseal`."""
    old, new = make_report("1"), make_report("2")

    def take(report: Report, keys: ContactKeys | None, offset: int) -> None:
        batch = Batch(((Record(0, offset, None, b""), report),), {})
        assert place.casebook.decide(take_reports, batch, now=T0, contacts=keys) == ("filed",)

    take(old, ONE, 0)
    assert CANARY not in place.stolen()
    assert read(place, old.report_id, ONE) == WHO
    take(new, None, 1)

    assert place.casebook.answer(contacts.kept) == contacts.Kept({ONE.ids[0]: 1}, 1)


def test_a_contact_under_a_key_that_is_not_here_is_told_and_never_replaced_by_a_new_key(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Losing the file must not look like a first start."""
    report_id = keep(place, "1", ONE)

    with pytest.raises(ContactUnreadable, match=f"key {ONE.ids[0]}, which is not here: add that key's line"):
        read(place, report_id, ContactKeys((b"3" * 32,)))
    wanted = "put it back from where you keep it"
    with pytest.raises(OperatorError, match=wanted):
        contact_ring(Settings(), opens_casebook=True)
    assert ring_if_any(Settings()) is None
    assert main(["keys", "make"]) == 2
    assert wanted in capsys.readouterr().err
    assert not place.keys.exists()

    assert main(["keys", "make", "--lost"]) == 0
    assert main(["keys", "reseal"]) == 1
    assert "which is not here" in capsys.readouterr().out


def test_a_first_start_makes_a_key_only_where_every_process_finds_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.casebook.is_sqlite:
        made = contact_ring(Settings(), opens_casebook=True)().ids
        assert contact_ring(Settings(), opens_casebook=False)().ids == made
    else:
        with pytest.raises(OperatorError, match="takin keys make"):
            contact_ring(Settings(), opens_casebook=True)
        # An intake of its own container knows nothing of the database.
        monkeypatch.delenv("DATABASE_URL")
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
        with pytest.raises(OperatorError, match="takin keys make"):
            contact_ring(Settings(), opens_casebook=False)
        assert not place.keys.exists()
    monkeypatch.setenv("TAKIN_CONTACT_KEYS_FILE", str(place.keys.with_name("elsewhere")))
    with pytest.raises(OperatorError, match="elsewhere"):
        contact_ring(Settings(), opens_casebook=True)


def test_a_contact_that_was_moved_or_changed_is_not_shown(place: Place) -> None:
    first, second = keep(place, "1", ONE), keep(place, "2", ONE)
    moved = kept(place, first).contact
    with place.casebook.write() as tx:
        tx.execute(
            sa.update(r.filed_report).where(r.filed_report.c.report_id == second).values(contact=moved)
        )

    with pytest.raises(ContactUnreadable, match=f"belongs to the report {first}"):
        read(place, second, ONE)
    assert moved is not None
    with pytest.raises(ContactUnreadable, match="was changed"):
        ONE.decrypt(first, moved[:-5] + ("A" if moved[-5] != "A" else "B") + moved[-4:])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there are none"),
        ("ab" * 32 + "\nsecret-word\n", "line 2 is not 64"),
        ("ab" * 32 + "\n" + "AB" * 32, "a key twice"),
        ("\N{SNOWMAN}", "not text"),
    ],
)
def test_a_file_that_holds_no_keys_is_told_without_its_words(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "contact.keys"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(OperatorError, match=said) as refusal:
        read_keys(file)

    assert "secret-word" not in str(refusal.value)
    assert "ab" * 8 not in str(refusal.value)
    file.write_text("ab" * 32)
    before = ContactRing(file)
    file.write_text(text, encoding="utf-8")
    assert before().ids == ContactKeys((b"\xab" * 32,)).ids, "who read it before goes on"


def test_two_who_replace_a_key_at_once_do_not_lose_one(tmp_path: Path) -> None:
    file = tmp_path / "contact.keys"
    assert make_keys(file)
    assert not make_keys(file), "it is never made over another"
    file.chmod(0o440)
    [first] = read_keys(file).ids
    (tmp_path / ".contact.keys.lock").touch()
    with pytest.raises(OperatorError, match="Somebody else is changing"):
        add_key(file)
    (tmp_path / ".contact.keys.lock").unlink()

    assert add_key(file).ids[1:] == (first,)

    assert stat.S_IMODE(file.stat().st_mode) == 0o440, "who could read it still can"
    assert too_open(file) is None
    file.chmod(0o644)
    assert too_open(file) == "everybody on this machine"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["contact.keys"]
