"""The SLA board and its export."""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from schemas.errors import OperatorError
from streams.desk import chart, export
from streams.desk.board import USUAL, Figures
from streams.desk.gate import Refused, limited, open_to
from streams.desk.house import House
from streams.desk.limits import DOWNLOADS
from streams.desk.period import between, named
from streams.reports import output, sla

OFFICERS = ("officer", "lead", "auditor", "analyst")
PERIODS = (("1d", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("", "everything"))
FORMS: Mapping[str, output.Form] = {"csv": "csv", "json": "json", "pdf": "pdf"}

SHOWN = 200
"""Corrections on the page; the downloads have all."""

BOARD_COLUMNS = (
    *("platform", "notices", "sent", "undeliverable"),
    *("acknowledged_n", "acknowledged_median_s", "acknowledged_p90_s", "silent"),
    *("decided_n", "decided_median_s", "decided_p90_s"),
    *("removed_claimed_n", "removed_claimed_median_s", "removed_claimed_p90_s"),
    *("removed_seen_n", "removed_seen_median_s", "removed_seen_p90_s", "removed_seen_within_24h"),
    *("refused", "already_gone", "already_gone_untrue", "claim_mismatch", "reappeared", "still_open"),
    *("late", "overdue", "oldest_open_s"),
)


def board_row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """One platform's figures in the order of :data:`BOARD_COLUMNS`."""
    acknowledged, seen = row["acknowledged"], row["removed_seen"]
    times = (row[name] for name in ("decided", "removed_claimed", "removed_seen"))
    counts = ("refused", "already_gone", "already_gone_untrue", "claim_mismatch", "reappeared", "still_open")
    return (
        *(row[name] for name in ("platform", "notices", "sent", "undeliverable")),
        *(acknowledged[name] for name in ("n", "median_s", "p90_s", "open")),
        *(one[name] for one in times for name in ("n", "median_s", "p90_s")),
        seen["within"]["24h"]["share"],
        *(row[name] for name in counts),
        # What was frozen by an earlier version has no figure of what was overdue then.
        *(row.get(name) for name in ("late", "overdue", "oldest_open_s")),
    )


def _days_of(week: Mapping[str, Any]) -> dict[str, str]:
    """The week as a filter's period."""
    monday = date.fromisoformat(week["monday"])
    return {"since": monday.isoformat(), "until": (monday + timedelta(days=7)).isoformat()}


def _is_over(name: str, now: datetime) -> bool:
    until = named(name).until if name else None
    return until is not None and until <= now


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    async def figures(request: Request, *, corrected: bool = False) -> tuple[Figures, dict[str, str]]:
        if name := request.query_params.get("period", "")[:40]:
            wanted = named(name)
            asked = {"since": f"{wanted.since:%Y-%m-%d}", "until": f"{wanted.until:%Y-%m-%d}", "period": name}
            try:
                kept = await (house.board.with_corrections if corrected else house.board.frozen)(wanted)
            except OperatorError as error:
                raise Refused(409, "not_as_frozen", str(error)) from error
            return kept or await house.board.figures(name, wanted), asked
        asked = {name: request.query_params.get(name, "")[:40] for name in ("since", "until")}
        if "since" not in request.query_params:
            asked["since"] = USUAL
        period = between(asked["since"], asked["until"], house.clock())
        made = await house.board.figures(f"{asked['since']}|{asked['until']}", period)
        return made, {**asked, "period": ""}

    @open_to(*OFFICERS)
    async def board(request: Request) -> Response:
        made, asked = await figures(request)
        figured = made.document.figures
        rows = sorted(figured["platforms"], key=lambda row: row["platform"])
        if request.query_params.get("order", "late") != "platform":
            rows.sort(key=lambda row: (-row.get("overdue", 0), -row["late"], -row["still_open"]))
        one = request.query_params.get("platform", "")[:200]
        shown = next((row for row in rows if row["platform"] == one), figured["all"]) or {}
        weeks = shown.get("weeks", ())
        own = ("period",) if asked["period"] else ("since", "until")
        values = {
            "rows": rows,
            "made": made,
            "asked": asked,
            "weeks": [(week, _days_of(week)) for week in reversed(weeks)],
            "chart": chart.by_week(weeks),
            "of": shown.get("platform"),
            "league": figured["league"],
            "may_freeze": request.state.viewer.role in ("officer", "lead"),
            "over": _is_over(asked["period"], house.clock()),
            "periods": PERIODS,
            "frozen_periods": await house.board.frozen_periods(),
            "forms": tuple(FORMS),
            "span": sla.span,
            "definitions": made.document.definitions,
            "query": urlencode({name: asked[name] for name in ("since", "until") if asked[name]}),
            "whole": urlencode({name: asked[name] for name in own}),
            "now": house.clock(),
        }
        return house.pages.html("board.html", request, values)

    @open_to(*OFFICERS)
    async def board_corrections(request: Request) -> Response:
        made, asked = await figures(request, corrected=True)
        if made.frozen is None:
            raise HTTPException(404)
        found = made.document.extra["corrections"]
        values = {"made": made, "asked": asked, "shown": found[:SHOWN], "count": len(found)}
        return house.pages.html("corrections.html", request, values)

    @open_to(*OFFICERS)
    @limited(DOWNLOADS)
    async def board_export(request: Request, form: str) -> Response:
        if form not in FORMS:
            raise HTTPException(404)
        made, asked = await figures(request, corrected=True)
        content = await asyncio.to_thread(output.render, made.document, FORMS[form])
        name = asked["period"] or asked["since"] or "all"
        return export.download(content, f"sla-{name}", form, house.clock())

    @open_to(*OFFICERS)
    @limited(DOWNLOADS)
    async def board_table(request: Request) -> Response:
        made, asked = await figures(request)
        content = export.as_csv(BOARD_COLUMNS, map(board_row, made.document.figures["platforms"]))
        name = asked["period"] or asked["since"] or "all"
        return export.download(content, f"sla-table-{name}", "csv", house.clock())

    app.add_api_route("/board", board, methods=["GET"], include_in_schema=False)
    app.add_api_route("/board/corrections", board_corrections, methods=["GET"], include_in_schema=False)
    app.add_api_route("/board/export.{form}", board_export, methods=["GET"], include_in_schema=False)
    app.add_api_route("/board/table.csv", board_table, methods=["GET"], include_in_schema=False)
