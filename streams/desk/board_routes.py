"""The SLA board and its export."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from streams.desk import export
from streams.desk.board import USUAL, Figures
from streams.desk.gate import open_to
from streams.desk.house import House
from streams.desk.period import between
from streams.reports import output, sla

OFFICERS = ("officer", "lead", "auditor", "analyst")
PERIODS = (("1d", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("", "everything"))
FORMS: Mapping[str, output.Form] = {"csv": "csv", "json": "json", "pdf": "pdf"}

BOARD_COLUMNS = (
    *("platform", "notices", "sent", "undeliverable"),
    *("acknowledged_n", "acknowledged_median_s", "acknowledged_p90_s", "silent"),
    *("decided_n", "decided_median_s", "decided_p90_s"),
    *("removed_claimed_n", "removed_claimed_median_s", "removed_claimed_p90_s"),
    *("removed_seen_n", "removed_seen_median_s", "removed_seen_p90_s", "removed_seen_within_24h"),
    *("refused", "already_gone", "claim_mismatch", "reappeared", "still_open", "late", "oldest_open_s"),
)


def board_row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """One platform's figures in the order of :data:`BOARD_COLUMNS`."""
    acknowledged, seen = row["acknowledged"], row["removed_seen"]
    times = (row[name] for name in ("decided", "removed_claimed", "removed_seen"))
    counts = ("refused", "already_gone", "claim_mismatch", "reappeared", "still_open", "late")
    return (
        *(row[name] for name in ("platform", "notices", "sent", "undeliverable")),
        *(acknowledged[name] for name in ("n", "median_s", "p90_s", "open")),
        *(one[name] for one in times for name in ("n", "median_s", "p90_s")),
        seen["within"]["24h"]["share"],
        *(row[name] for name in counts),
        row["oldest_open_s"],
    )


def register(app: FastAPI, house: House) -> None:
    """Add the pages."""

    async def figures(request: Request) -> tuple[Figures, dict[str, str]]:
        asked = {name: request.query_params.get(name, "")[:40] for name in ("since", "until")}
        if "since" not in request.query_params:
            asked["since"] = USUAL
        period = between(asked["since"], asked["until"], house.clock())
        made = await house.board.figures(f"{asked['since']}|{asked['until']}", period)
        return made, asked

    @open_to(*OFFICERS)
    async def board(request: Request) -> Response:
        made, asked = await figures(request)
        order = request.query_params.get("order", "late")
        rows = sorted(made.document.figures["platforms"], key=lambda row: row["platform"])
        if order != "platform":
            rows.sort(key=lambda row: (-row["late"], -row["still_open"]))
        values = {
            "rows": rows,
            "made": made,
            "asked": asked,
            "order": order,
            "periods": PERIODS,
            "forms": tuple(FORMS),
            "span": sla.span,
            "definitions": made.document.definitions,
            "query": urlencode({name: value for name, value in asked.items() if value}),
            "whole": urlencode(asked),
            "now": house.clock(),
        }
        return house.pages.html("board.html", request, values)

    @open_to(*OFFICERS)
    async def board_export(request: Request, form: str) -> Response:
        if form not in FORMS:
            raise HTTPException(404)
        made, asked = await figures(request)
        content = await asyncio.to_thread(output.render, made.document, FORMS[form])
        return export.download(content, f"sla-{asked['since'] or 'all'}", form, made.made_at)

    @open_to(*OFFICERS)
    async def board_table(request: Request) -> Response:
        made, asked = await figures(request)
        content = export.as_csv(BOARD_COLUMNS, map(board_row, made.document.figures["platforms"]))
        return export.download(content, f"sla-table-{asked['since'] or 'all'}", "csv", made.made_at)

    app.add_api_route("/board", board, methods=["GET"], include_in_schema=False)
    app.add_api_route("/board/export.{form}", board_export, methods=["GET"], include_in_schema=False)
    app.add_api_route("/board/table.csv", board_table, methods=["GET"], include_in_schema=False)
