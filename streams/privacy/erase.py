"""``takin privacy erase``: what is asked for, what goes, and what cannot."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.errors import OperatorError
from streams.notices.casebook import erasure, erasure_search, privacy_keys
from streams.notices.casebook.database import Casebook, Transaction
from streams.notices.casebook.erasure import Cause, Decision, Erased
from streams.notices.erasing import names_somebody
from streams.notices.evidence import EvidenceStore
from streams.privacy.keys import PrivacyKeys
from streams.privacy.marks import marks_of_offer, marks_of_seller


@dataclass(frozen=True, slots=True)
class Asked:
    """What shall be erased: one of these."""

    case_id: str | None = None
    report_id: str | None = None
    seller: tuple[str, str] | None = None
    """Platform, and the account's id, handle or profile address."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What went, or would go."""

    case_ids: tuple[str, ...]
    report_ids: tuple[str, ...]
    erased: Erased
    refused: tuple[tuple[str, str], ...]
    """Case or report, and why it stays."""


def decision_on(cause: Cause, *, by: str, why: str, basis: str) -> Decision:
    """A decision under a name of its own."""
    return Decision(f"de_{secrets.token_hex(8)}", cause, by, why, basis)


class _Undone(Exception):
    """Ends a transaction that was only to show what it would do."""


def run(
    casebook: Casebook,
    asked: Asked,
    decision: Decision,
    keys: PrivacyKeys,
    *,
    now: datetime,
    apply: bool,
) -> Outcome:
    """Erase, in one transaction; without ``apply`` everything is done and taken back.

    Raises:
        OperatorError: nothing is there, or the reason names whom it is about.
    """
    outcome: list[Outcome] = []

    def act(tx: Transaction) -> Outcome:
        outcome[:] = [_erase(tx, asked, decision, keys, now=now)]
        if not apply:
            raise _Undone
        return outcome[0]

    try:
        return casebook.decide(act)
    except _Undone:
        return outcome[0]


def _erase(tx: Transaction, asked: Asked, decision: Decision, keys: PrivacyKeys, *, now: datetime) -> Outcome:
    case_ids, report_ids, marks, names = _found(tx, asked, keys)
    if names_somebody(decision.why, names):
        raise OperatorError(
            "The reason names whom it is about, and would stay on record: say it without the name."
        )
    refused = list(erasure.why_not(tx, case_ids).items())
    case_ids = tuple(one for one in case_ids if one not in dict(refused))
    waiting = erasure.waiting_reports(tx, case_ids, report_ids)
    refused += [(one, "is open: it waits for a person") for one in waiting]
    report_ids = tuple(one for one in report_ids if one not in waiting)
    marks = (*marks, *_marks_of_cases(tx, case_ids, keys))
    privacy_keys.use(tx, keys.ids[0], now=now)
    try:
        erased = erasure.erase(tx, decision, case_ids=case_ids, report_ids=report_ids, marks=marks, now=now)
    except erasure.NotErasable as error:
        raise OperatorError(f"Nothing was erased: {error}.") from error
    return Outcome(case_ids, report_ids, erased, tuple(refused))


def _found(
    tx: Transaction, asked: Asked, keys: PrivacyKeys
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], Sequence[str]]:
    """Cases, reports, marks of the seller, and names that no reason may hold."""
    if asked.seller is None:
        cases = (asked.case_id,) if asked.case_id else ()
        reports = (asked.report_id,) if asked.report_id else ()
        return cases, reports, (), ()
    platform, name = asked.seller
    found = erasure_search.of_seller(tx, platform, name)
    if not found.case_ids and not found.report_ids:
        raise OperatorError(
            f"The casebook holds nothing about that account on {platform}: give its id, handle or profile "
            "address as a listing shows it."
        )
    marks = tuple(mark for seller in found.sellers for mark in marks_of_seller(keys, platform, seller))
    names = [name, *(one.handle or "" for one in found.sellers)]
    return found.case_ids, found.report_ids, marks, names


def _marks_of_cases(tx: Transaction, case_ids: tuple[str, ...], keys: PrivacyKeys) -> Iterable[str]:
    for platform, listing_id, url in erasure_search.offers_of(tx, case_ids):
        yield from marks_of_offer(keys, platform, listing_id, url)


def remove_files(casebook: Casebook, store: EvidenceStore) -> int:
    """Remove the files of everything that was erased, also of what was interrupted before; how many.

    Raises:
        OSError: one could not be removed; it is tried again the next time.
    """
    removed = 0
    for erasure_id, files in casebook.answer(erasure.files_to_remove):
        for sha256 in files:
            removed += store.remove(sha256)
        casebook.decide(erasure.files_removed, erasure_id)
    return removed
