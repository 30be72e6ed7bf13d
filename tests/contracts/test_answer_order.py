"""Answers that repeat, overtake each other and come late leave the casebook as they would in order.

Each generated sequence is told to two casebooks: to one in order, each answer as it comes and alone; to
the other with repeats, shuffled and late, together with answers to other notices in one transaction.
Deadlines fire in between as they do in the service: never before what was received in time is applied.
"""

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest
import sqlalchemy as sa

from schemas.response import PlatformResponse, ResponseKind, ResponseOutcome
from streams.notices import handlers
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult, Leased
from streams.notices.policy import SlaTerms
from tests.support.notices import T0, at, make_desk, make_detection, make_response

TOGETHER = 40
"""Sequences that are told in the same transactions."""
END = at(40_000)
"""After the last deadline."""

SETTLED = {
    "item": "SELECT claim, claim_rank, outcome, acknowledged_at, decided_at, removal_claimed_at,"
    " claimed_effective_at, content, mismatch_at, closed_at FROM notice_item WHERE notice_id = :notice",
    "notice": "SELECT delivery, next_poll_at IS NULL FROM notice WHERE notice_id = :notice",
    "deadlines": "SELECT kind, state, met_at, CASE WHEN state IN ('pending', 'missed')"
    " THEN due_at END FROM deadline WHERE notice_id = :notice"
    " AND kind IN ('acknowledge', 'decide', 'remove') ORDER BY kind",
    "answers": "SELECT response_id, kind, outcome, received_at FROM response WHERE notice_id = :notice"
    " ORDER BY response_id",
}
"""What must be the same. How it came about (a deadline that fired and was rescinded) may differ."""


def sequence(chance: Random) -> list[PlatformResponse]:
    """Answers as a desk could give them, wise or not, by the time of their receipt."""
    found = []
    for number in range(chance.randint(1, 7)):
        kind = chance.choice([one for one in get_args(ResponseKind) if one != "error"])
        # Half of all decisions and states are of every other kind; the rest are the ones that matter most.
        often = ["actioned_removed", "refused_lawful", "need_info"]
        outcome = chance.choice([*often, *get_args(ResponseOutcome)])
        received = chance.choice([chance.uniform(1, 70), chance.uniform(1, 700), chance.uniform(1, 5_000)])
        found.append(
            make_response(
                kind=kind,
                outcome=outcome if kind in ("decision", "status") else None,
                received=received,
                said=max(0.0, received - chance.choice([0, 0, 1, 30, 600])),
                response_id=f"a-{number}",
                effective_at=at(received - 1) if chance.random() < 0.2 else None,
            )
        )
    return sorted(found, key=lambda one: one.received_at)


def notices(casebook: Casebook, desk: handlers.Desk, names: list[str]) -> dict[str, Leased]:
    """One sent notice for each listing of that name."""
    for name in names:
        taken = casebook.decide(handlers.take_detection, make_detection(name), desk, now=T0)
        assert taken.result == "noticed"
    leased = casebook.decide(
        handlers.start_attempts,
        slots={"market": len(names)},
        now=T0,
        hold_for=timedelta(minutes=1),
        worker="w",
        desk=desk,
    )
    ended = [
        handlers.Ended(one, AttemptResult("accepted", None, 202), handlers.Accepted(None)) for one in leased
    ]
    became = casebook.decide(handlers.settle, ended, desk, now=at(1), chance=Random(1))
    assert became == ("delivered",) * len(names)
    with casebook.read() as tx:
        rows = tx.execute(sa.text("SELECT notice_id, listing_id FROM notice_item")).all()
    listing = {row.notice_id: row.listing_id for row in rows}
    return {listing[one.notice_id]: one for one in leased}


def told_in_order(casebook: Casebook, desk: handlers.Desk, told: dict[str, list[PlatformResponse]]) -> None:
    """By key: each answer as it comes, after what was due before it has fired."""
    every = [one.model_copy(update={"idempotency_key": key}) for key, line in told.items() for one in line]
    for one in sorted(every, key=lambda one: one.received_at):
        fire(casebook, desk, one.received_at - timedelta(microseconds=1))
        casebook.decide(handlers.apply_response, one, now=one.received_at)


def told_anyhow(
    casebook: Casebook, desk: handlers.Desk, told: dict[str, list[PlatformResponse]], chance: Random
) -> None:
    """By key: each answer up to three times, shuffled, all late."""
    lines = {}
    for key, answers in told.items():
        line = [one.model_copy(update={"idempotency_key": key}) for one in answers]
        line += [again for one in line for again in [one] * chance.choice([0, 0, 1, 2])]
        chance.shuffle(line)
        lines[key] = line
    now = at(chance.uniform(10, 900))
    while any(lines.values()):
        step = [line.pop() for line in lines.values() if line]
        # Nothing is applied before it was received, and nothing fires before what came in time is applied.
        now = max(now, *(one.received_at for one in step)) + timedelta(seconds=chance.uniform(0, 60))
        casebook.decide(handlers.apply_responses, step, now=now)
        left = [one.received_at for line in lines.values() for one in line]
        fire(casebook, desk, min([now, *left]) - timedelta(microseconds=1))


def fire(casebook: Casebook, desk: handlers.Desk, now: datetime) -> None:
    while casebook.decide(handlers.fire_deadlines, desk, now=now):
        pass


def settled(casebook: Casebook, notice_id: str) -> dict[str, list[Any]]:
    with casebook.read() as tx:
        return {
            name: [tuple(row) for row in tx.execute(sa.text(query), {"notice": notice_id})]
            for name, query in SETTLED.items()
        }


def tell(folder: Path, sequences: int, seed: int) -> int:
    """Returns how many answers were given; fails at the first sequence that ends differently."""
    chance = Random(seed)
    books = [Casebook.open(f"sqlite:///{folder / way}.db") for way in ("order", "anyhow")]
    given = 0
    try:
        for start in range(0, sequences, TOGETHER):
            desk = make_desk(terms=SlaTerms(need_info=chance.choice(["run", "pause", "restart"])))
            drawn = [sequence(chance) for _ in range(min(TOGETHER, sequences - start))]
            names = [str(start + place) for place in range(len(drawn))]
            sent = [notices(book, desk, names) for book in books]
            given += sum(map(len, drawn))
            keys = [sent[0][name].idempotency_key for name in names]
            told_in_order(books[0], desk, dict(zip(keys, drawn, strict=True)))
            keys = [sent[1][name].idempotency_key for name in names]
            told_anyhow(books[1], desk, dict(zip(keys, drawn, strict=True)), chance)
            for book in books:
                fire(book, desk, END)
            for name, answers in zip(names, drawn, strict=True):
                expected = settled(books[0], sent[0][name].notice_id)
                found = settled(books[1], sent[1][name].notice_id)
                assert found == expected, (seed, name, answers)
    finally:
        for book in books:
            book.close()
    return given


def test_answers_in_any_order_end_alike(tmp_path: Path) -> None:
    assert tell(tmp_path, 80, seed=Random().randrange(2**32)) >= 80


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_ten_thousand_sequences_end_as_in_order(tmp_path: Path) -> None:
    given = tell(tmp_path, 10_000, seed=20_261_126)

    print(f"10,000 sequences of {given:,} answers end alike")
    assert given > 30_000
