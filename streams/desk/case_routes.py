"""Lists of cases behind the board's figures, and a case's time line."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from streams.desk import export
from streams.desk.board_routes import OFFICERS
from streams.desk.gate import Refused, limited, open_to, seller_keys
from streams.desk.house import House
from streams.desk.limits import DOWNLOADS
from streams.desk.period import instant
from streams.notices.casebook import accounts, desk_lists, desk_pages
from streams.notices.casebook.conditions import CONDITIONS
from streams.notices.casebook.desk_lists import Filter, Line
from streams.privacy.sellers import keyed_name

PAGE = 50
MOST_EXPORTED = 20_000

LINE_COLUMNS = (
    *("reference", "platform", "listing_id", "url", "round", "severity", "taxon", "appendix", "product"),
    *("queued_at", "sent_at", "delivery", "claim", "outcome", "content", "decided_at"),
    *("removal_verified_at", "reappeared_at", "mismatch_at", "due_at"),
)
CONDITION_WORDS = {
    "sent": "sent",
    "undeliverable": "could not be delivered",
    "acknowledged": "acknowledged",
    "silent": "no answer at all",
    "decided": "decided",
    "removed_claimed": "removed, as the platform says",
    "removed_seen": "removed, as we saw",
    "refused": "refused",
    "mismatch": "said removed, seen online after",
    "reappeared": "removed and back online",
    "open": "still open",
    "late": "with a missed deadline",
    "overdue": "with a missed deadline and still open",
    "gone_untrue": "called gone before, seen online after",
}


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    def wanted(request: Request, now: datetime) -> tuple[Filter, dict[str, str]]:
        names = ("platform", "condition", "since", "until", "taxon")
        asked = {name: request.query_params.get(name, "")[:200] for name in names}
        condition = asked["condition"]
        if condition and condition not in CONDITIONS:
            raise Refused(422, "bad_condition", "Choose one of the conditions in the list.")
        found = Filter(
            platform=asked["platform"] or None,
            condition=next((one for one in CONDITIONS if one == condition), None),
            since=instant(asked["since"], now),
            until=instant(asked["until"], now),
            taxon=asked["taxon"] or None,
        )
        return found, asked

    @open_to(*OFFICERS)
    async def cases(request: Request) -> Response:
        now, viewer = house.clock(), request.state.viewer
        found, asked = wanted(request, now)
        lines = await house.casebook.look(
            desk_lists.lines, viewer, found, limit=PAGE + 1, before=_before(request)
        )
        values = {
            "lines": lines[:PAGE],
            "count": await house.casebook.look(desk_lists.count_lines, viewer, found),
            "platforms": await house.casebook.look(desk_lists.platforms, viewer),
            "next": _after(lines[PAGE - 1], asked) if len(lines) > PAGE else None,
            "asked": asked,
            "query": urlencode(_given(asked)),
            "conditions": CONDITION_WORDS,
            "now": now,
            "most": MOST_EXPORTED,
            "counted": desk_lists.COUNTED,
        }
        return house.pages.html("cases.html", request, values)

    @open_to(*OFFICERS)
    @limited(DOWNLOADS)
    async def cases_export(request: Request, form: str) -> Response:
        now, viewer = house.clock(), request.state.viewer
        if form not in ("csv", "json"):
            raise HTTPException(404)
        found, _ = wanted(request, now)
        lines = await house.casebook.look(desk_lists.sellers_of_lines, viewer, found, limit=MOST_EXPORTED)
        await house.casebook.run(
            accounts.log_access, viewer, act="export", subject=f"cases?{request.url.query}", now=now
        )
        keys, columns = seller_keys(house), (*LINE_COLUMNS, "seller")
        rows = ((*_cells(line), keyed_name(keys, seller) if seller else None) for line, seller in lines)
        content = export.as_csv(columns, rows) if form == "csv" else export.as_json(columns, rows)
        return export.download(content, "cases", form, now)

    @open_to(*OFFICERS)
    async def case(request: Request, case_id: str) -> Response:
        now, viewer = house.clock(), request.state.viewer
        found = await house.casebook.look(desk_pages.case, viewer, case_id)
        if found is None:
            raise HTTPException(404)
        await house.casebook.run(accounts.log_access, viewer, act="case", subject=case_id, now=now)
        return house.pages.html("case.html", request, {"case": found, "now": now})

    for path, endpoint in (
        ("/cases", cases),
        ("/cases/export.{form}", cases_export),
        ("/cases/{case_id}", case),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)


def _cells(line: Line) -> tuple[Any, ...]:
    values = (getattr(line, name) for name in LINE_COLUMNS)
    return tuple(value.isoformat() if isinstance(value, datetime) else value for value in values)


def _given(asked: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in asked.items() if value}


def _before(request: Request) -> tuple[datetime, str] | None:
    at, _, notice_id = request.query_params.get("before", "").partition("|")
    try:
        return (datetime.fromisoformat(at).astimezone(UTC), notice_id) if at else None
    except (ValueError, OverflowError) as error:
        raise Refused(422, "bad_place", "Go back to the first page of this list.") from error


def _after(line: Line, asked: dict[str, str]) -> str:
    return urlencode({**_given(asked), "before": f"{line.queued_at.isoformat()}|{line.notice_id}"})
