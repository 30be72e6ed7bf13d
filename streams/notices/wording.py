"""Writing the notice: from a verdict and what was agreed to the words that are sent. Pure."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from schemas.detection import Detection, Match, RuleFinding
from schemas.message import digest
from schemas.notice import (
    Addressee,
    DetectionBasis,
    Evidence,
    GoodFaith,
    LegalBasis,
    Notice,
    NoticeItem,
    NoticeKind,
    Quote,
    RequestedAction,
)
from streams.notices.disguises import disguises_of
from streams.notices.marks import Joins
from streams.notices.policy import PlatformPolicy, SenderPolicy
from streams.notices.withholding import withheld

MAX_QUOTES = 20
MOST_RELATED = 5
_SHARED: Mapping[Joins, str] = MappingProxyType(
    {"seller": "the seller", "contact": "a contact", "picture": "a picture"}
)


class CannotWrite(ValueError):
    """The verdict lacks what a lawful notice needs; a person must look."""


def notice_key(
    *,
    platform: str,
    listing_ids: tuple[str, ...],
    round: int,  # noqa: A002 - the glossary's word
    legal_basis: tuple[str, ...],
    action: str,
    revision: int,
) -> str:
    """Idempotency key of a notice: no clock and no chance in it, 55 characters.

    ``round`` counts appearances of the listing, ``revision`` changes of the notice's content
    inside a round. Sent on every attempt as ``Idempotency-Key`` and ``webhook-id``; the body's
    bytes never change under one key.
    """
    parts = [
        platform,
        digest(sorted(listing_ids)),
        str(round),
        digest(sorted(legal_basis)),
        action,
        str(revision),
    ]
    raw = hashlib.sha256(digest(parts).encode()).digest()
    return "n1_" + base64.b32encode(raw).decode().rstrip("=").lower()


def item_id(platform: str, listing_id: str, round: int) -> str:  # noqa: A002 - the glossary's word
    """Id of one listing's place in the notices of one round."""
    return "i_" + digest([platform, listing_id, str(round)])[:32]


def human_reference(key: str) -> str:
    """What a person says on the telephone, taken from the notice's key."""
    letters = key.removeprefix("n1_").upper()
    return f"TKN-{letters[:5]}-{letters[5:10]}-{letters[10:12]}"


@dataclass(frozen=True, slots=True)
class Related:
    """An earlier notice to the same platform about a listing that shares something with this one."""

    reference: str
    joins: tuple[Joins, ...]
    removal_verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Matter:
    """One listing that a notice is about."""

    detection: Detection
    case_id: str
    round: int
    related: tuple[Related, ...] = ()


def write_notice(
    detection: Detection,
    *,
    notice_id: str,
    case_id: str,
    round: int,  # noqa: A002 - the glossary's word
    revision: int,
    law: Mapping[str, LegalBasis],
    platform: PlatformPolicy,
    sender: SenderPolicy,
    now: datetime,
    relisting_of: str | None = None,
    reviewer: str | None = None,
    action: RequestedAction = "remove",
    related: tuple[Related, ...] = (),
) -> Notice:
    """The notice for one listing.

    Raises:
        CannotWrite: no rule names a legal basis that the law table knows.
    """
    return write_notice_about(
        (Matter(detection, case_id, round, related),),
        notice_id=notice_id,
        revision=revision,
        law=law,
        platform=platform,
        sender=sender,
        now=now,
        relisting_of=relisting_of,
        reviewer=reviewer,
        action=action,
    )


