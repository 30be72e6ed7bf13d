"""``takin notices list | show | validate``: what the casebook says of notices."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible
from streams.notices.cases.commands import casebook, notice_named


def list_notices(
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only what is still owed.")] = False,
    escalations: Annotated[
        bool, typer.Option("--escalations", help="Steps that wait for a person instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Notices with what was said and what was seen, oldest first.

    Example: takin notices list --platform sandbox-slow --open
    """
    from streams.notices.casebook import figures
    from streams.reports.columns import Columns
    from streams.reports.sla import is_open, span

    if escalations:
        _list_escalations(platform, as_json=as_json)
        return
    book = casebook()
    try:
        items = book.answer(figures.item_times)
    finally:
        book.close()
    now = datetime.now(UTC)
    still_open = is_open(Columns.of_items(items))
    for item, waits in zip(items, still_open, strict=True):
        if (platform and item.platform != platform) or (open_only and not waits):
            continue
        if as_json:
            row = {
                "reference": item.reference,
                "platform": item.platform,
                "listing_id": item.listing_id,
                "url": item.url,
                "round": item.round,
                "delivery": item.delivery,
                "said": item.claim,
                "outcome": item.outcome,
                "seen": item.content,
                "late": item.late,
                "sent_at": item.sent_at.isoformat() if item.sent_at else None,
            }
            print(json.dumps(row))
        else:
            age = span((now - item.queued_at).total_seconds())
            late = "  LATE" if item.late else ""
            print(
                f"{item.reference}  {item.platform}  {visible(item.listing_id)}  "
                f"round {item.round}  {age} old  {item.delivery}  "
                f"said: {item.claim}  seen: {item.content}{late}"
            )


def _list_escalations(platform: str | None, *, as_json: bool) -> None:
    from streams.notices.casebook import tasks

    book = casebook()
    try:
        waiting = book.answer(tasks.waiting, platform=platform)
    finally:
        book.close()
    for one in waiting:
        if as_json:
            print(json.dumps({**asdict(one), "due_at": one.due_at.isoformat()}))
        else:
            print(
                f"{one.task_id}  {one.reference}  {one.platform}  {visible(one.step)}  "
                f"since {one.due_at:%Y-%m-%d %H:%M:%S}Z  {visible(one.why)}"
            )


def show(
    reference: Annotated[str, typer.Argument(help="TKN-… reference, notice id or idempotency key.")],
    body: Annotated[bool, typer.Option("--body", help="Print the notice as it was sent.")] = False,
) -> None:
    """One notice and everything that happened to its case, in order.

    Example: takin notices show TKN-ABCDE-FGHIJ-KL
    """
    from streams.notices.casebook import cases, events

    book = casebook()
    try:
        with book.read() as tx:
            notice_id = notice_named(tx, reference)
            if body:
                print(cases.notice_body(tx, notice_id).model_dump_json(indent=2, exclude_none=True))
                return
            notice = cases.notice_body(tx, notice_id)
            print(f"{notice.human_reference}  {notice.addressee.platform}  {visible(notice.items[0].url)}")
            for case_id in notice.case_ids:
                for event in events.of_case(tx, case_id):
                    facts = ", ".join(f"{name}={visible(str(value))}" for name, value in event.data.items())
                    print(f"  {event.at:%Y-%m-%d %H:%M:%S.%f}Z  {event.type:<22} {facts}")
    finally:
        book.close()


def validate(
    notice: Annotated[
        str, typer.Argument(metavar="FILE|REFERENCE", help="A notice as JSON (- reads stdin), or its TKN-…")
    ],
    platforms: Annotated[
        Path | None, typer.Option(help="The platforms file, for what the addressee itself asks for.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: unmetRequirements.")] = False,
) -> None:
    """Say what a receiver would refuse in a notice, before anything is sent; exit 1 when there is something.

    Reads it like the strictest receiver: DSA Article 16(2), XARF v4, and the platform's own demands
    where the platforms file (or TAKIN_PLATFORMS_FILE) knows it. Each answer has a stable code, a JSON
    pointer into the notice and a sentence.

    Example: takin notices validate notice.json --platforms platforms.yaml
    """
    from connectors.registry import load_platforms
    from streams.notices.bridge import policy_of
    from streams.notices.requirements import Demands, read_notice, unmet_requirements
    from streams.settings import Settings

    found = read_notice(_notice_bytes(notice))
    if isinstance(found, tuple):
        unmet = found
    else:
        file = platforms or Settings().platforms_file
        known = {config.name: config for config in load_platforms(file)} if file else {}
        addressee = found.addressee.platform
        if platforms is not None and addressee not in known:
            raise OperatorError(
                f"The platforms file {platforms} has no {addressee}, to which the notice goes."
            )
        demands = policy_of(known[addressee]).demands if addressee in known else Demands()
        unmet = unmet_requirements(
            found, replace(demands, xarf=True), platform=addressee, now=datetime.now(UTC)
        )
    if as_json:
        rows = [
            {"code": one.code, "path": one.path, "message": one.message, "regime": one.regime}
            for one in unmet
        ]
        print(json.dumps({"unmetRequirements": rows}))
    else:
        for one in unmet:
            print(f"{one.regime:<9} {one.code:<28} {visible(one.path) or '/'}  {one.message}")
        print(f"{len(unmet)} unmet" if unmet else "every requirement is met")
    if unmet:
        raise typer.Exit(1)


LONGEST_NOTICE = 8 * 1024 * 1024
"""Bytes of a file that `validate` reads."""


def _notice_bytes(notice: str) -> bytes:
    """From standard input, a file or the casebook."""
    import sys

    if notice == "-":
        raw = sys.stdin.buffer.read(LONGEST_NOTICE + 1)
    elif not notice.startswith(("TKN-", "n1_")):
        try:
            with Path(notice).open("rb") as file:
                raw = file.read(LONGEST_NOTICE + 1)
        except OSError as error:
            raise OperatorError(f"The notice {notice} cannot be read: {error.strerror}.") from error
    else:
        from streams.notices.casebook import cases

        book = casebook()
        try:
            with book.read() as tx:
                raw = cases.notice_body(tx, notice_named(tx, notice)).to_bytes()
        finally:
            book.close()
    if len(raw) > LONGEST_NOTICE:
        raise OperatorError(f"The notice {notice} is longer than 8 MB: that is no notice.")
    return raw
