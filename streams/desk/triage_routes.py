"""Reports from the public: a person reads each and makes a case of it, joins it to one, or dismisses it."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from schemas.report import Report
from streams.contacts.keys import ContactUnreadable
from streams.desk import catalogues, pictures
from streams.desk.analyst_routes import REVIEWERS
from streams.desk.gate import Form, Refused, open_to
from streams.desk.house import House
from streams.notices import acts
from streams.notices.acts import Offer
from streams.notices.casebook import accounts, filed
from streams.notices.evidence import EvidenceDamaged

log = structlog.get_logger()

STATES = {
    "waiting": "waits",
    "case": "became a case",
    "merged": "joined to a case",
    "dismissed": "dismissed",
}
SAID = {
    "case": "The case is made: it waits in review.",
    "merged": "Joined to the case.",
    "dismissed": "Dismissed.",
}
RANKS = ("species", "subspecies", "genus", "family", "order", "class")
APPENDICES = (("", "none, or not sure"), ("I", "I"), ("II", "II"), ("III", "III"))
SPECIMENS = (
    ("unclear", "not clear"),
    ("live", "alive"),
    ("part", "a part of one"),
    ("derivative", "made of one"),
)
SEVERITIES = (("high", "high"), ("critical", "critical"), ("normal", "normal"))
FIELDS = (
    *("platform", "listing_id", "url", "title", "description", "seller", "quote", "meaning"),
    *("scientific_name", "rank", "appendix", "specimen", "severity", "explanation"),
)
LISTED = 100


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""
    languages = len(catalogues.load())

    @open_to(*REVIEWERS)
    async def reports(request: Request, decided: bool = False) -> Response:
        viewer = request.state.viewer
        await house.casebook.run(
            accounts.log_access, viewer, act="reports", subject="list", now=house.clock()
        )
        values = {
            "lines": await house.casebook.look(filed.listed, viewer, waiting=not decided, limit=LISTED),
            "count": await house.casebook.look(filed.count_waiting, viewer),
            "waiting": not decided,
            "states": STATES,
            "languages": languages,
            "said": SAID.get(request.query_params.get("said", "")),
        }
        return house.pages.html("triage.html", request, values)

    @open_to(*REVIEWERS)
    async def show(request: Request, report_id: str) -> Response:
        return await _page(house, request, report_id)

    @open_to(*REVIEWERS)
    async def contact(request: Request, report_id: str) -> Response:
        return await _page(house, request, report_id, with_contact=True)

    @open_to(*REVIEWERS)
    async def picture(request: Request, report_id: str, number: int = 1) -> Response:
        viewer = request.state.viewer
        found = await house.casebook.look(filed.one, viewer, report_id)
        kept = found.report.kept if found is not None else ()
        if not 1 <= number <= len(kept) or house.evidence is None:
            raise HTTPException(404)
        try:
            content = await asyncio.to_thread(house.evidence.get, kept[number - 1])
        except EvidenceDamaged as error:
            raise HTTPException(404) from error
        headers = {"content-security-policy": "default-src 'none'; sandbox"}
        return Response(content, media_type=pictures.MEDIA_TYPE, headers=headers)

    async def decided(request: Request, report_id: str, act: Any, said: str) -> Response:
        if await house.casebook.look(filed.one, request.state.viewer, report_id) is None:
            raise HTTPException(404)
        try:
            await house.casebook.run(act)
        except acts.ActRefused as error:
            return await _page(house, request, report_id, problem=error.text)
        return RedirectResponse(f"/triage?said={said}", 303)

    @open_to(*REVIEWERS)
    async def make_case(request: Request, report_id: str) -> Response:
        desk, by, now = house.acts, request.state.viewer.login, house.clock()
        if desk is None:
            raise Refused(409, "no_platforms", "The desk was started without a platforms file.")
        offer = _offer(request.state.form)
        return await decided(
            request,
            report_id,
            lambda tx: acts.open_from_report(tx, report_id, offer, desk, by=by, now=now),
            "case",
        )

    @open_to(*REVIEWERS)
    async def merge(request: Request, report_id: str) -> Response:
        case, by, now = request.state.form.one("case"), request.state.viewer.login, house.clock()
        return await decided(
            request, report_id, lambda tx: acts.join_report(tx, report_id, case, by=by, now=now), "merged"
        )

    @open_to(*REVIEWERS)
    async def dismiss(request: Request, report_id: str) -> Response:
        reason, by, now = request.state.form.one("reason"), request.state.viewer.login, house.clock()
        return await decided(
            request,
            report_id,
            lambda tx: acts.dismiss_report(tx, report_id, by=by, reason=reason, now=now),
            "dismissed",
        )

    for path, endpoint, method in (
        ("/triage", reports, "GET"),
        ("/triage/{report_id}", show, "GET"),
        ("/triage/{report_id}/contact", contact, "GET"),
        ("/triage/{report_id}/picture", picture, "GET"),
        ("/triage/{report_id}/case", make_case, "POST"),
        ("/triage/{report_id}/merge", merge, "POST"),
        ("/triage/{report_id}/dismiss", dismiss, "POST"),
    ):
        app.add_api_route(path, endpoint, methods=[method], include_in_schema=False)


def _offer(form: Form) -> Offer:
    """What the form says of the listing; whether it will do is for the act to say."""
    given = {name: form.one(name).replace("\r\n", "\n").replace("\0", "").strip() for name in FIELDS}
    severity = given["severity"] if given["severity"] in ("critical", "high", "normal") else "high"
    return Offer(
        platform=given["platform"],
        listing_id=given["listing_id"],
        url=given["url"],
        title=given["title"],
        description=given["description"],
        seller=given["seller"] or None,
        quote=given["quote"],
        meaning=given["meaning"],
        scientific_name=given["scientific_name"] or None,
        rank=given["rank"] or "species",
        appendix=given["appendix"] or None,
        specimen=given["specimen"] or "unclear",
        severity=severity,  # type: ignore[arg-type] # one of the three
        legal_basis=tuple(dict.fromkeys(form.all("legal_basis"))),
        explanation=given["explanation"],
    )


async def _page(
    house: House,
    request: Request,
    report_id: str,
    *,
    problem: str | None = None,
    with_contact: bool = False,
) -> Response:
    viewer = request.state.viewer
    found = await house.casebook.look(filed.one, viewer, report_id)
    if found is None:
        raise HTTPException(404)
    # On record before anything is shown; who was shown the contact, apart from who read the report.
    act = "contact" if with_contact else "report"
    await house.casebook.run(accounts.log_access, viewer, act=act, subject=report_id, now=house.clock())
    form = request.state.form if problem else Form(())
    known = house.acts.platforms if house.acts else {}
    given = {name: form.one(name) for name in FIELDS}
    if not problem:
        link = found.report.url if found.report.url.startswith(("https://", "http://")) else ""
        given |= _captured(found.report, link, known)
    law = house.acts.law if house.acts else {}
    values = {
        "filed": found,
        "contact": _contact(house, found) if with_contact else None,
        "known": await house.casebook.look(filed.known_about, viewer, found.report),
        "report": found.report,
        "states": STATES,
        "problem": problem,
        "given": given,
        "chosen": form.all("legal_basis"),
        "can_open": house.acts is not None,
        "platforms": [("", "choose …"), *((name, name) for name in sorted(known))],
        "ranks": [(rank, rank) for rank in RANKS],
        "appendices": APPENDICES,
        "specimens": SPECIMENS,
        "severities": SEVERITIES,
        "provisions": [(one.id, _provision(one.law, one.country)) for one in law.values()],
    }
    return house.pages.html("triage_report.html", request, values, status=422 if problem else 200)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a page says of who reported."""

    name: str | None = None
    email: str | None = None
    why_not: str | None = None