def write_notice_about(
    matters: Sequence[Matter],
    *,
    notice_id: str,
    revision: int,
    law: Mapping[str, LegalBasis],
    platform: PlatformPolicy,
    sender: SenderPolicy,
    now: datetime,
    relisting_of: str | None = None,
    reviewer: str | None = None,
    action: RequestedAction = "remove",
) -> Notice:
    """One notice for several listings of one platform; its basis is all that any of them breaks.

    Raises:
        CannotWrite: no rule names a legal basis that the law table knows, or the listings are of
            several platforms, too many, or not each another.
    """
    _check_together(matters, platform)
    detections = [matter.detection for matter in matters]
    rules = [rule for one in detections for rule in _rules_of(one)]
    wanted = sorted({basis for rule in rules for basis in rule.legal_basis})
    unknown = [basis for basis in wanted if basis not in law]
    if unknown:
        raise CannotWrite(f"the law table has no entry {', '.join(unknown)}")
    if not all(any(rule.legal_basis for rule in _rules_of(one)) for one in detections):
        raise CannotWrite("no rule that was true names a legal basis")
    legal_basis = tuple(law[basis] for basis in wanted) + platform.policy_clauses
    number = max(matter.round for matter in matters)
    key = notice_key(
        platform=platform.name,
        listing_ids=tuple(one.listing_id for one in detections),
        round=number,
        legal_basis=tuple(basis.id for basis in legal_basis),
        action=action,
        revision=revision,
    )
    if platform.keyed is not None and action == "suspend_seller":
        raise CannotWrite("sellers have keyed names there, by which nobody can be suspended")
    order = sender.order
    kind: NoticeKind = order.kind if order else "trusted_flagger" if sender.trusted_flagger else "art16"
    territory = order.order.territory if order else ()
    notice = Notice(
        notice_id=notice_id,
        human_reference=human_reference(key),
        idempotency_key=key,
        case_ids=tuple(matter.case_id for matter in matters),
        kind=kind,
        issued_at=now,
        reporter=sender.reporter,
        sender=sender.sender,
        trusted_flagger=sender.trusted_flagger,
        addressee=Addressee(
            platform=platform.name,
            legal_entity=platform.legal_entity,
            contact_point=platform.contact_point,
            country=platform.country,
        ),
        language="en",
        items=tuple(_item(matter, territory) for matter in matters),
        legal_basis=legal_basis,
        allegation="both" if platform.policy_clauses else "illegal",
        reasons=reasons_about(matters, legal_basis),
        requested_action=action,
        evidence=tuple(_snapshot(f"e{place}", one) for place, one in enumerate(detections, start=1)),
        detection=DetectionBasis(
            method="automated_and_reviewed" if reviewer else "automated",
            rule_ids=tuple(dict.fromkeys(rule.rule_id for rule in rules)),
            ruleset_version=detections[0].ruleset_version,
            detection_ids=tuple(one.detection_id for one in detections),
            confidence=min(one.score for one in detections),
            reviewer=reviewer,
        ),
        good_faith=GoodFaith(text=sender.good_faith_text, signed_by=sender.signed_by, at=now),
        redress=order.redress if order else None,
        order=order.order if order else None,
        secrecy=order.secrecy if order else None,
        preservation=order.preservation if order else None,
        severity=min((one.severity for one in detections), key=_SEVERITIES.index),
        sla=platform.sla,
        round=number,
        revision=revision,
        relisting_of=relisting_of,
        reply_page=sender.reply_links.link(notice_id=notice_id, platform=platform.name, issued_at=now)
        if sender.reply_links
        else None,
        reply_to=f"{sender.reply_base}/answers/{platform.name}" if sender.reply_base else None,
        tags=tuple(dict.fromkeys(tag for one in detections for tag in tags(one, test_mode=sender.test_mode))),
    )
    if platform.keyed is None:
        return notice
    return withheld(notice, [one.listing.seller for one in detections], platform.keyed)


_SEVERITIES = ("critical", "high", "normal")
MOST_ITEMS = 300


def _check_together(matters: Sequence[Matter], platform: PlatformPolicy) -> None:
    if not 1 <= len(matters) <= MOST_ITEMS:
        raise CannotWrite(f"a notice is about 1 to {MOST_ITEMS} listings, not {len(matters)}")
    if {matter.detection.platform for matter in matters} != {platform.name}:
        raise CannotWrite(f"all listings of a notice are of one platform, {platform.name}")
    if len({matter.detection.listing_id for matter in matters}) != len(matters):
        raise CannotWrite("a listing stands in a notice once")


def _rules_of(detection: Detection) -> list[RuleFinding]:
    return [rule for rule in detection.rules if not rule.shadow and rule.outcome in ("notify", "review")]


def _item(matter: Matter, territory: tuple[str, ...]) -> NoticeItem:
    detection, listing = matter.detection, matter.detection.listing
    return NoticeItem(
        item_id=item_id(detection.platform, detection.listing_id, matter.round),
        listing_id=detection.listing_id,
        url=listing.url,
        title=listing.title,
        seller_handle=listing.seller.handle if listing.seller else None,
        seller_account_id=listing.seller.account_id if listing.seller else None,
        posted_at=listing.posted_at,
        first_seen_at=listing.first_seen_at,
        last_seen_online_at=listing.observed_at,
        content_hash=listing.content_hash,
        revision=listing.revision,
        territory_requested=territory,
        taxon=detection.taxon,
        specimen=detection.specimen,
        quotes=quotes(detection.matches),
        round=matter.round,
    )


