"""What a person changes in a notice before it goes. Pure.

The explanation, the choice of provisions and what is asked are theirs to write. Quoted words are
evidence: they may be left out, and are never changed.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, get_args

from schemas.notice import AllegationKind, LegalBasis, Notice, NoticeItem, Quote, RequestedAction
from streams.notices.policy import PlatformPolicy
from streams.notices.requirements_asked import asked_requirements
from streams.notices.wording import CannotWrite, human_reference, notice_key, provisions

ACTIONS: tuple[RequestedAction, ...] = get_args(RequestedAction)


@dataclass(frozen=True, slots=True)
class QuotePlace:
    """Where quoted words stand: which listing, which of its fields, and the code points."""

    listing_id: str
    field: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Edits:
    """What is to be other than the verdict and the agreement make it; ``None``: left as it is."""

    explanation: str | None = None
    """The reasons without the provisions, which always follow as they are in the law table."""
    legal_basis: tuple[str, ...] | None = None
    """Ids of provisions of the law table and of the platform's own clauses."""
    action: RequestedAction | None = None
    left_out: frozenset[QuotePlace] = frozenset()


AS_WRITTEN = Edits()


def explanation(notice: Notice) -> str:
    """The reasons without the provisions at their end."""
    return notice.reasons.removesuffix(provisions(notice.legal_basis)).rstrip()


def plain(text: str) -> str:
    """A text as a person typed it, without what only controls or is no character."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (one for one in lines if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cs"))
    return "".join(kept).strip()


def offered(law: Mapping[str, LegalBasis], platform: PlatformPolicy) -> Mapping[str, LegalBasis]:
    """The provisions that a notice to a platform can name, by id, in the order in which it names them."""
    known = {name: law[name] for name in sorted(law)}
    return MappingProxyType({**known, **{one.id: one for one in platform.policy_clauses}})


def actions_for(notice: Notice, now: datetime) -> tuple[RequestedAction, ...]:
    """What can be asked of this notice's platform with what the notice holds."""

    def lacking(action: RequestedAction) -> int:
        return len(tuple(asked_requirements(notice.model_copy(update={"requested_action": action}), now)))

    least = min(lacking(action) for action in ACTIONS)
    return tuple(one for one in ACTIONS if lacking(one) == least or one == notice.requested_action)


def place_of(item: NoticeItem, quote: Quote) -> QuotePlace:
    """Where a notice's quote stands."""
    return QuotePlace(item.listing_id, quote.field, quote.start, quote.end)


def edit(notice: Notice, edits: Edits, choice: Mapping[str, LegalBasis]) -> Notice:
    """The notice with these changes, under the key that belongs to what it now is.

    What is emptied (the reasons, the provisions) stays empty: that the notice then lacks it is for
    :func:`streams.notices.requirements.unmet_requirements` to say.

    Raises:
        CannotWrite: a provision that is not in ``choice``, or words to leave out that are not quoted.
    """
    if edits == AS_WRITTEN:
        return notice
    unknown = sorted(set(edits.legal_basis or ()) - set(choice))
    if unknown:
        raise CannotWrite(f"there is no provision {', '.join(unknown)} to name")
    quoted = {place_of(item, quote) for item in notice.items for quote in item.quotes}
    if not edits.left_out <= quoted:
        raise CannotWrite("words are to be left out that the notice does not quote")
    basis = notice.legal_basis
    if edits.legal_basis is not None:
        basis = tuple(one for name, one in choice.items() if name in edits.legal_basis)
    action = edits.action or notice.requested_action
    words = explanation(notice) if edits.explanation is None else plain(edits.explanation)
    key = notice_key(
        platform=notice.addressee.platform,
        listing_ids=tuple(item.listing_id for item in notice.items),
        round=notice.round,
        legal_basis=tuple(one.id for one in basis),
        action=action,
        revision=notice.revision,
    )
    return notice.model_copy(
        update={
            "idempotency_key": key,
            "human_reference": human_reference(key),
            "legal_basis": basis,
            "allegation": _allegation(basis),
            "requested_action": action,
            "reasons": f"{words}\n\n{provisions(basis)}".strip() if words else "",
            "items": tuple(_without(item, edits.left_out) for item in notice.items),
        }
    )


def _allegation(basis: tuple[LegalBasis, ...]) -> AllegationKind:
    own = [one.policy_clause is not None for one in basis]
    if not any(own):
        return "illegal"
    return "tos_incompatible" if all(own) else "both"


def _without(item: NoticeItem, left_out: frozenset[QuotePlace]) -> NoticeItem:
    kept = tuple(quote for quote in item.quotes if place_of(item, quote) not in left_out)
    return item.model_copy(update={"quotes": kept})


def changes(before: Notice, after: Notice) -> dict[str, Any]:
    """What was changed, as facts of an event: each with what stood there before."""
    found: dict[str, Any] = {}
    if explanation(before) != explanation(after):
        found["explanation_before"] = explanation(before)
    was, is_now = (tuple(one.id for one in notice.legal_basis) for notice in (before, after))
    if was != is_now:
        found["legal_basis_added"] = [one for one in is_now if one not in was]
        found["legal_basis_left_out"] = [one for one in was if one not in is_now]
    if before.requested_action != after.requested_action:
        found["action_before"] = before.requested_action
        found["action"] = after.requested_action
    gone = list(_quotes_gone(before, after))
    if gone:
        found["quotes_left_out"] = gone
    return found


def _quotes_gone(before: Notice, after: Notice) -> Iterable[dict[str, Any]]:
    for old, new in zip(before.items, after.items, strict=True):
        for quote in old.quotes:
            if quote not in new.quotes:
                where = {"field": quote.field, "start": quote.start, "end": quote.end}
                yield {"listing_id": old.listing_id, **where, "text": quote.text}
