"""What the dead letters' topic says, whatever the order and number of its records."""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from schemas.dead_letter import DeadLetter, dead_letter
from schemas.errors import OperatorError
from streams.dead_letters.ledger import REPLAYED, STATE_HEADER, Ledger, select

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def _letter(offset: int | None = 7, **changes: object) -> DeadLetter:
    given: dict[str, object] = {
        "stage": "screening",
        "reason": "not_json",
        "detail": "The record is not JSON.",
        "value": b"{broken",
        "now": NOON,
        "topic": "listings",
        "partition": 1,
        "offset": offset,
        "key": b"sandbox:1",
    }
    return dead_letter(**{**given, **changes})  # type: ignore[arg-type]


Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


def _record(letter: DeadLetter) -> Record:
    return letter.dead_letter_id.encode(), letter.to_bytes(), []


def _mark(letter: DeadLetter) -> Record:
    return letter.dead_letter_id.encode(), None, [(STATE_HEADER, REPLAYED)]


def _ledger(*records: Record) -> Ledger:
    ledger = Ledger()
    for number, (key, value, headers) in enumerate(records):
        at = NOON + timedelta(seconds=60)
        ledger.add(key=key, value=value, headers=headers, partition=0, offset=number, at=at)
    return ledger


def test_a_letter_that_was_set_aside_twice_is_one_entry() -> None:
    ledger = _ledger(_record(_letter()), _record(_letter(now=NOON + timedelta(minutes=1))))

    (entry,) = ledger.newest_first()
    assert (entry.times, entry.offset, entry.source) == (2, 1, "listings:1:7")
    assert entry.letter.record_value == ""


def test_a_replay_holds_in_whatever_order_the_records_are_read() -> None:
    letter, other = _letter(1), _letter(2)
    records = [_record(letter), _record(letter), _mark(letter), _record(other)]
    for order in itertools.permutations(records):
        states = {e.letter.offset: (e.is_replayed, e.times) for e in _ledger(*order).newest_first()}
        assert states == {1: (True, 2), 2: (False, 1)}


def test_a_mark_for_a_letter_that_is_no_longer_kept_does_no_harm() -> None:
    assert _ledger(_mark(_letter())).newest_first() == ()


@pytest.mark.parametrize(
    "value", [None, b"", b"null", b"\xff", b'{"dead_letter_id": "x"}', b"[" * 10_000], ids=repr
)
def test_what_is_no_dead_letter_is_counted_and_harms_nobody(value: bytes | None) -> None:
    ledger = _ledger((b"k", value, []), _record(_letter()), (None, value, [(STATE_HEADER, b"odd")]))
    assert (ledger.unreadable, len(ledger.entries)) == (2, 1)


def test_the_newest_comes_first() -> None:
    letters = [_letter(number, now=NOON + timedelta(seconds=number)) for number in range(20)]
    random.Random(1).shuffle(letters)
    offsets = [entry.letter.offset for entry in _ledger(*map(_record, letters)).newest_first()]
    assert offsets == list(range(19, -1, -1))


@pytest.mark.parametrize(
    ("letter", "because"),
    [
        pytest.param(_letter(), None, id="whole"),
        pytest.param(_letter(key=None), None, id="without a key"),
        pytest.param(_letter(value=b""), None, id="empty"),
        pytest.param(
            _letter(value=bytes(600_001)), "had 600001 bytes and only the first part was kept", id="cut"
        ),
        pytest.param(_letter(key=bytes(1_600)), "its key was too long", id="key cut"),
        pytest.param(
            _letter(topic=None, partition=None, offset=None, origin="ads.jsonl:12"),
            r"never reached Kafka.*ads\.jsonl:12",
            id="never in Kafka",
        ),
    ],
)
def test_only_what_was_kept_whole_can_go_back(letter: DeadLetter, because: str | None) -> None:
    (entry,) = _ledger(_record(letter)).newest_first()
    refusal = entry.refusal()
    if because is None:
        assert refusal is None
    else:
        assert refusal is not None
        with pytest.raises(OperatorError, match=because):
            raise OperatorError(refusal)


def test_what_went_back_does_not_go_back_again() -> None:
    (entry,) = _ledger(_record(_letter()), _mark(_letter())).newest_first()
    assert entry.refusal() == "it was put back already, at 2026-01-02 12:01:00 UTC"


def test_letters_are_chosen_by_reason_and_stage() -> None:
    letters = [_letter(1), _letter(2, reason="too_large"), _letter(3, stage="notices"), _letter(4)]
    ledger = _ledger(*map(_record, letters), _mark(letters[3]))
    entries = ledger.newest_first()

    def chosen(**how: object) -> set[int | None]:
        return {entry.letter.offset for entry in select(entries, **how)}  # type: ignore[arg-type]

    assert chosen() == {1, 2, 3, 4}
    assert chosen(reason="not_json") == {1, 3, 4}
    assert chosen(reason="not_json", stage="screening", replayed_too=False) == {1}


def test_a_letter_is_found_by_the_beginning_of_its_id() -> None:
    one, two = _letter(1), _letter(2)
    ledger = _ledger(_record(one), _record(two))
    assert ledger.find(one.dead_letter_id).letter.offset == 1
    assert ledger.find(two.dead_letter_id[:12]).letter.offset == 2
    with pytest.raises(OperatorError, match="2 dead letters have an id that begins with 'x_'"):
        ledger.find("x_")
    for unknown in ("", "x_zzz", one.dead_letter_id + "0"):
        with pytest.raises(OperatorError, match="There is no dead letter"):
            ledger.find(unknown)
