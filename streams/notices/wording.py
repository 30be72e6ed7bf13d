"""Writing the notice: from a verdict and what was agreed to the words that are sent. Pure."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime

from schemas.detection import Detection, Match
from schemas.message import digest
from schemas.notice import (
    Addressee,
    DetectionBasis,
    Evidence,
    GoodFaith,
    LegalBasis,
    Notice,
    NoticeItem,
    Quote,
    RequestedAction,
)
from streams.notices.policy import PlatformPolicy, SenderPolicy

MAX_QUOTES = 20


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
) -> Notice:
    """The notice for one listing.

    Raises:
        CannotWrite: no rule names a legal basis that the law table knows.
    """
    rules = [rule for rule in detection.rules if not rule.shadow and rule.outcome in ("notify", "review")]
    wanted = sorted({basis for rule in rules for basis in rule.legal_basis})
    unknown = [basis for basis in wanted if basis not in law]
    if unknown:
        raise CannotWrite(f"the law table has no entry {', '.join(unknown)}")
    provisions = tuple(law[basis] for basis in wanted)
    if not provisions:
        raise CannotWrite("no rule that was true names a legal basis")
    legal_basis = provisions + platform.policy_clauses
    listing = detection.listing
    key = notice_key(
        platform=detection.platform,
        listing_ids=(detection.listing_id,),
        round=round,
        legal_basis=tuple(basis.id for basis in legal_basis),
        action=action,
        revision=revision,
    )
    snapshot = listing.to_bytes()
    return Notice(
        notice_id=notice_id,
        human_reference=human_reference(key),
        idempotency_key=key,
        case_ids=(case_id,),
        kind="trusted_flagger" if sender.trusted_flagger else "art16",
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
        items=(
            NoticeItem(
                item_id=item_id(detection.platform, detection.listing_id, round),
                listing_id=detection.listing_id,
                url=listing.url,
                title=listing.title,
                seller_handle=listing.seller.handle if listing.seller else None,
                posted_at=listing.posted_at,
                first_seen_at=listing.first_seen_at,
                last_seen_online_at=listing.observed_at,
                content_hash=listing.content_hash,
                revision=listing.revision,
                taxon=detection.taxon,
                specimen=detection.specimen,
                quotes=quotes(detection.matches),
                round=round,
            ),
        ),
        legal_basis=legal_basis,
        allegation="both" if platform.policy_clauses else "illegal",
        reasons=reasons(detection, legal_basis, round=round),
        requested_action=action,
        evidence=(
            Evidence(
                evidence_id="e1",
                kind="snapshot",
                sha256=hashlib.sha256(snapshot).hexdigest(),
                media_type="application/json",
                size=len(snapshot),
                captured_at=listing.observed_at,
                captured_by=f"{listing.connector} {listing.run_id}",
            ),
        ),
        detection=DetectionBasis(
            method="automated_and_reviewed" if reviewer else "automated",
            rule_ids=tuple(dict.fromkeys(rule.rule_id for rule in rules)),
            ruleset_version=detection.ruleset_version,
            detection_ids=(detection.detection_id,),
            confidence=detection.score,
            reviewer=reviewer,
        ),
        good_faith=GoodFaith(text=sender.good_faith_text, signed_by=sender.signed_by, at=now),
        severity=detection.severity,
        sla=platform.sla,
        round=round,
        revision=revision,
        relisting_of=relisting_of,
        reply_page=sender.reply_links.link(notice_id=notice_id, platform=platform.name, issued_at=now)
        if sender.reply_links
        else None,
        reply_to=f"{sender.reply_base}/answers/{platform.name}" if sender.reply_base else None,
        tags=tags(detection, test_mode=sender.test_mode),
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
        )
        for match in telling[:MAX_QUOTES]
    )


def reasons(
    detection: Detection,
    legal_basis: tuple[LegalBasis, ...],
    *,
    round: int,  # noqa: A002 - the glossary's word
) -> str:
    """The substantiated explanation, in English (DSA Article 16(2)(a))."""
    listing = detection.listing
    lines = [detection.explanation.strip()]
    seen = f"The listing was seen online at {listing.observed_at:%Y-%m-%d %H:%M:%S} UTC at {listing.url}."
    lines.append(seen)
    if round > 1:
        lines.append(
            f"It was removed after an earlier notice and is online again: this is appearance {round} of it."
        )
    for basis in legal_basis:
        where = f", {basis.article}" if basis.article else ""
        clause = f", clause {basis.policy_clause}" if basis.policy_clause else ""
        text = f": {basis.text}" if basis.text else ""
        lines.append(f"{basis.law}{where}{clause}{text}")
    return "\n\n".join(line for line in lines if line)[:20_000]


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
