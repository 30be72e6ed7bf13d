"""What is late and still open, and what the ladder does next about it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from streams.desk import export
from streams.desk.board_routes import OFFICERS
from streams.desk.gate import Refused, limited, open_to
from streams.desk.house import House
from streams.desk.limits import DOWNLOADS
from streams.desk.period import between
from streams.notices.casebook import accounts, desk_lists, overdue
from streams.notices.casebook.desk_lists import Filter
from streams.notices.casebook.overdue import Overdue, Place
from streams.notices.next_step import NextStep, missed_duties, next_step
from streams.notices.policy import Step

PAGE = 50
MOST_EXPORTED = 20_000
COLUMNS = (
    *("reference", "platform", "listing_id", "round", "product", "taxon", "claim", "content"),
    *("missed", "overdue_since", "overdue_s", "ladder", "next_step", "next_at", "next_means", "next_to"),
    *("steps_taken", "waits_for_a_person", "waits_since"),
)


def row_of(one: Overdue, coming: NextStep, now: datetime) -> tuple[Any, ...]:
    """One listing in the order of :data:`COLUMNS`."""
    first = one.waiting[0] if one.waiting else None
    return (
        *(one.reference, one.platform, one.listing_id, one.round, one.product, one.taxon),
        *(one.claim, one.content, " ".join(kind for kind, _ in missed_duties(one))),
        *(one.since.isoformat(), round((now - one.since).total_seconds())),
        *(coming.stand, coming.step, coming.at and coming.at.isoformat()),
        *((coming.means, coming.to) if coming.step else (None, None)),
        " ".join(name for name, _ in coming.taken),
        first and first.step,
        first and first.since.isoformat(),
    )


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    def ladder_of(platform: str) -> Sequence[Step]:
        policy = house.acts.platforms.get(platform) if house.acts is not None else None
        return policy.ladder if policy is not None else ()

    def wanted(request: Request, now: datetime) -> tuple[Filter, dict[str, str]]:
        names = ("platform", "since", "until")
        asked = {name: request.query_params.get(name, "")[:200] for name in names}
        period = between(asked["since"], asked["until"], now)
        found = Filter(
            platform=asked["platform"] or None,
            condition="overdue",
            since=period.since,
            until=period.until,
        )
        return found, asked

    async def rows(
        request: Request, found: Filter, *, limit: int, after: Place | None = None
    ) -> list[tuple[Overdue, NextStep]]:
        every = await house.casebook.look(
            overdue.listed,
            request.state.viewer,
            platform=found.platform,
            since=found.since,
            until=found.until,
            after=after,
            limit=limit,
        )
        return [(one, next_step(one, ladder_of(one.platform))) for one in every]

    @open_to(*OFFICERS)
    async def page(request: Request) -> Response:
        now, viewer = house.clock(), request.state.viewer
        found, asked = wanted(request, now)
        lines = await rows(request, found, limit=PAGE + 1, after=_after(request))
        given = {name: value for name, value in asked.items() if value}
        last = lines[PAGE - 1][0] if len(lines) > PAGE else None
        values = {
            "lines": lines[:PAGE],
            "count": await house.casebook.look(desk_lists.count_lines, viewer, found),
            "counted": desk_lists.COUNTED,
            "platforms": await house.casebook.look(desk_lists.platforms, viewer),
            "missed_duties": missed_duties,
            "asked": asked,
            "query": urlencode(given),
            "next": urlencode({**given, "after": f"{last.since.isoformat()}|{last.notice_id}|{last.case_id}"})
            if last
            else None,
            "most": MOST_EXPORTED,
            "now": now,
        }
        return house.pages.html("overdue.html", request, values)

    @open_to(*OFFICERS)
    @limited(DOWNLOADS)
    async def download(request: Request) -> Response:
        now, viewer = house.clock(), request.state.viewer
        found, _ = wanted(request, now)
        lines = await rows(request, found, limit=MOST_EXPORTED)
        subject = f"board/overdue?{request.url.query}"
        await house.casebook.run(accounts.log_access, viewer, act="export", subject=subject, now=now)
        content = export.as_csv(COLUMNS, (row_of(one, coming, now) for one, coming in lines))
        return export.download(content, "overdue", "csv", now)

    app.add_api_route("/board/overdue", page, methods=["GET"], include_in_schema=False)
    app.add_api_route("/board/overdue.csv", download, methods=["GET"], include_in_schema=False)


def _after(request: Request) -> Place | None:
    text = request.query_params.get("after", "")[:200]
    if not text:
        return None
    at, _, ids = text.partition("|")
    notice_id, _, case_id = ids.partition("|")
    try:
        return datetime.fromisoformat(at).astimezone(UTC), notice_id, case_id
    except (ValueError, OverflowError) as error:
        raise Refused(422, "bad_place", "Go back to the first page of this list.") from error
