"""``takin notices recover``: after a restore from a backup."""

import asyncio
import json
from collections import Counter
from datetime import datetime
from typing import Annotated, Any

import typer

from schemas.errors import OperatorError
from streams.notices.cases.commands import (
    DEFAULT_REPLY_BASE,
    AsJson,
    By,
    PlatformsFile,
    ReplyBase,
    SenderFile,
    casebook,
    with_desk,
)
from streams.notices.recovery.tail import Sent, Tail

Apply = Annotated[bool, typer.Option("--apply", help="Write it down; absent: only say what would be.")]


def register(notices: typer.Typer) -> None:
    """Add it to ``takin notices``."""
    notices.command("recover")(recover)


def recover(
    by: By,
    apply: Apply = False,
    platforms: PlatformsFile = None,
    sender: SenderFile = None,
    reply_base: ReplyBase = DEFAULT_REPLY_BASE,
    as_json: AsJson = False,
) -> None:
    """After the casebook was restored: mark as sent what Kafka says was sent since the backup.

    First stop sending (takin notices stop --all), then start the notice service: it reads the detections
    again and writes the lost notices anew, under the same keys. Then this; then takin notices resume --all.
    The whole way: deploy/restore.md. Exit code 1: some notices are not written anew yet.

    Example: takin notices recover --apply --as "Ada Example"
    """
    from streams.notices.recovery.act import refuse_while_sending, take_as_sent

    tail = asyncio.run(_lost())
    became: Counter[str] = Counter()
    missing: list[Sent] = []
    if apply:

        def one_by_one(tx: Any, desk: Any, now: datetime) -> None:
            refuse_while_sending(tx)
            # A transaction that is tried again counts anew.
            became.clear()
            missing.clear()
            for one in tail.sent:
                done = take_as_sent(tx, one, desk, by=by, now=now)
                became[done] += 1
                if done == "missing":
                    missing.append(one)

        with_desk(one_by_one, platforms=platforms, sender=sender, reply_base=reply_base)
    _say(tail, became, missing, apply=apply, as_json=as_json)
    if missing:
        raise typer.Exit(1)


def _say(tail: Tail, became: Counter[str], missing: list[Sent], *, apply: bool, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    "lost_events": tail.events,
                    "sent": len(tail.sent),
                    "applied": apply,
                    **{name: became[name] for name in ("recovered", "known", "missing")},
                    "missing_references": [one.reference for one in missing],
                    "to_look_at": dict(tail.to_look_at),
                },
                indent=2,
            )
        )
        return
    print(f"{tail.events} events are in Kafka and not in the casebook; {len(tail.sent)} notices were sent.")
    if apply:
        print(f"{became['recovered']} of them are marked as sent, {became['known']} were already.")
    for one in missing:
        print(f"{one.reference} for {one.platform} is not written anew: wait for the notice service, or see")
        print("  whether a person had approved it (takin notices review).")
    for kind, count in tail.to_look_at.items():
        print(f"{kind}: {count} since the backup; what is polled comes again, the rest a person enters.")


async def _lost() -> Tail:
    from schemas.case_event import CaseEvent
    from schemas.topics import CASE_EVENTS
    from streams.local.records import consumer_of, up_to_now
    from streams.notices.casebook import events
    from streams.notices.recovery.tail import lost_tail
    from streams.settings import Settings

    found: list[CaseEvent] = []
    async with consumer_of(Settings().kafka_bootstrap_servers, CASE_EVENTS.name) as (consumer, partitions):
        async for record in up_to_now(consumer, partitions):
            if record.value is None:
                continue
            try:
                found.append(CaseEvent.from_bytes(record.value))
            except ValueError as error:
                raise OperatorError(
                    f"{CASE_EVENTS.name}[{record.partition}] offset {record.offset} is no case event: "
                    "what was sent cannot be told; see what wrote it."
                ) from error
    book = casebook()
    try:
        known = book.answer(events.known_ids)
    finally:
        book.close()
    return lost_tail(found, known)
