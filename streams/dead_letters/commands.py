"""``takin dead-letters``: see what was refused, and put it back once the cause is mended."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Annotated, get_args

import typer

from schemas.errors import OperatorError

Reason = Annotated[str | None, typer.Option(help="Only letters with this reason, e.g. wrong_shape.")]
Stage = Annotated[str | None, typer.Option(help="Only letters that this part set aside, e.g. screening.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

letters = typer.Typer(
    no_args_is_help=True,
    help="Messages that were set aside, with the reason: list them, look at one, put them back.",
)


def register(app: typer.Typer) -> None:
    """Add ``dead-letters`` to the command line."""
    app.add_typer(letters, name="dead-letters")


@letters.command("list")
def list_(
    reason: Reason = None,
    stage: Stage = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were put back.")] = False,
    as_json: Json = False,
) -> None:
    """List what was set aside and waits, the newest first.

    Example: takin dead-letters list --reason wrong_shape
    """
    from streams.dead_letters import rendering
    from streams.dead_letters.ledger import select
    from streams.dead_letters.store import read_ledger

    _check(reason, stage)
    ledger = asyncio.run(read_ledger(_bootstrap()))
    found = select(ledger.newest_first(), reason=reason, stage=stage, replayed_too=everything)
    shown = found[:limit]
    if as_json:
        print(
            json.dumps(
                {
                    "dead_letters": [rendering.as_json(entry) for entry in shown],
                    "found": len(found),
                    "unreadable": ledger.unreadable,
                },
                indent=2,
            )
        )
        return
    if shown:
        print(rendering.table(shown))
    more = f", the newest {len(shown)} shown" if len(found) > len(shown) else ""
    odd = f"; {ledger.unreadable} records of the topic are no dead letters" if ledger.unreadable else ""
    print(f"{len(found)} dead letters{'' if everything else ' waiting'}{more}{odd}.")


@letters.command("show")
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The id, or its beginning.")],
    full: Annotated[bool, typer.Option("--full", help="All kept bytes, not only the first 4,000.")] = False,
    as_json: Json = False,
) -> None:
    """Show one dead letter and its bytes; what could act on the terminal is escaped.

    Example: takin dead-letters show x_1f0c
    """
    from streams.dead_letters import rendering
    from streams.dead_letters.store import read_ledger, read_letters

    entry = asyncio.run(read_ledger(_bootstrap())).find(letter_id)
    (letter,) = asyncio.run(read_letters(_bootstrap(), [entry]))
    if as_json:
        found = {**rendering.as_json(entry), "record_value": letter.record_value}
        print(json.dumps(found, indent=2))
    else:
        print(rendering.page(entry, letter, full=full))


@letters.command("replay")
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or their beginnings.")
    ] = None,
    reason: Reason = None,
    stage: Stage = None,
    everything: Annotated[bool, typer.Option("--all", help="Every letter that waits.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Put the original bytes back on the topic they came from, with the header replay-of.

    Do it after the cause was mended: what is still wrong is set aside again, as a new dead letter.
    Letters of which not every byte was kept are refused. Exit code 1: some were not put back.

    Example: takin dead-letters replay --reason rule_failed --dry-run
    """
    from streams.dead_letters import store
    from streams.dead_letters.ledger import select
    from streams.local.visible import visible

    _check(reason, stage)
    if sum((bool(ids), bool(reason or stage), everything)) != 1:
        raise OperatorError("Say which dead letters: give ids, or --reason or --stage, or --all.")

    async def run() -> tuple[store.Outcome, ...]:
        ledger = await store.read_ledger(_bootstrap())
        if ids:
            chosen = tuple({entry.letter.dead_letter_id: entry for entry in map(ledger.find, ids)}.values())
        else:
            chosen = select(ledger.newest_first(), reason=reason, stage=stage, replayed_too=False)
        return await store.replay(_bootstrap(), chosen, now=lambda: datetime.now(UTC), dry_run=dry_run)

    outcomes = asyncio.run(run())
    refused = [outcome for outcome in outcomes if outcome.refusal]
    done = [outcome for outcome in outcomes if not outcome.refusal]
    if as_json:
        found = {
            "dry_run": dry_run,
            "put_back": [
                {"id": o.entry.letter.dead_letter_id, "topic": o.entry.letter.topic, "at": o.put_back_at}
                for o in done
            ],
            "refused": [{"id": o.entry.letter.dead_letter_id, "because": o.refusal} for o in refused],
        }
        print(json.dumps(found, indent=2))
    else:
        for outcome in done:
            verb = "would go back" if dry_run else "went back"
            print(
                f"{outcome.entry.letter.dead_letter_id} {verb} to {visible(outcome.entry.letter.topic or '')}"
            )
        for outcome in refused:
            words = visible(outcome.refusal or "")
            print(f"{outcome.entry.letter.dead_letter_id} stays: {words}", file=sys.stderr)
        print(f"{len(done)} {'would be ' if dry_run else ''}put back, {len(refused)} refused.")
    if refused:
        raise typer.Exit(1)


def _check(reason: str | None, stage: str | None) -> None:
    """Refuse a word that no dead letter can have, rather than find nothing."""
    from schemas.dead_letter import DeadLetterReason, DeadLetterStage

    for given, words, name in ((reason, DeadLetterReason, "reason"), (stage, DeadLetterStage, "stage")):
        if given is not None and given not in get_args(words):
            raise OperatorError(
                f"{given!r} is no {name} of dead letters; these are: {', '.join(get_args(words))}."
            )


def _bootstrap() -> str:
    from streams.settings import Settings

    return Settings().kafka_bootstrap_servers