def _contact(house: House, found: filed.Filed) -> _Shown:
    who = found.report.reporter
    if found.contact is None:
        return _Shown(who.name, who.email)
    try:
        contact = house.contacts().decrypt(found.report.report_id, found.contact)
    except ContactUnreadable as error:
        log.error("contact_unreadable", report_id=found.report.report_id, why=str(error))
        return _Shown(why_not=str(error))
    return _Shown(contact.name, contact.email)


def _provision(law: str, country: str | None) -> str:
    return f"{country}: {law}" if country else law


def _captured(report: Report, link: str, known: Any) -> dict[str, str]:
    """What the form can be filled in with: the listing as it was captured, or what its link says."""
    listing = report.listing
    if listing is None:
        return {
            "url": link,
            "listing_id": _last_part(link),
            "platform": report.platform or _platform(link, known),
        }
    return {
        "url": listing.url,
        "listing_id": listing.listing_id,
        "platform": listing.platform if listing.platform in known else "",
        "title": listing.title,
        "description": listing.description[:20_000],
        "seller": (listing.seller.handle or "") if listing.seller else "",
    }


def _last_part(link: str) -> str:
    """A guess at the platform's id of a listing: the last part of its path."""
    try:
        return urlsplit(link).path.rstrip("/").rpartition("/")[2][:500]
    except ValueError:
        return ""


def _platform(link: str, known: Any) -> str:
    """A guess at the platform: one whose name stands in the link's host."""
    try:
        host = (urlsplit(link).hostname or "").split(".")
    except ValueError:
        return ""
    return next((name for name in known if name in host), "")
