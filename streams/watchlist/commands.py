"""``takin watchlist …``: what analysts want looked for, live everywhere within seconds."""

import asyncio
import getpass
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import OperatorError


def register(app: typer.Typer) -> None:
    """Add ``watchlist`` to the command."""
    watchlist = typer.Typer(
        no_args_is_help=True,
        help="What to look for besides the rules. A change is live in every worker within seconds, "
        "without a restart.",
    )
    watchlist.command("list")(list_entries)
    watchlist.command("add")(add)
    watchlist.command("retire")(retire)
    watchlist.command("remove")(remove)
    watchlist.command("import")(import_file)
    watchlist.command("export")(export)
    watchlist.command("replay")(replay_entry)
    app.add_typer(watchlist, name="watchlist")


def list_entries(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    search: Annotated[str, typer.Option(help="Only what says this: value, reason, source, who …")] = "",
    state: Annotated[
        str, typer.Option(help="Only live, shadow, quarantined, expired or retired entries.")
    ] = "",
) -> None:
    """The entries in force, and those that are shadow, quarantined, expired or retired.

    Example: takin watchlist list --state quarantined
    """
    from streams.local.visible import visible
    from streams.settings import Settings
    from streams.watchlist import finding
    from streams.watchlist.store import read_entries

    if state and state not in finding.STANDINGS:
        raise OperatorError(f"--state knows {', '.join(finding.STANDINGS)}, not {visible(state)}.")
    entries = asyncio.run(read_entries(Settings().kafka_bootstrap_servers))
    found = finding.chosen(entries.values(), finding.Asked(q=search, standing=state), datetime.now(UTC))
    for entry in sorted(found, key=lambda one: one.entry_id):
        if as_json:
            print(entry.model_dump_json(exclude_none=True))
        else:
            until = f" until {entry.expires_at:%Y-%m-%d}" if entry.expires_at else ""
            print(
                f"{entry.entry_id}  {entry.kind}  “{visible(entry.value)}”  {entry.outcome}  "
                f"{entry.state}{until}  {visible(entry.reason)} ({visible(entry.added_by)})"
            )
            if entry.state_reason:
                print(f"    {visible(entry.state_reason)}")
    if not entries and not as_json:
        print("The watchlist is empty: takin watchlist add --help.")


