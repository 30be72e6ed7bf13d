"""``takin report …``"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError


def register(app: typer.Typer) -> None:
    """Add ``report`` to the command."""
    report = typer.Typer(no_args_is_help=True, help="Figures from the casebook.")
    report.command("sla")(sla)
    app.add_typer(report, name="report")


def period_start(since: str | None, now: datetime) -> datetime | None:
    """``7d``, ``36h``, ``2026-11-01`` or an ISO time, as an instant.

    Raises:
        OperatorError: it is none of these.
    """
    if since is None:
        return None
    units = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
    if since[:-1].isdigit() and since[-1:] in units:
        return now - int(since[:-1]) * units[since[-1]]
    try:
        at = datetime.fromisoformat(since)
    except ValueError as error:
        raise OperatorError(
            f"--since {since!r} is not a time: use 7d, 36h, 2026-11-01 or an ISO time."
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def sla(
    since: Annotated[
        str | None, typer.Option(help="Only notices written since: 7d, 36h, 2026-11-01.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Also write the report as JSON to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """How long each platform took: acknowledged, decided, removed as claimed, removed as seen.

    Each time is shown as median / 90th percentile (n), over those that happened; what is still
    open and what is late stands beside it.

    Example: takin report sla --since 30d --output sla.json
    """
    from streams.notices.casebook import figures
    from streams.notices.casebook.database import Casebook
    from streams.reports import sla as report
    from streams.settings import Settings

    now = datetime.now(UTC)
    start = period_start(since, now)
    casebook = Casebook.open(Settings().casebook_url, threads=1)
    try:
        rows = report.figures(casebook.answer(figures.item_times, since=start), now=now)
    finally:
        casebook.close()
    period = {"since": start.isoformat() if start else None, "until": now.isoformat()}
    document = report.as_json(rows, now=now, period=period)
    if output is not None:
        output.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    elif not rows:
        print("No notices yet in this period.")
    else:
        print(report.as_table(rows))
        print(f"\nmedian / 90th percentile (n)    checksum {document['checksum'][:16]}")
