"""The SLA board, lists of cases behind its figures, and a case's time line."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from schemas.errors import OperatorError
from streams.desk import export
from streams.desk.gate import Refused, open_to
from streams.desk.house import House
from streams.notices.casebook import accounts, desk_lists, desk_pages
from streams.notices.casebook.desk_lists import CONDITIONS, Filter, Line
from streams.reports import sla
from streams.reports.commands import period_start

OFFICERS = ("officer", "lead", "auditor", "analyst")
PERIODS = (("1d", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("", "everything"))
PAGE = 50
MOST_EXPORTED = 20_000

BOARD_COLUMNS = (
    *("platform", "notices", "sent", "undeliverable"),
    *("acknowledged_n", "acknowledged_median_s", "acknowledged_p90_s", "silent"),
    *("decided_n", "decided_median_s", "decided_p90_s"),
    *("removed_claimed_n", "removed_claimed_median_s", "removed_claimed_p90_s"),
    *("removed_seen_n", "removed_seen_median_s", "removed_seen_p90_s"),
    *("refused", "already_gone", "claim_mismatch", "reappeared", "still_open", "late", "oldest_open_s"),
)
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
}


def board_row(row: sla.PlatformFigures) -> tuple[Any, ...]:
    """One platform's figures in the order of :data:`BOARD_COLUMNS`."""
    times = (row.decided, row.removed_claimed, row.removed_seen)
    return (
        *(row.platform, row.notices, row.sent, row.undeliverable),
        *(row.acknowledged.n, row.acknowledged.median_s, row.acknowledged.p90_s, row.acknowledged.open),
        *(value for one in times for value in (one.n, one.median_s, one.p90_s)),
        *(row.refused, row.already_gone, row.claim_mismatch, row.reappeared, row.still_open, row.late),
        row.oldest_open_s,
    )


def _instant(text: str | None, now: datetime) -> datetime | None:
    try:
        return period_start(text or None, now)
    except (OperatorError, OverflowError, ValueError) as error:
        raise Refused(422, "bad_period", "A period is 7d, 36h, 2026-11-01 or an ISO time.") from error


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    async def figures(request: Request) -> tuple[Any, dict[str, str]]:
        now = house.clock()
        asked = {name: request.query_params.get(name, "")[:40] for name in ("since", "until")}
        if "since" not in request.query_params:
            asked["since"] = "30d"
        since, until = _instant(asked["since"], now), _instant(asked["until"], now)
        made = await house.board.figures(f"{asked['since']}|{asked['until']}", since, until)
        return made, asked

    @open_to(*OFFICERS)
    async def board(request: Request) -> Response:
        made, asked = await figures(request)
        order = request.query_params.get("order", "late")
        rows = sorted(made.rows, key=lambda row: (-row.late, -row.still_open, row.platform))
        if order == "platform":
            rows = sorted(made.rows, key=lambda row: row.platform)
        values = {
            "rows": rows,
            "made": made,
            "asked": asked,
            "order": order,
            "periods": PERIODS,
            "span": sla.span,
            "definitions": sla.DEFINITIONS,
            "query": urlencode({name: value for name, value in asked.items() if value}),
            "now": house.clock(),
        }
        return house.pages.html("board.html", request, values)

    @open_to(*OFFICERS)
    async def board_export(request: Request, form: str) -> Response:
        made, asked = await figures(request)
        if form == "json":
            period = {
                "since": made.since.isoformat() if made.since else None,
                "until": (made.until or made.made_at).isoformat(),
            }
            document = sla.as_json(made.rows, now=made.made_at, period=period)
            content = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
        elif form == "csv":
            content = export.as_csv(BOARD_COLUMNS, (board_row(row) for row in made.rows))
        else:
            raise HTTPException(404)
        return _download(content, f"sla-{asked['since'] or 'all'}", form, made.made_at)

    def wanted(request: Request, now: datetime) -> tuple[Filter, dict[str, str]]:
        names = ("platform", "condition", "since", "until", "taxon")
        asked = {name: request.query_params.get(name, "")[:200] for name in names}
        condition = asked["condition"]
        if condition and condition not in CONDITIONS:
            raise Refused(422, "bad_condition", "Choose one of the conditions in the list.")
        found = Filter(
            platform=asked["platform"] or None,
            condition=next((one for one in CONDITIONS if one == condition), None),
            since=_instant(asked["since"], now),
            until=_instant(asked["until"], now),
            taxon=asked["taxon"] or None,
        )
        return found, {name: value for name, value in asked.items() if value}

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
            "query": urlencode(asked),
            "conditions": CONDITION_WORDS,
            "now": now,
            "most": MOST_EXPORTED,
        }
        return house.pages.html("cases.html", request, values)

    @open_to(*OFFICERS)
    async def cases_export(request: Request, form: str) -> Response:
        now, viewer = house.clock(), request.state.viewer
        if form not in ("csv", "json"):
            raise HTTPException(404)
        found, _ = wanted(request, now)
        lines = await house.casebook.look(desk_lists.lines, viewer, found, limit=MOST_EXPORTED)
        await house.casebook.run(
            accounts.log_access, viewer, act="export", subject=f"cases?{request.url.query}", now=now
        )
        rows = (_cells(line) for line in lines)
        content = export.as_csv(LINE_COLUMNS, rows) if form == "csv" else export.as_json(LINE_COLUMNS, rows)
        return _download(content, "cases", form, now)

    @open_to(*OFFICERS)
    async def case(request: Request, case_id: str) -> Response:
        now, viewer = house.clock(), request.state.viewer
        found = await house.casebook.look(desk_pages.case, viewer, case_id)
        if found is None:
            raise HTTPException(404)
        await house.casebook.run(accounts.log_access, viewer, act="case", subject=case_id, now=now)
        return house.pages.html("case.html", request, {"case": found, "now": now})

    for path, endpoint in (
        ("/board", board),
        ("/board/export.{form}", board_export),
        ("/cases", cases),
        ("/cases/export.{form}", cases_export),
        ("/cases/{case_id}", case),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)


def _cells(line: Line) -> tuple[Any, ...]:
    values = (getattr(line, name) for name in LINE_COLUMNS)
    return tuple(value.isoformat() if isinstance(value, datetime) else value for value in values)


def _before(request: Request) -> tuple[datetime, str] | None:
    at, _, notice_id = request.query_params.get("before", "").partition("|")
    try:
        return (datetime.fromisoformat(at).astimezone(UTC), notice_id) if at else None
    except (ValueError, OverflowError) as error:
        raise Refused(422, "bad_place", "Go back to the first page of this list.") from error


def _after(line: Line, asked: dict[str, str]) -> str:
    return urlencode({**asked, "before": f"{line.queued_at.isoformat()}|{line.notice_id}"})


def _download(content: bytes, name: str, form: str, at: datetime) -> Response:
    safe = "".join(one if one.isalnum() and one.isascii() else "-" for one in name)
    headers = {"content-disposition": f'attachment; filename="takin-{safe}-{at:%Y%m%dT%H%M%SZ}.{form}"'}
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    return Response(content, media_type=kind, headers=headers)
