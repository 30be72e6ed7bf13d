"""``takin notices approve | dismiss | withdraw | answer``: what a person decides about a case."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from schemas.errors import OperatorError

T = TypeVar("T")

By = Annotated[str, typer.Option("--as", help="Your name, as it shall stand on record.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]
PlatformsFile = Annotated[Path | None, typer.Option("--platforms", help="Else TAKIN_PLATFORMS_FILE.")]
SenderFile = Annotated[
    Path | None, typer.Option("--sender", help="Who we are in a notice.", envvar="TAKIN_SENDER_FILE")
]
ReplyBase = Annotated[
    str,
    typer.Option("--reply-base", help="Address at which platforms answer.", envvar="TAKIN_REPLY_BASE"),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
CaseOrReference = Annotated[str, typer.Argument(metavar="CASE", help="Case id, or a TKN-… reference.")]
DEFAULT_REPLY_BASE = "http://127.0.0.1:8710"


def register(notices: typer.Typer) -> None:
    """Add them to ``takin notices``."""
    notices.command("review")(review)
    notices.command("approve")(approve)
    notices.command("dismiss")(dismiss)
    notices.command("merge")(merge)
    notices.command("withdraw")(withdraw)
    notices.command("answer")(answer)


def casebook() -> Any:
    """The casebook as configured."""
    from streams.notices.casebook.database import Casebook
    from streams.settings import Settings

    return Casebook.open(Settings().casebook_url, threads=1)


def decide(act: Callable[[Any, datetime], T]) -> T:
    """Run ``act(tx, now)`` in one transaction."""
    book = casebook()
    try:
        result: T = book.decide(lambda tx: act(tx, datetime.now(UTC)))
        return result
    finally:
        book.close()


def case_named(tx: Any, text: str) -> str:
    """The case that a person names.

    Raises:
        OperatorError: there is none, or the notice has several.
    """
    from streams.notices.casebook import review as review_rows

    found = review_rows.find_case(tx, text)
    if found is None:
        raise OperatorError(
            f"The casebook has no single case {text!r}: give a case id, or the reference of a notice about "
            "one listing; see `takin notices review` and `takin notices list`."
        )
    return found


def notice_named(tx: Any, text: str) -> str:
    """The notice that a person names.

    Raises:
        OperatorError: there is none.
    """
    from streams.notices.casebook import cases

    found = cases.find_notice(tx, text)
    if found is None:
        raise OperatorError(f"The casebook has no notice {text!r}: see `takin notices list`.")
    return found


def with_desk(
    act: Callable[[Any, Any, datetime], T],
    *,
    platforms: Path | None,
    sender: Path | None,
    reply_base: str,
) -> T:
    """Run ``act(tx, desk, now)`` in one transaction, with the desk that the service has, too."""
    from dataclasses import replace

    from connectors.registry import load_platforms
    from streams.desk.keys import reply_links
    from streams.notices.bridge import desk_of, make_bridge
    from streams.notices.law import load_law
    from streams.notices.sender import demonstration_sender, load_sender
    from streams.privacy.keys import KeyRing
    from streams.settings import Settings

    file = platforms or Settings().platforms_file
    if file is None:
        raise OperatorError("Say which platforms there are: --platforms FILE or TAKIN_PLATFORMS_FILE.")
    configs = load_platforms(file)
    if sender is not None:
        policy = load_sender(sender, reply_base=reply_base)
    elif all(config.dev_only for config in configs):
        policy = demonstration_sender(reply_base=reply_base)
    else:
        raise OperatorError("Say who sends the notices: --sender FILE or TAKIN_SENDER_FILE.")

    async def run() -> T:
        bridge = make_bridge(configs, default_secret=Settings().webhook_secret)
        try:
            us = replace(policy, reply_links=reply_links(Settings()))
            keys = KeyRing(Settings().privacy_key, Settings().privacy_key_file)
            desk = desk_of(configs, bridge, sender=us, law=load_law(), privacy=keys)
            return decide(lambda tx, now: act(tx, desk, now))
        finally:
            await bridge.aclose()

    return asyncio.run(run())


def review(
    platform: Annotated[str | None, typer.Option(help="Only this platform.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Cases that wait for a person, the oldest first.

    Example: takin notices review --platform sandbox-prompt
    """
    from streams.local.visible import visible
    from streams.notices.casebook import review as review_rows

    book = casebook()
    try:
        waiting = book.answer(review_rows.in_review, platform=platform)
    finally:
        book.close()
    for one in waiting:
        if as_json:
            print(json.dumps({**asdict(one), "since": one.since.isoformat()}))
        else:
            print(
                f"{one.case_id}  {one.platform}  {visible(one.listing_id)}  round {one.round}  "
                f"{one.severity}  since {one.since:%Y-%m-%d %H:%M:%S}Z  {visible(one.url)}"
            )


