"""Where a platform's own people want its notices, and what signs them; on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from streams.notices import acts
from streams.notices.acts import webhooks as changes
from streams.notices.acts.webhooks import MOST_SECRETS, OVERLAPS, PROOF_LASTS
from streams.notices.casebook import sealing, webhooks
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import ROLES, Viewer
from streams.notices.casebook.webhooks import Secret, Settings, Test, signing
from tests.support.fresh import fresh_url
from tests.support.notices import T0, at

KIM = Viewer("a1", "kim", "Kim", "platform", "market")
ADMIN = Viewer("a2", "root", "Root", "admin")
ONE, OTHER = "https://one.example", "https://other.example"
HOUR = OVERLAPS[0]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    book = Casebook.open(fresh_url(request, tmp_path), migrate=True)
    yield book
    verdict = book.answer(sealing.verify)
    book.close()
    assert verdict.breaks == ()


def settings(casebook: Casebook, viewer: Viewer = KIM) -> Settings:
    found = casebook.answer(webhooks.settings, viewer, "market")
    assert found is not None
    return found


def propose(casebook: Casebook, address: str, seconds: float, by: Viewer = KIM) -> str:
    casebook.decide(changes.propose_address, "market", address, by=by, now=at(seconds))
    found = settings(casebook).next
    assert found is not None
    return found.address_id


def trial_of(casebook: Casebook, address_id: str, seconds: float, result: str = "accepted") -> None:
    test = Test(at(seconds), result, 202)
    casebook.decide(changes.address_tested, address_id, test, by=KIM)


def do(casebook: Casebook, act: Any, seconds: float, by: Viewer = KIM) -> None:
    casebook.decide(act, "market", by=by, now=at(seconds))


def refused(casebook: Casebook, act: Any, seconds: float, *args: Any, by: Viewer = KIM, **more: Any) -> str:
    with pytest.raises(acts.ActRefused) as error:
        casebook.decide(act, "market", *args, by=by, now=at(seconds), **more)
    return error.value.reason


def test_an_address_is_in_force_only_once_it_took_a_test_and_somebody_said_so(casebook: Casebook) -> None:
    first = propose(casebook, ONE, 0)
    assert refused(casebook, changes.use_address, 1) == "not_proven"
    trial_of(casebook, first, 2, "unauthorised")
    assert refused(casebook, changes.use_address, 3) == "not_proven"
    trial_of(casebook, first, 4)
    assert (settings(casebook).in_force, settings(casebook).next.state) == (None, "proven")  # type: ignore[union-attr]

    do(casebook, changes.use_address, 5)

    found = settings(casebook)
    assert found.in_force is not None
    assert (found.in_force.address, found.in_force.used_by, found.in_force.used_at) == (ONE, "kim", at(5))
    assert found.next is None


def test_the_last_test_counts_and_it_counts_for_a_day(casebook: Casebook) -> None:
    first = propose(casebook, ONE, 0)
    trial_of(casebook, first, 1)
    trial_of(casebook, first, 2, "timeout")
    assert refused(casebook, changes.use_address, 3) == "not_proven"
    trial_of(casebook, first, 4)
    a_day = PROOF_LASTS.total_seconds()
    assert refused(casebook, changes.use_address, 4 + a_day + 1) == "not_proven"

    do(casebook, changes.use_address, 4 + a_day)

    assert settings(casebook).in_force is not None


def test_a_new_address_takes_the_place_of_the_old_one_which_stays_on_record(casebook: Casebook) -> None:
    for number, address in enumerate((ONE, OTHER)):
        trial_of(casebook, propose(casebook, address, number * 10), number * 10 + 1)
        do(casebook, changes.use_address, number * 10 + 2)
    found = settings(casebook)
    assert found.in_force is not None
    assert (found.in_force.address, [one.address for one in found.before]) == (OTHER, [ONE])

    do(casebook, changes.return_address, 30, ADMIN)

    found = settings(casebook)
    assert (found.in_force, [(one.address, one.ended_by) for one in found.before]) == (
        None,
        [(OTHER, "root"), (ONE, "kim")],
    )
    assert refused(casebook, changes.return_address, 31) == "unknown"


def test_one_address_at_a_time_is_on_its_way(casebook: Casebook) -> None:
    first = propose(casebook, ONE, 0)
    assert refused(casebook, changes.propose_address, 1, ONE) == "done"
    second = propose(casebook, OTHER, 2)
    assert second != first
    trial_of(casebook, first, 3)  # its test was still under way
    assert settings(casebook).next.state == "proposed"  # type: ignore[union-attr]
    with pytest.raises(IntegrityError):
        casebook.decide(webhooks.propose, "market", ONE, by=KIM, now=at(4))

    do(casebook, changes.give_up_address, 5)

    assert settings(casebook).next is None
    assert refused(casebook, changes.give_up_address, 6) == "unknown"
    assert refused(casebook, changes.use_address, 6) == "unknown"


def test_who_is_neither_of_the_platform_nor_keeps_accounts_sees_and_changes_nothing(
    casebook: Casebook,
) -> None:
    propose(casebook, ONE, 0)
    others = [Viewer("x", role, role, role) for role in ROLES if role not in ("platform", "admin")]
    others += [Viewer("x", "b", "B", "platform", "bazaar"), Viewer("x", "c", "C", "platform", None)]
    for other in others:
        assert casebook.answer(webhooks.settings, other, "market") is None
        assert refused(casebook, changes.give_up_address, 1, by=other) == "unknown"
        assert refused(casebook, changes.propose_address, 1, OTHER, by=other) == "unknown"
    assert settings(casebook, ADMIN).next is not None


def make(casebook: Casebook, seconds: float, sealed: str, overlap: timedelta = HOUR) -> None:
    casebook.decide(
        changes.make_secret,
        "market",
        sealed=sealed,
        mark=f"m-{sealed}",
        overlap=overlap,
        by=KIM,
        now=at(seconds),
    )


def prove(casebook: Casebook, seconds: float, result: str = "accepted") -> None:
    new = settings(casebook).new_secret
    assert new is not None
    casebook.decide(changes.secret_tested, "market", new.secret_id, Test(at(seconds), result, 202), by=KIM)


def signs(casebook: Casebook, seconds: float) -> tuple[list[str], bool]:
    found = signing(settings(casebook).secrets, at(seconds))
    return [one.sealed for one in found.secrets], found.configured


def test_a_new_secret_signs_beside_the_old_one_which_stops_some_time_after_the_proof(
    casebook: Casebook,
) -> None:
    assert signs(casebook, 0) == ([], True)
    make(casebook, 1, "a")
    assert signs(casebook, 10**8) == (["a"], True)
    prove(casebook, 10, "unauthorised")
    assert signs(casebook, 10**8) == (["a"], True)

    prove(casebook, 20)

    assert signs(casebook, 20 + 3_599) == (["a"], True)
    assert signs(casebook, 20 + 3_600) == (["a"], False)
    make(casebook, 10_000, "b")
    assert signs(casebook, 10_001) == (["b", "a"], False)
    prove(casebook, 10_002)
    assert signs(casebook, 10_003) == (["b", "a"], False)
    assert signs(casebook, 10_002 + 3_600) == (["b"], False)


def test_old_secrets_are_stopped_at_once_and_a_new_one_is_given_up(casebook: Casebook) -> None:
    make(casebook, 0, "a")
    assert refused(casebook, changes.end_old_secrets, 1) == "unknown"
    make(casebook, 2, "b")
    assert signs(casebook, 3) == (["b"], True)
    prove(casebook, 4)
    do(casebook, changes.end_old_secrets, 5)
    assert signs(casebook, 5) == (["b"], False)
    assert refused(casebook, changes.end_old_secrets, 6) == "unknown"
    assert refused(casebook, changes.give_up_secret, 6) == "unknown"
    make(casebook, 7, "c")

    do(casebook, changes.give_up_secret, 8)

    assert signs(casebook, 9) == (["b"], False)


def test_so_many_secrets_a_day_and_only_the_overlaps_that_are_offered(casebook: Casebook) -> None:
    for number in range(MOST_SECRETS):
        make(casebook, number, f"s{number}")
    another = partial(changes.make_secret, sealed="x", mark="x")

    assert refused(casebook, another, 100, overlap=HOUR) == "too_much"
    assert refused(casebook, another, 100, overlap=timedelta(seconds=1)) == "unknown"
    make(casebook, 86_400 + 10, "y")


def test_the_chain_says_who_did_what_and_holds_nothing_of_the_secret(casebook: Casebook) -> None:
    trial_of(casebook, propose(casebook, ONE, 0), 1)
    do(casebook, changes.use_address, 2, ADMIN)
    make(casebook, 3, "sealed-text")
    prove(casebook, 4)
    with casebook.read() as tx:
        rows = list(sealing.audit_rows(tx))

    assert [(row.act.actor, row.act.act) for row in rows] == [
        ("platform:market", "webhook_proposed"),
        ("platform:market", "webhook_tested"),
        ("person:root", "webhook_in_force"),
        ("platform:market", "webhook_secret_made"),
        ("platform:market", "webhook_secret_proven"),
    ]
    assert "sealed" not in sealing.WEBHOOK_SECRET.columns
    with casebook.engine.begin() as raw:
        raw.exec_driver_sql("UPDATE webhook_address SET address = 'https://thief.example'")
    verdict = casebook.answer(sealing.verify)
    assert len(verdict.breaks) == 1
    with casebook.engine.begin() as raw:
        raw.exec_driver_sql(f"UPDATE webhook_address SET address = '{ONE}'")


def secret(made: int, old_until: datetime | None, ended: bool) -> Secret:
    sealed = str(made)
    proven = None if old_until is None else T0
    return Secret(
        sealed,
        "market",
        sealed,
        "m",
        "kim",
        at(made),
        3_600,
        None,
        proven,
        old_until,
        None,
        T0 if ended else None,
    )


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(-100, 100)), st.booleans()), max_size=6))
def test_something_always_signs_unless_it_was_given_up_and_what_stopped_never_comes_back(
    drawn: list[tuple[int | None, bool]],
) -> None:
    every = [
        secret(len(drawn) - number, None if until is None else at(until), ended)
        for number, (until, ended) in enumerate(drawn)
    ]
    before = None
    for seconds in range(-101, 102):
        found = signing(every, at(seconds))
        names = {one.sealed for one in found.secrets} | ({"operator"} if found.configured else set())

        assert names
        assert not any(one.ended_at for one in found.secrets)
        assert before is None or names <= before
        before = names
