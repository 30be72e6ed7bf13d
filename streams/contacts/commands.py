"""``takin keys …``: the keys that encrypt reporters' contacts."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import OperatorError
from streams.local.visible import visible

if TYPE_CHECKING:
    from streams.notices.casebook.contacts import Kept
    from streams.notices.casebook.database import Casebook


def register(app: typer.Typer) -> None:
    """Add ``keys`` to the command."""
    keys = typer.Typer(
        help="Keys that encrypt reporters' names and addresses: make, replace, drop.", no_args_is_help=True
    )
    keys.command("make")(make)
    keys.command("list")(list_keys)
    keys.command("rotate")(rotate)
    keys.command("reseal")(reseal)
    keys.command("drop")(drop)
    app.add_typer(keys, name="keys")


def _casebook() -> "Casebook":
    from streams.notices.casebook.database import Casebook
    from streams.settings import Settings

    return Casebook.open(Settings().casebook_url, threads=1)


def _kept() -> "Kept":
    from streams.notices.casebook import contacts

    casebook = _casebook()
    try:
        return casebook.answer(contacts.kept)
    finally:
        casebook.close()


def make(
    lost: Annotated[
        bool, typer.Option("--lost", help="The file is lost for good: what it encrypted stays unreadable.")
    ] = False,
) -> None:
    """Make the file of keys, mode 0400, and say where it is.

    Give the same file to the intake, the mail intake, the notice service and the desk, and keep a copy apart
    from the casebook's backups: without it no contact is ever read again.

    Example: takin keys make
    """
    from streams.contacts.keys import make_keys, read_keys
    from streams.contacts.start import refuse_to_replace
    from streams.settings import Settings

    settings = Settings()
    path = settings.contact_keys
    if not lost and not path.exists():
        refuse_to_replace(path, settings.casebook_url)
    if not make_keys(path):
        print(f"{path} is there already and stays as it is; `takin keys rotate` adds a key to it")
        return
    print(f"made {path} with the key {read_keys(path).ids[0]}; keep a copy apart from the casebook's backups")


def list_keys(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Show each key by its id, what it is for, and how many contacts in the casebook are encrypted with it.

    Example: takin keys list
    """
    from streams.contacts.keys import read_keys
    from streams.settings import Settings

    ids = read_keys(Settings().contact_keys).ids
    kept = _kept()
    missing = sorted(kept.by_key.keys() - set(ids))
    uses = [(one, "reads" if number else "encrypts") for number, one in enumerate(ids)]
    rows = [
        {"key": key, "use": use, "contacts": kept.by_key.get(key, 0)}
        for key, use in (*uses, *((one, "is not here") for one in missing))
    ]
    if as_json:
        print(json.dumps({"keys": rows, "not_looked_at": kept.unlooked}))
        return
    for row in rows:
        print(f"{row['key']}  {row['use']:<11}  {row['contacts']} contacts")
    if kept.unlooked:
        print(f"{kept.unlooked} reports are from before there were keys: run `takin keys reseal`")


def rotate() -> None:
    """Put a new key first; it encrypts from now on, and the others still read. Processes see it at once.

    `takin keys reseal` then puts what is kept under it. Where the file is copied to several machines, copy it
    to the desk first and to the intake last.

    Example: takin keys rotate
    """
    from streams.contacts.keys import add_key
    from streams.settings import Settings

    ids = add_key(Settings().contact_keys).ids
    print(f"the key {ids[0]} encrypts now; {', '.join(ids[1:])} still read")


def reseal(
    by: Annotated[str, typer.Option("--as", help="Who runs it, as it stands on record.")] = "reseal job",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much would be done.")] = False,
) -> None:
    """Put every contact under the newest key, piece by piece; those in clear as well.

    An interrupted run is begun again and goes on. Exits 1 if a contact had to stay as it is, and says why.
    The audit chain keeps that contacts were taken out of a report's record, when and by whom.

    Example: takin keys reseal --dry-run
    """
    from streams.contacts import reseal as job
    from streams.contacts.keys import read_keys
    from streams.notices.acts.people import person_named
    from streams.notices.casebook import contacts
    from streams.settings import Settings

    keys = read_keys(Settings().contact_keys)
    who = person_named(by)
    casebook = _casebook()
    try:
        kept = casebook.answer(contacts.kept)
        others = sum(count for key, count in kept.by_key.items() if key != keys.ids[0])
        if dry_run:
            print(f"{kept.unlooked} reports of before there were keys, {others} contacts under other keys")
            print("nothing was changed: leave out --dry-run")
            return
        looked = sealed = stays = 0
        for piece in job.run(casebook, keys, by=who, clock=lambda: datetime.now(UTC)):
            looked += piece.looked
            sealed += piece.sealed
            stays += len(piece.stays)
            print(f"{looked} of {max(looked, kept.unlooked + others)} looked at, {sealed} encrypted anew")
            for one, why in piece.stays:
                print(f"stays    {visible(one)}: {visible(why)}")
        emptied = casebook.forget_journal()
    finally:
        casebook.close()
    print(f"{sealed} contacts are under the key {keys.ids[0]} now")
    if not emptied:
        print("casebook.db-wal still holds earlier pages, as something reads from it: run this again later")
    if stays:
        raise typer.Exit(1)


def drop(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, as `takin keys list` shows it.")],
) -> None:
    """Take a key out that no contact in the casebook needs any more.

    Kafka's topic `reports` and the backups may still hold what was encrypted with it: keep its line elsewhere
    for as long as those are kept.

    Example: takin keys drop 0123456789abcdef
    """
    from streams.contacts.keys import drop_key
    from streams.settings import Settings

    if needed := _kept().by_key.get(key, 0):
        raise OperatorError(f"{needed} contacts need the key {key}: run `takin keys reseal` first.")
    left = drop_key(Settings().contact_keys, key).ids
    print(f"dropped {key}; {', '.join(left)} left")