def approve(
    cases_named: Annotated[
        list[str],
        typer.Argument(metavar="CASE...", help="Case id, or TKN-… reference of the case's notice."),
    ],
    by: By,
    platforms: PlatformsFile = None,
    sender: SenderFile = None,
    reply_base: ReplyBase = DEFAULT_REPLY_BASE,
    as_json: AsJson = False,
) -> None:
    """Write and send the notice of a case in review. Several cases of one platform: one notice about all.

    Example: takin notices approve c_0198f3 --as "Ada Example"
    """
    from streams.notices import acts
    from streams.notices.casebook import cases

    def act(tx: Any, desk: Any, now: datetime) -> str:
        named = [case_named(tx, case) for case in cases_named]
        if len(named) > 1:
            notice_id = acts.approve_together(tx, named, desk, by=by, now=now)
        else:
            taken = acts.approve(tx, named[0], desk, by=by, now=now)
            assert taken.notice_id is not None, "approve refuses where it writes none"
            notice_id = taken.notice_id
        return cases.notice_by_id(tx, notice_id).human_reference

    reference = with_desk(act, platforms=platforms, sender=sender, reply_base=reply_base)
    print(
        json.dumps({"reference": reference}) if as_json else f"{reference} is written and waits to be sent."
    )


def dismiss(case: CaseOrReference, by: By, reason: Reason) -> None:
    """Close a case in review without a notice.

    Example: takin notices dismiss c_0198f3 --as "Ada Example" --reason "vegetable ivory, see picture 2"
    """
    from streams.notices import acts

    decide(lambda tx, now: acts.dismiss(tx, case_named(tx, case), by=by, reason=reason, now=now))
    print("The case is dismissed; later findings on the same listing send nothing.")


def merge(
    case: CaseOrReference,
    by: By,
    reason: Reason,
    into: Annotated[str, typer.Option(help="The case that goes on: its id, or a notice's reference.")],
) -> None:
    """Close a case in review as merged into another: nothing is sent for it, and each keeps its time line.

    Example: takin notices merge c_0198f3 --into TKN-ABCDE-FGHIJ-KL --as "Ada Example" --reason "same offer"
    """
    from streams.notices import acts

    decide(
        lambda tx, now: acts.merge(
            tx, case_named(tx, case), case_named(tx, into), by=by, reason=reason, now=now
        )
    )
    print("The case is merged; the other one goes on, and nothing is sent for this one.")


def withdraw(
    reference: Annotated[str, typer.Argument(help="TKN-… reference, notice id or idempotency key.")],
    by: By,
    reason: Reason,
    platforms: PlatformsFile = None,
    sender: SenderFile = None,
    reply_base: ReplyBase = DEFAULT_REPLY_BASE,
) -> None:
    """Take a notice back: nothing more is sent or counted for it, and the platform is told.

    Example: takin notices withdraw TKN-ABCDE-FGHIJ-KL --as "Ada Example" --reason "the permit is genuine"
    """
    from streams.notices import acts

    done = with_desk(
        lambda tx, desk, now: acts.withdraw(
            tx, notice_named(tx, reference), desk, by=by, reason=reason, now=now
        ),
        platforms=platforms,
        sender=sender,
        reply_base=reply_base,
    )
    if done.told:
        print(f"{reference} is withdrawn; the platform is being told.")
    elif done.by_person:
        print(f"{reference} is withdrawn. Tell the platform yourself: its channel takes no withdrawal.")
    else:
        print(f"{reference} is withdrawn; the platform never had it.")


def answer(
    reference: Annotated[str, typer.Argument(help="TKN-… reference, notice id or idempotency key.")],
    word: Annotated[str, typer.Argument(help="What the platform said; see below.")],
    by: By,
    said_at: Annotated[
        datetime | None,
        typer.Option(help="When it said so (UTC), if not just now.", formats=["%Y-%m-%dT%H:%M:%S"]),
    ] = None,
    explanation: Annotated[str | None, typer.Option(help="Its reasons, in its own words.")] = None,
    platform_reference: Annotated[str | None, typer.Option(help="Its own reference.")] = None,
) -> None:
    """Record what a platform said by telephone, on paper or in a portal.

    WORD is one of: received, in-review, needs-information, removed, disabled, restricted-in-territory,
    restricted-in-part, seller-only, kept-lawful, kept-insufficient, not-hosted, already-gone,
    impossible, counter-notice, appeal, reinstated.

    Example: takin notices answer TKN-ABCDE-FGHIJ-KL kept-lawful --as "Ada Example" --explanation "antique"
    """
    from streams.notices import acts

    changed = decide(
        lambda tx, now: acts.enter_answer(
            tx,
            notice_named(tx, reference),
            word,
            by=by,
            now=now,
            said_at=said_at.replace(tzinfo=UTC) if said_at else None,
            explanation=explanation,
            platform_reference=platform_reference,
        )
    )
    print(f"{reference}: recorded." if changed else f"{reference}: that was recorded before.")