def add(
    kind: Annotated[
        str,
        typer.Argument(help="term, code_word, hashtag, seller, phone, handle, payment, regex, image_pdq …"),
    ],
    value: Annotated[str, typer.Argument(help="The word, name or number.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the explanation.")],
    source: Annotated[str, typer.Option(help="Where that is known from.")],
    outcome: Annotated[
        str, typer.Option(help="What a match leads to: review, monitor or notify.")
    ] = "review",
    platform: Annotated[str | None, typer.Option(help="Only on this platform.")] = None,
    taxon: Annotated[str | None, typer.Option(help="Scientific name of what it stands for.")] = None,
    product: Annotated[str | None, typer.Option(help="Specimen word, for example ivory.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag of the word.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Expires after so many days.")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Count only; send nothing.")] = False,
    confidence: Annotated[
        float, typer.Option(min=0, max=1, help="How sure it is; below 0.9 a match is reviewed at most.")
    ] = 1.0,
    distance: Annotated[
        int | None, typer.Option(min=0, max=31, help="Of image_pdq: bits of 256 that may differ.")
    ] = None,
    entry_id: Annotated[
        str | None, typer.Option("--id", help="Its id; absent: made of kind and word.")
    ] = None,
) -> None:
    """Add an entry, or replace the one with the same id.

    Example: takin watchlist add code_word "white plastic" --reason "stands for ivory"
    --source "case 17 of our desk" --product ivory
    """
    from pydantic import ValidationError

    from schemas.watchlist import WatchlistEntry
    from streams.settings import Settings
    from streams.watchlist.exchange import advice_for, check_entry, entry_id_of
    from streams.watchlist.store import write_entries

    now = datetime.now(UTC)
    try:
        entry = WatchlistEntry.model_validate(
            {
                "entry_id": entry_id or entry_id_of(kind, value),
                "kind": kind,
                "value": value,
                "language": language,
                "platform": platform,
                "taxon": taxon,
                "product": product,
                "outcome": outcome,
                "reason": reason,
                "source": source,
                "added_by": getpass.getuser(),
                "added_at": now,
                "expires_at": now + timedelta(days=days) if days else None,
                "confidence": confidence,
                "distance": distance,
                "state": "shadow" if shadow else "active",
            }
        )
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise OperatorError(f"The entry was not added: {field}: {problem['msg']}.") from error
    try:
        check_entry(entry)
    except ValueError as error:
        raise OperatorError(f"The entry was not added: {error}.") from error
    asyncio.run(write_entries(Settings().kafka_bootstrap_servers, [entry]))
    print(f"{entry.entry_id} is on the watchlist.")
    if advice_for(entry):
        print(advice_for(entry))


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, .json or .jsonl file.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts and ids as one JSON object.")] = False,
) -> None:
    """Add or change the entries of a file: all of them, or none when a row is bad.

    Each row needs kind, value, reason and source; takin watchlist export shows every column. Bad rows
    are named by line. Entries that the file does not name stay as they are.

    Example: takin watchlist import codewords.csv --dry-run
    """
    from streams.settings import Settings
    from streams.watchlist.exchange import BadFile, Defaults, Format, compare, read_entries_from
    from streams.watchlist.store import read_entries, write_entries

    forms: dict[str, Format] = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
    form = forms.get(file.suffix.lower())
    if form is None:
        raise OperatorError(f"{file} is neither .csv, .json nor .jsonl: name the file after its format.")
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise OperatorError(f"{file} cannot be read ({error.strerror}): give a CSV or JSON file.") from error
    try:
        rows = read_entries_from(raw, form, Defaults(getpass.getuser(), datetime.now(UTC)))
    except BadFile as error:
        for problem in error.problems[:100]:
            typer.echo(problem, err=True)
        raise OperatorError(
            f"Nothing of {file} is taken, {len(error.problems)} bad rows: mend them and import it again."
        ) from error
    bootstrap = Settings().kafka_bootstrap_servers
    outcome = compare(rows, asyncio.run(read_entries(bootstrap)))
    if not dry_run:
        asyncio.run(write_entries(bootstrap, [*outcome.added, *outcome.changed]))
    told = {
        name: [one.entry_id for one in getattr(outcome, name)] for name in ("added", "changed", "unchanged")
    }
    if as_json:
        print(json.dumps({"dry_run": dry_run, **told}))
        return
    for name in ("added", "changed"):
        for entry_id in told[name]:
            print(f"{name}  {entry_id}")
    print(
        f"{len(told['added'])} added, {len(told['changed'])} changed, {len(told['unchanged'])} unchanged"
        + (" (dry run: nothing was written)." if dry_run else ".")
    )


def replay_entry(
    entry_id: Annotated[str, typer.Argument(help="Id of the entry, see takin watchlist list.")],
    since: Annotated[str, typer.Option(help="How far back: 30m, 12h, 7d or 2w.")] = "7d",
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish the detections, marked retroactive.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, the summary last.")] = False,
) -> None:
    """Run an entry over the listings that Kafka still keeps: what would it have found?

    Only shows it, unless --publish is given. Publishing twice does no harm: the detections bear the
    same ids again.

    Example: takin watchlist replay code_word.white-plastic.1a2b3c4d --since 7d
    """
    from streams.screening.backtest import replay, span_of, sum_up, teller
    from streams.settings import Settings

    from_then = datetime.now(UTC) - span_of(since)
    bootstrap = Settings().kafka_bootstrap_servers
    test, published = asyncio.run(replay(bootstrap, entry_id, from_then, teller(as_json), publish=publish))
    sum_up(test, as_json, published=published)
    if not as_json:
        print(f"{published} detections published." if publish else "Nothing was published (--publish).")


