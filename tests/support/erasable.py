"""Cases that are over, full of what is personal: every such value holds the word :data:`CANARY`."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import TypedDict

import sqlalchemy as sa

from schemas.case_event import CaseEvent
from schemas.listing import Contact, Image, Listing, Seller
from schemas.report import Report, Reporter, ReportPicture
from streams.notices import acts, handlers
from streams.notices.casebook import cases, exhibits, filed, inbox, looks
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.exhibits import Exhibit
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.handlers import Accepted
from streams.notices.item import Look
from tests.support.notices import T0, at, make_desk, make_detection, make_response

CANARY = "canary"
DESK = make_desk()
LONG = timedelta(days=40).total_seconds()
"""Seconds after which nobody looks any more."""


class Offer(TypedDict):
    """What a listing shows, and of whom."""

    listing_id: str
    url: str
    title: str
    description: str
    seller: Seller
    contacts: tuple[Contact, ...]
    location: str
    images: tuple[Image, ...]


def offer(number: str, *, seller: str = "canary-seller") -> Offer:
    """An offer that names :data:`CANARY` wherever it can."""
    return {
        "listing_id": f"canary-{number}",
        "url": f"https://market.example/canary/{number}",
        "title": "Carved ivory figure of canary",
        "description": "Old carved elephant ivory, ask canary.",
        "seller": Seller(handle=seller, account_id=f"{seller}-4711"),
        "contacts": (Contact(kind="email", value="canary@market.example"),),
        "location": "Canary Street",
        "images": (Image(url="https://market.example/canary.jpg", sha256="1" * 64),),
    }


def finished_case(
    casebook: Casebook, number: str = "1", *, seller: str = "canary-seller", page: bytes | None = None
) -> str:
    """A case with a notice, an answer, looks, evidence, a report and a hold, closed as removed; its id."""
    detection = make_detection(**offer(number, seller=seller))
    taken = casebook.decide(handlers.take_detection, detection, DESK, now=T0)
    assert taken.notice_id is not None
    assert taken.case_id is not None
    case_id, notice_id = taken.case_id, taken.notice_id
    [one] = [
        one
        for one in casebook.decide(
            handlers.start_attempts,
            slots={"market": 50},
            now=T0,
            hold_for=timedelta(seconds=10),
            worker="w1",
            desk=DESK,
        )
        if one.notice_id == notice_id
    ]
    casebook.decide(
        handlers.delivered,
        one,
        AttemptResult("accepted", None, 202, reply=b'{"dear":"canary"}'),
        Accepted(
            make_response(kind="receipt", outcome=None, received=1, key=one.idempotency_key), at(1), "D-1"
        ),
        DESK,
        now=at(1),
    )
    raw = b'{"said":"canary"}'
    casebook.decide(
        inbox.store,
        platform="market",
        channel="webhook",
        source_id=f"s/{number}",
        received_at=at(60),
        body=raw,
        headers={"X-From": "canary"},
    )
    answer = casebook.answer(inbox.new, limit=50)[-1].inbox_id
    casebook.decide(inbox.finish, answer, state="quarantined", reason="unmapped", detail="canary", now=at(60))
    casebook.decide(acts.read_again, answer, by="Ada", reason="canary's word", now=at(60))
    response = make_response(
        key=one.idempotency_key,
        response_id=f"r{number}",
        explanation="We told canary.",
    ).model_copy(update={"raw_sha256": hashlib.sha256(raw).hexdigest()})
    casebook.decide(handlers.apply_response, response, now=at(60))
    with casebook.read() as tx:
        [item] = cases.items_of_notice(tx, notice_id)
    due = looks.LookDue(notice_id, case_id, "market", item.listing_id, item.url, "a" * 64)

    def look(seconds: float) -> None:
        casebook.decide(
            handlers.take_look,
            due,
            Look("offline", "not_found", at(seconds)),
            DESK,
            now=at(seconds),
            http_status=404,
            body_sha256="b" * 64,
            observer="verifier",
        )

    look(200)
    look(300)
    if page is not None:
        sha256 = hashlib.sha256(page).hexdigest()
        casebook.decide(
            exhibits.add,
            Exhibit(notice_id, case_id, "listing_page", sha256, "application/warc", 10, at(200), "verifier"),
        )
    _report(casebook, case_id, number, seller)
    casebook.decide(acts.ask_hold, case_id, by="Ada", reason="canary asks", expires_at=at(9_000), now=at(400))
    casebook.decide(acts.release_hold, case_id, by="Ada", now=at(401))
    look(LONG)
    casebook.decide(handlers.fire_deadlines, DESK, now=at(LONG))
    return case_id


def _report(casebook: Casebook, case_id: str, number: str, seller: str) -> None:
    report = make_report(number, seller=seller)
    casebook.decide(filed.keep, report, now=at(410))
    casebook.decide(
        filed.decide,
        report.report_id,
        "merged",
        by="ada",
        case_id=case_id,
        reason="canary said so",
        now=at(411),
    )


def make_report(
    number: str = "1", *, seller: str = "canary-seller", pictures: tuple[str, ...] = ()
) -> Report:
    """A report of the offer, by somebody with a name."""
    return Report(
        report_id="r_" + number.rjust(20, "A"),
        received_at=at(405),
        reporter=Reporter(kind="citizen", name="Canary", email="canary@reporter.example"),
        url=f"https://market.example/canary/{number}",
        what="A canary sells a tusk",
        pictures=tuple(ReportPicture(sha256=one, came_sha256="2" * 64, size=9) for one in pictures),
        listing=Listing.sealed(
            platform="market",
            observed_at=at(404),
            connector="form",
            run_id="r1",
            **offer(number, seller=seller),
        ),
    )


def where_named(casebook: Casebook, word: str = CANARY) -> set[str]:
    """Tables and columns that hold the word, of every table that there is."""
    found = set()
    with casebook.read() as tx:
        for table in t.metadata.sorted_tables:
            for row in tx.execute(sa.select(table)):
                for column, value in zip(table.columns, row, strict=True):
                    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                    if word.casefold() in text.casefold():
                        found.add(f"{table.name}.{column.name}")
    return found


def event_types(casebook: Casebook, case_id: str) -> Iterator[str]:
    """What happened to a case, in order."""
    with casebook.read() as tx:
        rows = tx.execute(
            sa.select(t.case_event.c.body)
            .where(t.case_event.c.case_id == case_id)
            .order_by(t.case_event.c.sequence)
        )
        yield from (CaseEvent.from_bytes(row.body).type for row in rows)
