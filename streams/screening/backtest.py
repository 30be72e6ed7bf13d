"""Runs the kept listings through two rule sets: ``takin rules backtest``, ``takin watchlist replay``."""

import json
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from schemas.errors import OperatorError
from schemas.topics import LISTINGS
from schemas.watchlist import RulePackRelease
from streams.local.records import consumer_of, up_to_now
from streams.local.visible import visible
from streams.screening.output import detection_output
from streams.screening.pack_file import BadPack
from streams.screening.publisher import Publisher
from streams.screening.release_commands import release_of
from streams.screening.releases import promoted
from streams.screening.retroactive import Backtest, Changed
from streams.screening.standing import Standing, read_standing
from streams.screening.topics import ScreeningTopics

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
Tell = Callable[[Changed], None]


def span_of(text: str) -> timedelta:
    """``30m``, ``12h``, ``7d`` or ``2w``.

    Raises:
        OperatorError: it is none of these.
    """
    said = re.fullmatch(r"([1-9][0-9]{0,2})([mhdw])", text)
    if said is None:
        raise OperatorError(f"--since takes 30m, 12h, 7d or 2w, not {text!r}.")
    return timedelta(**{_UNITS[said.group(2)]: int(said.group(1))})


async def run_backtest(
    bootstrap: str, test: Backtest, since: datetime, tell: Tell, *, topic: str = LISTINGS.name
) -> None:
    """Judge every listing that Kafka still keeps and that was written at ``since`` or later.

    A plain consumer outside every group: workers do not notice it.
    """
    async with consumer_of(bootstrap, topic) as (consumer, partitions):
        async for record in up_to_now(consumer, partitions, since=since):
            changed = test.judge(record, datetime.now(UTC))
            if changed is not None:
                tell(changed)


async def replay(
    bootstrap: str,
    entry_id: str,
    since: datetime,
    tell: Tell,
    *,
    publish: bool,
    topics: ScreeningTopics | None = None,
) -> tuple[Backtest, int]:
    """Run one entry over the kept listings; returns the counts and how many detections were published.

    Raises:
        OperatorError: there is no such entry, or it is to be published and is not in force.
    """
    names = topics or ScreeningTopics()
    standing = await read_standing(bootstrap, datetime.now(UTC), topic=names.watchlist)
    test = entry_test(standing, entry_id, publish=publish)
    published = 0
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(Publisher(bootstrap)) if publish else None
        consumer, partitions = await stack.enter_async_context(consumer_of(bootstrap, names.listings))
        async for record in up_to_now(consumer, partitions, since=since):
            now = datetime.now(UTC)
            changed = test.judge(record, now)
            if changed is None or not changed.graver:
                continue
            tell(changed)
            if publisher is not None:
                await publisher.publish(detection_output(changed.detection(now), names.detections))
                published += 1
    return test, published


def entry_test(standing: Standing, entry_id: str, *, publish: bool) -> Backtest:
    """The watchlist without the entry against the watchlist with it, as if it were active.

    Raises:
        OperatorError: see :func:`replay`.
    """
    entry = standing.entries.get(entry_id)
    if entry is None:
        raise OperatorError(f"The watchlist has no entry {entry_id!r}: see takin watchlist list.")
    expired = entry.expires_at is not None and entry.expires_at <= standing.now
    if publish and (entry.state != "active" or expired):
        state = "expired" if expired else entry.state
        raise OperatorError(f"The entry {entry_id} is {state}: only an active one leads to detections.")
    tried = entry.model_copy(update={"state": "active", "expires_at": None}) if not publish else entry
    others = {key: one for key, one in standing.entries.items() if key != entry_id}
    return Backtest(standing.screener(entries=others), standing.screener(entries={**others, entry_id: tried}))


def pack_test(standing: Standing, candidate: RulePackRelease | None) -> Backtest:
    """The packs in force against those with the candidate, or with every shadow pack in force.

    Raises:
        OperatorError: the candidate is refused, or there is nothing to compare.
    """
    if candidate is not None:
        releases = {**standing.releases, candidate.key: candidate}
    else:
        releases = promoted(standing.releases)
        if releases == dict(standing.releases):
            raise OperatorError("No pack runs in shadow: give a candidate with --pack FILE.")
    try:
        return Backtest(standing.screener(), standing.screener(releases=releases))
    except BadPack as error:
        raise OperatorError(f"The pack is refused: {error}.") from error


async def backtest(
    bootstrap: str,
    pack: Path | None,
    since: datetime,
    tell: Tell,
    *,
    topics: ScreeningTopics | None = None,
) -> Backtest:
    """Run the candidate packs over the kept listings; nothing is published."""
    names = topics or ScreeningTopics()
    now = datetime.now(UTC)
    candidate = release_of(pack, shadow=False, released_by="backtest", now=now) if pack else None
    test = pack_test(await read_standing(bootstrap, now, topic=names.watchlist), candidate)
    await run_backtest(bootstrap, test, since, tell, topic=names.listings)
    return test


def teller(as_json: bool) -> Tell:
    """Writes each change as a line."""

    def tell(changed: Changed) -> None:
        row: dict[str, Any] = changed.row()
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=True))
            return
        rules = ", ".join(row["after"]["rules"] or row["before"]["rules"])
        title = visible(changed.listing.title)[:60]
        typer.echo(
            f"{changed.listing.key}  {changed.before.outcome} -> {changed.after.outcome}  “{title}”  {rules}"
        )

    return tell


def sum_up(test: Backtest, as_json: bool, **more: Any) -> None:
    """The last line: counts."""
    told = {**test.summary(), **more}
    if as_json:
        typer.echo(json.dumps({"summary": told}))
        return
    by = "; ".join(f"{name}: {times}" for name, times in told["changes"].items())
    typer.echo(
        f"{told['listings']} listings, {told['changed']} would change{f' ({by})' if by else ''}; "
        f"{told['repeated']} repeated, {told['unreadable']} unreadable, {told['failed']} failed in a rule."
    )
