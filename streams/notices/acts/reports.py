"""A report that waits: a person makes a case of it, joins it to one, or dismisses it."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from schemas.detection import (
    Coordinates,
    Detection,
    Match,
    RuleFinding,
    Severity,
    Specimen,
    TaxonRef,
    detection_id,
)
from schemas.listing import Listing
from streams.notices.acts.people import ActRefused, person_named, reason_given
from streams.notices.casebook import filed, review
from streams.notices.casebook.database import Transaction
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.detection import take_detection

RULE = "report.read-by-a-person"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a person read in the reported listing: they looked at it themselves."""

    platform: str
    listing_id: str
    url: str
    title: str
    description: str
    seller: str | None
    quote: str
    """Words of the title or the description that offer the specimen."""
    meaning: str
    """What those words were taken for."""
    scientific_name: str | None
    rank: str
    appendix: str | None
    specimen: str
    severity: Severity
    legal_basis: tuple[str, ...]
    explanation: str


def open_from_report(
    tx: Transaction, report_id: str, offer: Offer, desk: Desk, *, by: str, now: datetime
) -> str:
    """Make a case of a report, or join the one that its listing has; the case goes to review.

    Returns the case id.

    Raises:
        ActRefused: ``decided``; ``unknown_platform``, ``no_law``, ``no_quote``, ``malformed``: what is
            missing for a notice that could be sent.
    """
    person = person_named(by)
    detection = _verdict(report_id, offer, desk, now=now)
    taken = take_detection(tx, detection, desk, now=now)
    assert taken.case_id is not None, "a verdict that asks for a person opens or joins a case"
    _settle(tx, report_id, "case", by=person, case_id=taken.case_id, now=now)
    return taken.case_id


def _verdict(report_id: str, offer: Offer, desk: Desk, *, now: datetime) -> Detection:
    if offer.platform not in desk.platforms:
        raise ActRefused("unknown_platform", "Choose the platform on which the offer stands.")
    if not offer.legal_basis or any(one not in desk.law for one in offer.legal_basis):
        raise ActRefused("no_law", "Choose at least one provision that the offer breaks.")
    if not offer.url.startswith(("https://", "http://")) or not offer.listing_id:
        raise ActRefused("malformed", "Give the exact link of the offer and the platform's own id of it.")
    if len(offer.explanation.split()) < 5:
        raise ActRefused("malformed", "Explain in a sentence or two why the offer is unlawful.")
    try:
        listing = Listing.sealed(
            platform=offer.platform,
            listing_id=offer.listing_id,
            url=offer.url,
            title=offer.title,
            description=offer.description,
            seller={"handle": offer.seller} if offer.seller else None,
            observed_at=now,
            connector="report",
            run_id=report_id,
        )
        return Detection(
            detection_id=detection_id(listing, report_id),
            platform=listing.platform,
            listing_id=listing.listing_id,
            content_hash=listing.content_hash,
            ruleset_version=report_id,
            outcome="review",
            severity=offer.severity,
            taxon=_taxon(offer),
            specimen=Specimen.model_validate({"kind": offer.specimen}),
            matches=(_match(listing, offer),),
            rules=(
                RuleFinding(
                    rule_id=RULE,
                    pack="reports",
                    title="Reported, and read by a person",
                    outcome="review",
                    severity=offer.severity,
                    legal_basis=offer.legal_basis,
                ),
            ),
            explanation=offer.explanation,
            screened_at=now,
            source=Coordinates(topic="reports", partition=0, offset=0),
            listing=listing,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ActRefused("malformed", f"{where}: {first['msg']}.") from error


def _taxon(offer: Offer) -> TaxonRef | None:
    if not offer.scientific_name:
        return None
    return TaxonRef.model_validate(
        {"scientific_name": offer.scientific_name, "rank": offer.rank, "appendix": offer.appendix}
    )


def _match(listing: Listing, offer: Offer) -> Match:
    """The quoted words where they stand, so that the notice marks them."""
    for field, text in (("title", listing.title), ("description", listing.description)):
        start = text.find(offer.quote) if offer.quote else -1
        if start >= 0:
            return Match.model_validate(
                {
                    "field": field,
                    "start": start,
                    "end": start + len(offer.quote),
                    "quote": offer.quote,
                    "term": offer.meaning or offer.quote,
                    "kind": "product",
                    "ref": RULE,
                }
            )
    raise ActRefused("no_quote", "Quote words that stand in the title or the description, letter by letter.")


def join_report(tx: Transaction, report_id: str, case: str, *, by: str, now: datetime) -> str:
    """Join a report to a case that is there, named by its id or by a notice's reference.

    Raises:
        ActRefused: ``unknown``, ``decided``
    """
    case_id = review.find_case(tx, case.strip())
    if case_id is None:
        raise ActRefused("unknown", "There is no such case: give its id, or the reference of its notice.")
    _settle(tx, report_id, "merged", by=person_named(by), case_id=case_id, now=now)
    return case_id


def dismiss_report(tx: Transaction, report_id: str, *, by: str, reason: str, now: datetime) -> None:
    """Close a report without a case.

    Raises:
        ActRefused: ``no_reason``, ``decided``
    """
    _settle(tx, report_id, "dismissed", by=person_named(by), reason=reason_given(reason), now=now)


def _settle(
    tx: Transaction,
    report_id: str,
    state: filed.State,
    *,
    by: str,
    case_id: str | None = None,
    reason: str | None = None,
    now: datetime,
) -> None:
    if not filed.decide(tx, report_id, state, by=by, case_id=case_id, reason=reason, now=now):
        raise ActRefused("decided", "Somebody has decided this report meanwhile, or there is none.")