def export(
    form: Annotated[str, typer.Option("--format", help="csv or json.")] = "csv",
    clear_sellers: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="Write sellers, numbers and accounts as they are, for this reason; who did so and why is "
            "recorded. Without it they stand there by keyed names.",
        ),
    ] = None,
    exchange_key: Annotated[
        str | None,
        typer.Option(
            metavar="env:NAME|file:PATH",
            help="The key that the other organisation has too: 64 hexadecimal digits. Absent: our own.",
        ),
    ] = None,
) -> None:
    """Write every entry to standard output: for others, or with --clear-sellers for takin watchlist import.

    In CSV a cell that a spreadsheet would run as a formula gets an apostrophe before it, which the
    import takes away again. Whom a keyed name means, also one of another organisation under a shared key,
    takin privacy whose says.

    Example: takin watchlist export --format json --clear-sellers "backup of 3 May" > watchlist.json
    """
    from streams.notices.casebook import accounts
    from streams.notices.casebook.database import Casebook
    from streams.privacy.keys import exchange_keys, made_keys
    from streams.settings import Settings
    from streams.watchlist.exchange import write_csv, write_json
    from streams.watchlist.keyed import kept_back
    from streams.watchlist.store import read_entries

    if form not in ("csv", "json"):
        raise OperatorError(f"--format knows csv and json, not {form}.")
    if clear_sellers is not None and not clear_sellers.strip():
        raise OperatorError("Say why sellers are written as they are: --clear-sellers REASON.")
    if clear_sellers is not None and exchange_key is not None:
        raise OperatorError("Say either --clear-sellers or --exchange-key: a key is for what is kept back.")
    settings = Settings()
    keys = None
    if exchange_key is not None:
        keys = exchange_keys(exchange_key)
    elif clear_sellers is None:
        keys = made_keys(settings.privacy_key, settings.privacy_key_file)
    entries = asyncio.run(read_entries(settings.kafka_bootstrap_servers))
    ordered = [entry for _, entry in sorted(entries.items())]
    if keys is not None:
        ordered = kept_back(ordered, keys)
    else:
        assert clear_sellers is not None, "else there is a key"
        casebook = Casebook.open(settings.casebook_url, threads=1)
        try:
            casebook.decide(
                accounts.log_command,
                by=getpass.getuser(),
                act="clear_sellers",
                subject=f"watchlist ({len(ordered)} entries): {' '.join(clear_sellers.split())}",
                now=datetime.now(UTC),
            )
        finally:
            casebook.close()
    text = write_csv(ordered) if form == "csv" else write_json(ordered)
    sys.stdout.buffer.write(text.encode())  # bytes: a text stream would change the line ends


def retire(
    entry_id: Annotated[str, typer.Argument(help="Id of the entry, see takin watchlist list.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on the entry.")],
) -> None:
    """Have an entry no longer looked for; unlike a removed one it stays to be seen.

    Example: takin watchlist retire code_word.white-plastic.1a2b3c4d --reason "sweets only"
    """
    from streams.local.visible import visible
    from streams.settings import Settings
    from streams.watchlist.exchange import retired
    from streams.watchlist.store import read_entries, write_entries

    bootstrap = Settings().kafka_bootstrap_servers
    entry = asyncio.run(read_entries(bootstrap)).get(entry_id)
    if entry is None:
        raise OperatorError(f"The watchlist has no entry {visible(entry_id)!r}: see takin watchlist list.")
    if not reason.strip():
        raise OperatorError("Say why it is retired: --reason TEXT.")
    end = retired(entry, by=getpass.getuser(), why=reason, now=datetime.now(UTC))
    asyncio.run(write_entries(bootstrap, [end]))
    print(f"{entry_id} is retired.")


def remove(
    entry_id: Annotated[str, typer.Argument(help="Id of the entry, see takin watchlist list.")],
) -> None:
    """Remove an entry; workers forget it within seconds.

    Example: takin watchlist remove code_word.white-plastic.1a2b3c4d
    """
    from streams.settings import Settings
    from streams.watchlist.store import remove_entry

    asyncio.run(remove_entry(Settings().kafka_bootstrap_servers, entry_id, now=datetime.now(UTC)))
    print(f"{entry_id} is removed.")