def _snapshot(evidence_id: str, detection: Detection) -> Evidence:
    listing = detection.listing
    snapshot = listing.to_bytes()
    return Evidence(
        evidence_id=evidence_id,
        kind="snapshot",
        sha256=hashlib.sha256(snapshot).hexdigest(),
        media_type="application/json",
        size=len(snapshot),
        captured_at=listing.observed_at,
        captured_by=f"{listing.connector} {listing.run_id}",
    )


def quotes(matches: tuple[Match, ...]) -> tuple[Quote, ...]:
    """The seller's words that the verdict rests on, in reading order."""
    telling = [match for match in matches if match.kind not in ("exclusion",)]
    telling.sort(key=lambda match: (match.field != "title", match.field, match.start))
    return tuple(
        Quote(
            field=match.field,
            start=match.start,
            end=match.end,
            text=match.quote,
            meaning=match.term,
            disguised=match.disguised,
            disguises=disguises_of(match.quote, match.term) if match.disguised else (),
        )
        for match in telling[:MAX_QUOTES]
    )


def reasons_about(matters: Sequence[Matter], legal_basis: tuple[LegalBasis, ...]) -> str:
    """The substantiated explanation, in English (DSA Article 16(2)(a)).

    With many listings each has its part; the law is always whole, and what of a listing does not fit
    stands in its quotes.
    """
    law = provisions(legal_basis)
    room = (LONGEST_REASONS - len(law) - 2 * len(matters)) // len(matters)
    parts = [
        _reasons_of(matter, f"{place}. " if len(matters) > 1 else "", room)
        for place, matter in enumerate(matters, start=1)
    ]
    return "\n\n".join([*parts, law])[:LONGEST_REASONS]


LONGEST_REASONS = 20_000


def _reasons_of(matter: Matter, number: str, room: int) -> str:
    detection, listing = matter.detection, matter.detection.listing
    lines = [
        f"{number}{detection.explanation.strip()}",
        f"The listing was seen online at {listing.observed_at:%Y-%m-%d %H:%M:%S} UTC at {listing.url}.",
    ]
    if matter.round > 1:
        lines.append(
            f"It was removed after an earlier notice and is online again: this is appearance {matter.round} "
            "of it."
        )
    lines.extend(_in_common(one) for one in matter.related[:MOST_RELATED])
    text = "\n\n".join(lines)
    return text if len(text) <= room else text[: max(0, room - 1)] + "…"


def _in_common(one: Related) -> str:
    shared = " and ".join(_SHARED[join] for join in one.joins)
    seen = (
        f", which we saw removed by {one.removal_verified_at:%Y-%m-%d %H:%M:%S} UTC"
        if one.removal_verified_at
        else ""
    )
    return f"It shares {shared} with the listing of our notice {one.reference}{seen}."


def provisions(legal_basis: Sequence[LegalBasis]) -> str:
    """The provisions as they end the reasons."""
    return "\n\n".join(_provision(basis) for basis in legal_basis)


def _provision(basis: LegalBasis) -> str:
    where = f", {basis.article}" if basis.article else ""
    clause = f", clause {basis.policy_clause}" if basis.policy_clause else ""
    text = f": {basis.text}" if basis.text else ""
    return f"{basis.law}{where}{clause}{text}"


def tags(detection: Detection, *, test_mode: bool) -> tuple[str, ...]:
    """Namespaced tags for a receiver's own sorting."""
    found = []
    if detection.taxon is not None:
        name = detection.taxon.scientific_name.lower().replace(" ", "-")
        found.append(f"wildlife:taxon:{name}")
        if detection.taxon.appendix:
            found.append(f"cites:appendix:{detection.taxon.appendix}")
    if detection.specimen is not None:
        found.append(f"wildlife:specimen:{detection.specimen.kind}")
    if detection.retroactive:
        found.append("detection:retroactive")
    if test_mode:
        found.append("lifecycle:test")
    return tuple(found)
