"""Where two people are needed, two names of one account are one person; on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TypedDict

import pytest

from streams.cli import main
from streams.notices import acts, handlers
from streams.notices.acts import ActRefused
from streams.notices.acts.identity import one_person
from streams.notices.casebook import accounts, caps, holds, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import Role
from tests.support.fresh import fresh_url
from tests.support.notices import T0, at, make_desk, make_detection


class Wanted(TypedDict):
    """An account that there is to be."""

    login: str
    name: str
    role: Role
    platform: str | None


ADA: Wanted = {"login": "ada", "name": "Ada Example", "role": "analyst", "platform": None}
BEN: Wanted = {"login": "ben@example.org", "name": "Ben Example", "role": "lead", "platform": None}
KIM: Wanted = {"login": "kim", "name": "Kim Market", "role": "platform", "platform": "market"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Casebook]:
    url = fresh_url(request, tmp_path)
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", url)
    book = Casebook.open(url, migrate=False)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == ()


def with_accounts(casebook: Casebook, *wanted: Wanted) -> None:
    for one in wanted:
        assert casebook.decide(accounts.add, **one, password_hash="x", now=T0)


def approve(casebook: Casebook, by: str, more: int = 3) -> int:
    done = casebook.decide(acts.approve_excess, "market", more, by=by, reason="seizure", now=at(9))
    return int(done.approved)


@pytest.mark.parametrize("by", ["Ada Example", "ADA  example", "\uff21da", " ada "])
def test_login_and_name_of_one_account_are_one_person_however_they_are_written(
    casebook: Casebook, by: str
) -> None:
    with_accounts(casebook, ADA, BEN)
    assert approve(casebook, "ada") == 0

    assert approve(casebook, by, 5) == 0, "the same person raises their own number"
    with pytest.raises(ActRefused, match="ada has approved 3 more"):
        approve(casebook, by)
    assert approve(casebook, "ben example") == 3


@pytest.mark.parametrize("by", ["Ada", "Ada E.", "Nobody", "kim", "Kim Market"])
def test_a_name_that_is_no_account_of_ours_is_refused_where_there_are_accounts(
    casebook: Casebook, by: str
) -> None:
    with_accounts(casebook, {**ADA, "login": "a.example"}, BEN, KIM)

    with pytest.raises(ActRefused) as refused:
        approve(casebook, by)

    assert refused.value.reason == "unknown_person"
    assert casebook.answer(caps.approved_as, "market", "2026-03-02", {"ada", "kim"}) is None


def test_a_name_that_two_accounts_bear_is_refused_and_a_login_is_not(casebook: Casebook) -> None:
    with_accounts(casebook, ADA, {**BEN, "name": "ada example"})

    with pytest.raises(ActRefused) as refused:
        approve(casebook, "Ada Example")

    assert refused.value.reason == "two_people"
    assert approve(casebook, "ada") == 0
    assert approve(casebook, "ben@example.org") == 3


def test_an_account_that_is_locked_out_acts_no_more(casebook: Casebook) -> None:
    with_accounts(casebook, ADA, BEN)
    with casebook.read() as tx:
        found = accounts.by_login(tx, "ben@example.org")
    assert found
    casebook.decide(accounts.change, found.account_id, now=at(1), state="disabled")

    with pytest.raises(ActRefused):
        approve(casebook, "ben@example.org")


def test_who_approved_before_there_were_accounts_is_not_a_second_person_after(casebook: Casebook) -> None:
    assert approve(casebook, "Ada Example") == 0
    with_accounts(casebook, ADA, BEN)

    assert approve(casebook, "ada", 5) == 0
    assert approve(casebook, "ben@example.org", 5) == 5


def test_without_accounts_a_name_is_told_from_another_by_its_letters(casebook: Casebook) -> None:
    assert approve(casebook, "Ada") == 0
    with pytest.raises(ActRefused):
        approve(casebook, "A D A")
    assert approve(casebook, "Ada Example") == 3


def test_a_hold_is_confirmed_by_another_account_than_asked_for_it(casebook: Casebook) -> None:
    with_accounts(casebook, ADA, BEN)
    taken = casebook.decide(handlers.take_detection, make_detection("1"), make_desk(), now=T0)
    case_id = taken.case_id
    assert case_id
    ask = partial(acts.ask_hold, case_id=case_id, reason="unit X", expires_at=at(9_000), now=at(1))
    with pytest.raises(ActRefused):
        casebook.decide(ask, by="Somebody")
    hold = casebook.decide(ask, by="Ada Example")
    assert hold.asked_by == "ada"

    with pytest.raises(ActRefused) as refused:
        casebook.decide(acts.confirm_hold, case_id, by="ada", now=at(2))

    assert refused.value.reason == "same_person"
    assert casebook.answer(holds.in_force, case_id, now=at(2)) is None
    casebook.decide(acts.confirm_hold, case_id, by="Ben Example", now=at(3))
    assert casebook.answer(holds.in_force, case_id, now=at(3)) is not None


def test_the_name_of_one_is_never_a_key_of_another(casebook: Casebook) -> None:
    """Whoever calls themselves as somebody else signs in does not become them."""
    with_accounts(casebook, ADA, {**BEN, "name": "Ada"})
    with casebook.read() as tx:
        ada, ben = one_person(tx, "ada"), one_person(tx, "ben@example.org")

    assert ada.name == "ada"
    assert not ada.keys & ben.keys


def test_the_command_refuses_in_one_sentence_and_says_where_to_look(
    casebook: Casebook, capsys: pytest.CaptureFixture[str]
) -> None:
    with_accounts(casebook, ADA, BEN)

    assert main(["notices", "approve-excess", "market", "5", "--as", "Eve", "--reason", "seizure"]) == 2

    said = capsys.readouterr().err
    assert "Eve names none of ours" in said
    assert "takin accounts list" in said
