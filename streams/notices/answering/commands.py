"""``takin notices resend | inform | answers``: what is sent again, told on request, or read again."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible
from streams.notices.cases.commands import By, Reason, casebook, decide, notice_named


def resend(
    reference: Annotated[str, typer.Argument(help="Reference of an undeliverable notice.")],
    by: By,
    reason: Reason,
) -> None:
    """Put an undeliverable notice back in the line, with the same key and the same bytes.

    Example: takin notices resend TKN-ABCDE-FGHIJ-KL --as "Ada Example" --reason "their desk is mended"
    """
    from streams.notices import acts

    decide(lambda tx, now: acts.resend(tx, notice_named(tx, reference), by=by, reason=reason, now=now))
    print(f"{visible(reference)} waits to be sent again.")


def inform(
    reference: Annotated[str, typer.Argument(help="Reference of the notice that the platform asked about.")],
    text: Annotated[str, typer.Argument(help="What to tell it.")],
    platforms: Annotated[Path | None, typer.Option(help="The platforms file.")] = None,
    by: Annotated[str | None, typer.Option("--as", help="Your name, as it shall stand on record.")] = None,
) -> None:
    """Answer a platform's request for information: by its own channel, or by mail to its desk.

    It is sent like a notice: tried again until it is taken, once. The platform's clock runs on or anew from
    then, as was agreed with it (need_info in the platforms file).

    Example: takin notices inform TKN-ABCDE-FGHIJ-KL "The seller's name stands in the second picture."
    """
    from connectors.registry import load_platforms
    from streams.notices.acts import give_information
    from streams.notices.bridge import desk_of, make_bridge
    from streams.notices.casebook import cases
    from streams.notices.law import load_law
    from streams.notices.sender import demonstration_sender
    from streams.settings import Settings

    file = platforms or Settings().platforms_file
    if file is None:
        raise OperatorError("Say which platforms there are: --platforms FILE or TAKIN_PLATFORMS_FILE.")
    configs = load_platforms(file)
    book = casebook()
    try:
        with book.read() as tx:
            notice_id = notice_named(tx, reference)
            notice = cases.notice_by_id(tx, notice_id)
            in_test_mode = "lifecycle:test" in cases.notice_body(tx, notice_id).tags
        theirs = [one for one in configs if one.name == notice.platform]
        if not theirs:
            raise OperatorError(f"{file} has no platform {notice.platform}.")
        if in_test_mode and not all(one.dev_only for one in theirs):
            raise OperatorError(
                f"{notice.human_reference} was written in test mode: {notice.platform} never had it."
            )

        async def queue() -> bool:
            bridge = make_bridge(theirs)
            try:
                # Who sends stands in the notice itself; nothing of the sender's settings is used here.
                desk = desk_of(theirs, bridge, sender=demonstration_sender(reply_base=None), law=load_law())
                fresh: bool = book.decide(
                    give_information, notice_id, desk, text=text, by=by, now=datetime.now(UTC)
                )
                return fresh
            finally:
                await bridge.aclose()

        fresh = asyncio.run(queue())
    finally:
        book.close()
    if fresh:
        print(
            f"It waits to be sent to {notice.platform}; `takin notices show {notice.human_reference}` "
            "says when they have it."
        )
    else:
        print(f"The same words about {notice.human_reference} were given before: nothing is sent again.")


def answers(
    show: Annotated[
        int | None, typer.Option(min=1, help="Print the bytes of the one with this number.")
    ] = None,
    again: Annotated[
        int | None, typer.Option(min=1, help="Have that one read once more; say --as and --reason.")
    ] = None,
    by: Annotated[str | None, typer.Option("--as", help="With --again: your name, for the record.")] = None,
    reason: Annotated[str | None, typer.Option(help="With --again: why; it stays on record.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
) -> None:
    """Platforms' answers that were set aside because they could not be read, the newest first.

    What is read again keeps its time of receipt: a platform that answered in time is in time.

    Example: takin notices answers --again 17 --as "Ada Example" --reason "their new word is in the table"
    """
    from streams.notices import acts
    from streams.notices.casebook import inbox

    if again is not None:
        if show is not None:
            raise OperatorError("Say either --show or --again.")
        decide(lambda tx, now: acts.read_again(tx, again, by=by or "", reason=reason or "", now=now))
        print(f"Answer {again} is read once more by the running notice service.")
        return
    if by is not None or reason is not None:
        raise OperatorError("--as and --reason go with --again NUMBER: looking is no act.")
    book = casebook()
    try:
        with book.read() as tx:
            found = inbox.set_aside(tx, limit=limit, inbox_id=show)
            readings = inbox.readings(tx, [one.inbox_id for one in found])
    finally:
        book.close()
    if show is not None and not found:
        raise OperatorError(f"No answer {show} is set aside: see `takin notices answers`.")
    for one in found:
        at = one.received_at.strftime("%Y-%m-%d %H:%M:%SZ")
        print(f"{one.inbox_id}  {at}  {one.platform}  {one.channel}  {one.reason}: {visible(one.detail)}")
        for tried in readings:
            if tried.inbox_id == one.inbox_id:
                when = tried.at.strftime("%Y-%m-%d %H:%M:%SZ")
                print(f"    read again {when} by {visible(tried.by)}: {visible(tried.reason)}")
        if show is not None:
            print(visible(one.body.decode("utf-8", "replace"), keep_lines=True))
    if show is None:
        print(f"{len(found)} answers are set aside.")
