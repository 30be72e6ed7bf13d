"""The contact keys of a process that starts: read, or made where nobody else could need others."""

from pathlib import Path

import structlog

from schemas.errors import OperatorError
from schemas.kafka_access import is_here
from streams.contacts.keys import SETTING, WHAT, ContactRing, make_keys
from streams.notices.casebook import contacts
from streams.notices.casebook.database import Casebook
from streams.settings import Settings

log = structlog.get_logger()


def contact_ring(settings: Settings, *, opens_casebook: bool) -> ContactRing:
    """The keys, made at the first start beside an SQLite casebook: all its processes are on this machine.

    Beside PostgreSQL the processes may be on many machines, each of which would make another key, and lose it
    with its disk: there the file has to be made by `takin keys make` and given to each. A process that does
    not open the casebook may not have been told of it; it makes none if Kafka is on another machine, unless
    the SQLite file is there.

    Raises:
        OperatorError: the file is not there or cannot be used, or the casebook was written with keys that
            are not there.
    """
    path = settings.contact_keys
    url = settings.casebook_url
    one_machine = _is_sqlite(url) and (
        opens_casebook or _file(url).exists() or is_here(settings.kafka_bootstrap_servers)
    )
    if one_machine and settings.contact_keys_file is None:
        make_here(path, url)
    return ContactRing(path)


def make_here(path: Path, casebook_url: str) -> None:
    """Make the file if it is not there, for processes that are all on this machine.

    Raises:
        OperatorError: the casebook was written with keys that were there before.
    """
    if not path.exists():
        refuse_to_replace(path, casebook_url)
        if make_keys(path):
            log.info("contact_keys_made", path=str(path), keep="a copy apart from the casebook's backups")


def ring_if_any(settings: Settings) -> ContactRing | None:
    """The same for a process that can do without; it says so."""
    try:
        return contact_ring(settings, opens_casebook=True)
    except OperatorError as error:
        log.warning("no_contact_keys", why=str(error))
        return None


def refuse_to_replace(path: Path, casebook_url: str) -> None:
    """See that no contact is kept under a key that was there.

    Raises:
        OperatorError: some are: the file has to come back.
    """
    if _is_sqlite(casebook_url) and not _file(casebook_url).exists():
        return
    casebook = Casebook.open(casebook_url, threads=1, migrate=False)
    try:
        by_key = casebook.answer(contacts.kept).by_key
    finally:
        casebook.close()
    if by_key:
        raise OperatorError(
            f"The casebook holds {sum(by_key.values())} contacts encrypted with the key {min(by_key)}, and "
            f"the {WHAT} {path} is not there: put it back from where you keep it ({SETTING} names another "
            "place). Only if it is lost for good: `takin keys make --lost`."
        )


def _file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite:")
