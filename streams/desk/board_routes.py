"""The SLA board and its export."""

import json
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from streams.desk import export
from streams.desk.board import USUAL
from streams.desk.gate import open_to
from streams.desk.house import House
from streams.desk.period import instant
from streams.reports import sla

OFFICERS = ("officer", "lead", "auditor", "analyst")
PERIODS = (("1d", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("", "everything"))

BOARD_COLUMNS = (
    *("platform", "notices", "sent", "undeliverable"),
    *("acknowledged_n", "acknowledged_median_s", "acknowledged_p90_s", "silent"),
    *("decided_n", "decided_median_s", "decided_p90_s"),
    *("removed_claimed_n", "removed_claimed_median_s", "removed_claimed_p90_s"),
    *("removed_seen_n", "removed_seen_median_s", "removed_seen_p90_s"),
    *("refused", "already_gone", "claim_mismatch", "reappeared", "still_open", "late", "oldest_open_s"),
)


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


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    async def figures(request: Request) -> tuple[Any, dict[str, str]]:
        now = house.clock()
        asked = {name: request.query_params.get(name, "")[:40] for name in ("since", "until")}
        if "since" not in request.query_params:
            asked["since"] = USUAL.partition("|")[0]
        since, until = instant(asked["since"], now), instant(asked["until"], now)
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
        return export.download(content, f"sla-{asked['since'] or 'all'}", form, made.made_at)

    app.add_api_route("/board", board, methods=["GET"], include_in_schema=False)
    app.add_api_route("/board/export.{form}", board_export, methods=["GET"], include_in_schema=False)
