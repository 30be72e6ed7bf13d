"""A platform's inbox, and one notice with everything needed to act on it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from schemas.listing import Listing
from schemas.notice import Quote
from streams.desk import view
from streams.desk.gate import limited, open_to
from streams.desk.house import House
from streams.desk.limits import DOWNLOADS
from streams.notices.casebook import accounts, desk_lists, desk_pages
from streams.notices.casebook.viewer import Viewer
from streams.notices.evidence import EvidenceDamaged

PAGE = 50
READERS = ("platform", "analyst", "lead", "officer", "auditor")


@dataclass(frozen=True, slots=True)
class Passage:
    """One field of the listing as captured, with the notice's quotes marked."""

    name: str
    pieces: tuple[view.Piece, ...]


def passages(listing: Listing | None, quotes: Sequence[Quote], *, title: str = "") -> tuple[Passage, ...]:
    """The listing's texts, cut where they are quoted; of a listing that is not kept the title. Pure."""
    by_field: dict[str, list[tuple[int, Quote]]] = defaultdict(list)
    for number, quote in enumerate(quotes, 1):
        by_field[quote.field].append((number, quote))
    texts = {"title": title}
    if listing is not None:
        texts = {
            "title": listing.title,
            "description": listing.description,
            "category": listing.category or "",
            "permit_statement": listing.permit_statement or "",
        }
    return tuple(
        Passage(view.FIELDS[name], view.marked(text[:20_000], by_field[name]))
        for name, text in texts.items()
        if text
    )


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    @open_to("platform")
    async def inbox(request: Request, waiting: bool = False, page: int = 1) -> Response:
        now, viewer = house.clock(), request.state.viewer
        page = min(max(page, 1), 10_000)
        counts = await house.casebook.look(desk_lists.inbox_counts, viewer, now=now, soon=now + view.SOON)
        found = await house.casebook.look(
            desk_lists.inbox, viewer, waiting=waiting, limit=PAGE + 1, offset=(page - 1) * PAGE
        )
        values = {
            "lines": found[:PAGE],
            "more": len(found) > PAGE,
            "page": page,
            "counts": counts,
            "waiting": waiting,
            "now": now,
            "said": _said(request),
        }
        return house.pages.html("inbox.html", request, values)

    @open_to("platform")
    async def counts(request: Request) -> Response:
        now = house.clock()
        found = await house.casebook.look(
            desk_lists.inbox_counts, request.state.viewer, now=now, soon=now + view.SOON
        )
        return house.pages.html("counts.html", request, {"counts": found, "now": now})

    @open_to(*READERS)
    async def notice(request: Request, reference: str) -> Response:
        return await notice_page(house, request, reference, request.query_params.get("item"))

    @open_to(*READERS)
    @limited(DOWNLOADS)
    async def evidence(request: Request, reference: str, sha256: str) -> Response:
        viewer = request.state.viewer
        found = await house.casebook.look(desk_pages.notice, viewer, reference)
        if found is None:
            raise HTTPException(404)
        now = house.clock()
        captured = await _captured(viewer, found, sha256)
        if captured is not None:
            content, name, kind = captured, "listing.json", "application/json"
        else:
            exhibit = await house.casebook.look(desk_pages.exhibit, viewer, found.row.notice_id, sha256)
            if exhibit is None or house.evidence is None:
                raise HTTPException(404)
            try:
                content = house.evidence.get(sha256)
            except (EvidenceDamaged, ValueError) as error:
                raise HTTPException(404) from error
            name, kind = "page.warc.gz", "application/octet-stream"
        await house.casebook.run(
            accounts.log_access, viewer, act="evidence", subject=f"{found.row.notice_id}/{sha256}", now=now
        )
        headers = {
            "content-disposition": f'attachment; filename="{found.row.human_reference}-{name}"',
            "content-security-policy": "default-src 'none'; sandbox",
        }
        return Response(content, media_type=kind, headers=headers)

    async def _captured(viewer: Viewer, page: desk_pages.NoticePage, sha256: str) -> bytes | None:
        """The listing as captured whose snapshot this is; a notice's snapshots stand as its listings do."""
        for item, snapshot in zip(page.notice.items, page.notice.evidence, strict=False):
            if snapshot.sha256 == sha256:
                one = await house.casebook.look(desk_pages.notice, viewer, page.row.notice_id, item.item_id)
                return one.detection.listing.to_bytes() if one is not None and one.detection else None
        return None

    for path, endpoint in (
        ("/inbox", inbox),
        ("/inbox/counts", counts),
        ("/notices/{reference}", notice),
        ("/notices/{reference}/evidence/{sha256}", evidence),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)


REFILLED = (
    "answer",
    "territory",
    *(f"reasons_{word}" for word in ("restricted", "kept", "need_information")),
)


def refill(fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What a form that was not taken is filled with again."""
    given = dict(fields)
    return {name: given.get(name, "") for name in REFILLED}


def _said(request: Request) -> tuple[str, int] | None:
    """What was just answered, from the address: a word of ours and a number, nothing else."""
    word, number = request.query_params.get("said", ""), request.query_params.get("n", "1")
    if word not in view.ANSWERS or not (number.isascii() and number.isdigit()):
        return None
    return view.ANSWERS[word], min(int(number), 10_000)


async def notice_page(
    house: House,
    request: Request,
    reference: str,
    item_id: str | None = None,
    *,
    problem: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
) -> Response:
    """One notice, for whoever may see it; what was shown to whom is written down first."""
    viewer, now = request.state.viewer, house.clock()
    found = await house.casebook.look(desk_pages.notice, viewer, reference, item_id)
    if found is None:
        raise HTTPException(404)
    await house.casebook.run(accounts.log_access, viewer, act="notice", subject=found.row.notice_id, now=now)
    listing = found.detection.listing if found.detection else None
    seller = found.item.seller_handle
    earlier: tuple[desk_lists.Line, ...] = ()
    if seller:
        earlier = await house.casebook.look(
            desk_lists.about_seller,
            viewer,
            platform=found.row.platform,
            seller=seller,
            besides=found.notice.case_ids,
            limit=10,
        )
    values = {
        "page": found,
        "notice": found.notice,
        "item": found.item,
        "standing": found.standing,
        "one": item_id is not None,
        "listing": listing,
        "passages": passages(listing, found.item.quotes, title=found.item.title),
        "earlier": earlier,
        "now": now,
        "problem": problem,
        "given": refill(fields),
        "said": _said(request),
        "may_answer": viewer.role == "platform",
    }
    return house.pages.html("notice.html", request, values, status=422 if problem else 200)
