"""``takin keys reseal``: every contact under the newest key, also those of before there was any."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.contacts.keys import ContactKeys, ContactUnreadable
from streams.notices.casebook import contacts, erasure
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.casebook.erasure import Decision, NotErasable
from streams.privacy.erase import decision_on

AT_ONCE = 100
WHY = "reporters' contacts are kept encrypted, outside the record"
BASIS = "Regulation (EU) 2016/679, Article 32(1)(a)"


@dataclass(frozen=True, slots=True)
class Piece:
    """One transaction of the job."""

    sealed: int
    """Contacts that it put under the newest key."""
    looked: int
    """Reports that it looked at."""
    stays: tuple[tuple[str, str], ...] = ()
    """Report, and why its contact stays as it is."""


def run(casebook: Casebook, keys: ContactKeys, *, by: str, clock: Callable[[], datetime]) -> Iterator[Piece]:
    """Encrypt what is in clear, then put what is under other keys under the first.

    Each piece is committed when it is told of; a run that was interrupted is simply begun again.
    """
    decision = decision_on("encryption", by=by, why=WHY, basis=BASIS)
    after = ""
    while some := casebook.answer(contacts.unlooked, after=after, limit=AT_ONCE):
        after = some[-1]
        yield _hide(casebook, keys, decision, some, clock)
    after = ""
    newest = keys.ids[0]
    while others := casebook.answer(contacts.under_other_keys, newest, after=after, limit=AT_ONCE):
        after = others[-1][0]
        yield casebook.decide(_renew, keys, others)


def _hide(
    casebook: Casebook,
    keys: ContactKeys,
    decision: Decision,
    some: Sequence[str],
    clock: Callable[[], datetime],
) -> Piece:
    def act(tx: Transaction) -> int:
        clear = [keys.seal(report) for report in contacts.to_hide(tx, some)]
        if clear:
            erasure.hide_contacts(tx, decision, clear, now=clock())
        return len(clear)

    try:
        return Piece(casebook.decide(act), len(some))
    except NotErasable as error:
        if len(some) == 1:
            return Piece(0, 1, ((some[0], str(error)),))
        pieces = [_hide(casebook, keys, decision, [one], clock) for one in some]
        stays = tuple(stay for piece in pieces for stay in piece.stays)
        return Piece(sum(piece.sealed for piece in pieces), len(some), stays)


def _renew(tx: Transaction, keys: ContactKeys, some: Sequence[tuple[str, str]]) -> Piece:
    sealed, stays = 0, []
    for report_id, contact in some:
        try:
            renewed = keys.again(report_id, contact)
        except ContactUnreadable as error:
            stays.append((report_id, str(error)))
            continue
        sealed += contacts.replace(tx, report_id, contact, renewed)
    return Piece(sealed, len(some), tuple(stays))
