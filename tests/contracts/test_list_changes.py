"""Changes of what is looked for, on record; every test runs on SQLite and on PostgreSQL."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.notices import acts
from streams.notices.casebook import list_changes, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.list_changes import DRAFTS_KEPT, REPORTS_KEPT, Change
from tests.support.fresh import fresh_url
from tests.support.notices import T0

BODY = "pack: 象牙\x00\r\n".encode()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(fresh_url(request, tmp_path), migrate=False)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == ()


def draft(casebook: Casebook, *, now: datetime = T0, **changes: Any) -> str:
    sha256 = hashlib.sha256(BODY).hexdigest()
    told = {"kind": "pack", "subject": "bangles", "version": 1, "by": "ada", **changes}
    return casebook.decide(list_changes.draft, body=BODY, sha256=sha256, now=now, **told)


def one(casebook: Casebook, change_id: str) -> Change | None:
    return casebook.answer(list_changes.one, change_id)


def propose(casebook: Casebook, change_id: str) -> None:
    casebook.decide(list_changes.tried, change_id, report="{}", base="b")
    casebook.decide(
        acts.propose_pack,
        change_id,
        target="active",
        base="b",
        tried=True,
        by="ada",
        reason="parcels",
        now=T0,
    )


def test_a_change_is_kept_byte_for_byte_through_all_its_states(casebook: Casebook) -> None:
    change_id = draft(casebook)
    propose(casebook, change_id)
    proposed = one(casebook, change_id)
    assert proposed is not None
    records = {"writes": b'[["k", "v"]]', "replaces": b'[["k", null]]'}

    decided = casebook.decide(
        acts.release_pack,
        change_id,
        shown=acts.shown_sha256(proposed),
        base="b",
        tried=True,
        by="Lena",
        now=T0 + timedelta(hours=1),
        **records,
    )
    assert (decided.state, decided.body, decided.writes) == ("decided", BODY, records["writes"])
    assert casebook.answer(list_changes.unwritten) == (decided,)
    assert casebook.decide(list_changes.finish, change_id, how="written", now=T0)
    assert not casebook.decide(list_changes.finish, change_id, how="overtaken", now=T0)

    done = one(casebook, change_id)
    assert done is not None
    assert (done.state, done.done_how, done.decided_by) == ("done", "written", "Lena")
    [line] = casebook.answer(list_changes.listed, kinds=("pack",), limit=9)
    assert (line.body, line.writes, line.sha256) == (b"", None, done.sha256)


def test_one_person_under_two_spellings_is_one_person(casebook: Casebook) -> None:
    change_id = draft(casebook)
    propose(casebook, change_id)
    proposed = one(casebook, change_id)
    assert proposed is not None

    with pytest.raises(acts.ActRefused, match="another person has to release it"):
        casebook.decide(
            acts.release_pack,
            change_id,
            shown=acts.shown_sha256(proposed),
            base="b",
            tried=True,
            writes=b"[]",
            replaces=b"[]",
            by=" A da ",
            now=T0,
        )


def test_old_drafts_and_what_trials_said_of_listings_are_forgotten(casebook: Casebook) -> None:
    old, kept = draft(casebook), draft(casebook, subject="other")
    propose(casebook, kept)

    draft(casebook, now=T0 + DRAFTS_KEPT)
    assert one(casebook, old) is not None
    draft(casebook, now=T0 + DRAFTS_KEPT + timedelta(seconds=1))
    assert one(casebook, old) is None
    told = one(casebook, kept)
    assert told is not None
    assert told.report == "{}"

    draft(casebook, now=T0 + REPORTS_KEPT + timedelta(seconds=1))
    after = one(casebook, kept)
    assert after is not None
    assert (after.report, after.state, after.body) == (None, "proposed", BODY)


def test_what_is_decided_takes_no_report_any_more(casebook: Casebook) -> None:
    change_id = draft(casebook)
    propose(casebook, change_id)
    casebook.decide(acts.decline_pack, change_id, reason="too wide", by="lena", now=T0)

    casebook.decide(list_changes.tried, change_id, report="{1}", base="c")

    found = one(casebook, change_id)
    assert found is not None
    assert (found.report, found.base, found.state) == ("{}", "b", "declined")
