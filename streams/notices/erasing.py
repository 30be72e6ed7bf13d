"""Messages without what they say of a person: a listing's seller, a reporter, whoever wrote freely. Pure.

What figures and duties rest on stays: times, outcomes, taxa, provisions, our own ids, and the names of our
own people, who answer for what they decided. Free text goes whole, because nobody can tell what stands in it.

Source: Regulation (EU) 2016/679, Articles 5(1)(c) and (e), 11, 17; Directive (EU) 2016/680, Articles 4, 5,
16.
"""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from schemas.case_event import CaseEvent
from schemas.detection import Detection, Match
from schemas.listing import Listing
from schemas.notice import Notice, NoticeItem
from schemas.report import Report, Reporter
from schemas.response import PlatformResponse

GONE: Final = "erased"
"""Stands where a text was."""
NO_HASH: Final = "0" * 64
"""Stands where the hash of a text was: who guesses the text could know it again."""

_PLAIN_KINDS = frozenset({"taxon", "common_name", "product", "exclusion", "permit"})
"""Matches whose term is a word of the reference data; the others may name a person."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+Z-]{5,30}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}")
_KEPT_FACTS = frozenset(
    {
        *("asked_by", "automatic", "by", "cases", "cause", "basis", "body_sha256"),
        *("channel", "claim", "detection_id"),
        *("duty", "from", "ground", "how", "idempotency_key", "into", "joins", "key", "kind", "need_info"),
        *("outcome", "policy", "purpose", "reference", "response_id", "result", "rules", "ruleset_version"),
        *("step", "unit", "week"),
    }
)
"""Facts of events that are words of ours. ``by`` is one of our people."""
_WORDS_OF_OURS = {
    "case_closed": ("reason",),
    "seen_online": ("reason",),
    "seen_gone": ("reason",),
    "attempt_failed": ("reason",),
    "delivery_failed": ("reason",),
    "follow_up_failed": ("reason",),
    "deadline_set": ("why",),
    "deadline_cancelled": ("why",),
    "deadline_rescinded": ("why",),
}
"""Further facts that are words of ours in events of one type, and of people in others."""


def listing_id_of(case_id: str) -> str:
    """What stands for the platform's own id of an erased case's listing."""
    return f"{GONE}-{case_id}"


def erased_listing(listing: Listing, listing_id: str) -> Listing:
    """The price, language and times of an offer, and nothing of who offered what in which words."""
    return Listing(
        platform=listing.platform,
        listing_id=listing_id,
        url=f"{GONE}:",
        price=listing.price,
        language=listing.language,
        posted_at=listing.posted_at,
        first_seen_at=listing.first_seen_at,
        observed_at=listing.observed_at,
        connector=listing.connector,
        run_id=listing.run_id,
        content_hash=NO_HASH,
        gone=listing.gone,
    )


def _erased_match(match: Match) -> Match:
    update: dict[str, Any] = {"quote": "", "start": 0, "end": 0}
    if match.kind not in _PLAIN_KINDS:
        update |= {"term": GONE, "ref": GONE}
    return match.model_copy(update=update)


def erased_detection(detection: Detection, listing_id: str) -> Detection:
    """The verdict without the offer."""
    return detection.model_copy(
        update={
            "listing_id": listing_id,
            "content_hash": NO_HASH,
            "matches": tuple(map(_erased_match, detection.matches)),
            "explanation": GONE,
            "listing": erased_listing(detection.listing, listing_id),
        }
    )


def _erased_item(item: NoticeItem, listing_id: str) -> NoticeItem:
    return item.model_copy(
        update={
            "listing_id": listing_id,
            "url": f"{GONE}:",
            "title": "",
            "seller_handle": None,
            "seller_account_id": None,
            "content_hash": NO_HASH,
            "revision": None,
            "quotes": (),
        }
    )


def erased_notice(notice: Notice, listing_ids: Mapping[str, str]) -> Notice:
    """The notice without the reasons, and without what it says of these listings (old id: new id)."""
    return notice.model_copy(
        update={
            "items": tuple(
                _erased_item(item, listing_ids[item.listing_id]) if item.listing_id in listing_ids else item
                for item in notice.items
            ),
            "reasons": GONE,
            "reasons_in": (),
            "evidence": (),
            "reply_page": None,
        }
    )


def erased_response(response: PlatformResponse) -> PlatformResponse:
    """The answer without its sentences."""
    return response.model_copy(update={"explanation": None, "redress_info": None})


def erased_event(event: CaseEvent, listing_id: str) -> CaseEvent:
    """The event with those of its facts that are numbers, times or words of ours."""
    if event.type == "erased":
        return event
    kept = {name: value for name, value in event.data.items() if _is_plain(event.type, name, value)}
    if event.type == "quality_checked":
        kept["reason"] = GONE  # readers of verdicts expect one
    return event.model_copy(update={"listing_id": listing_id, "data": kept})


def _is_plain(event_type: str, name: str, value: Any) -> bool:
    match value:
        case None | bool() | int() | float():
            return True
        case str() if _INSTANT.fullmatch(value):
            return True
        case str() if name in {"by", "asked_by"}:
            return True
        case str():
            return name in (*_KEPT_FACTS, *_WORDS_OF_OURS.get(event_type, ())) and bool(
                _CODE.fullmatch(value)
            )
        case list() | tuple():
            return name in _KEPT_FACTS and all(_is_plain(event_type, name, one) for one in value)
    return False


def erased_report(report: Report) -> Report:
    """That somebody reported something, when, and through whom."""
    return Report(
        report_id=report.report_id,
        received_at=report.received_at,
        reporter=Reporter(kind=report.reporter.kind, country=report.reporter.country),
        platform=report.platform,
        url=f"{GONE}:",
        what=GONE,
        language=report.language,
        through=report.through,
    )


def erased_frozen_items(items: bytes, listing_ids: Mapping[tuple[str, str], str]) -> bytes:
    """The facts behind a frozen report under other ids of listings (notice id and old id: new id).

    The figures of the report rest on none of these ids.
    """
    rows = json.loads(items)
    for row in rows:
        new = listing_ids.get((row["notice_id"], row["listing_id"]))
        if new is not None:
            row["listing_id"] = new
    return json.dumps(rows, sort_keys=True).encode()


def names_somebody(text: str, names: Collection[str]) -> bool:
    """Whether a text holds one of these names: a reason for an erasure must not keep what it erases."""
    lower = text.casefold()
    return any(name and name.casefold() in lower for name in names)
