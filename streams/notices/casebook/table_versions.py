"""Versions of the tables: bringing them up to date, and which programs may use them afterwards.

A change of the tables adds only, so that the program of the version before goes on beside the new one
(`deploy/upgrade.md`). A migration that an older program would not stand says ``breaks_older = True``.
"""

import time
from dataclasses import dataclass
from importlib import resources

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from schemas.errors import OperatorError
from streams.notices.casebook.tables import readable_since

log = structlog.get_logger()

FIRST_TOLD = "0017"
"""Programs before this version ask nobody: they refuse every version that they do not know."""
LOCK_WITHIN_S = 3.0
"""PostgreSQL: who waits for a table longer than this lets everybody else pass, and tries again …"""
TRIES = 20
PAUSE_S = 2.0
"""… after so long."""
IN_THE_WAY = frozenset({"55P03", "40P01"})
"""PostgreSQL: a lock was not to be had in time; two stood in each other's way. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class TableVersions:
    """What the database has, and what this program would make of it."""

    have: str | None
    """``None``: no tables yet."""
    wanted: str
    readable: bool = True
    """Whether this program may use the tables once it has brought them up to date."""
    changes: tuple[str, ...] = ()
    """What is missing, in order: version and first line of each."""


def upgrade(engine: sa.Engine) -> None:
    """Bring the tables to this program's version; safe to call from several processes at once.

    One change is one transaction, so that who works on the tables meanwhile waits for one at most.
    Tables that a newer program made are left as they are, if it said that this one may use them.

    Raises:
        OperatorError: the tables are newer than this program can use, or something held one for too long.
    """
    tried = 0
    while True:
        try:
            if _is_done(engine):
                return
            tried = 0
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in IN_THE_WAY:
                raise
            tried += 1
            if tried == TRIES:
                raise OperatorError(
                    "The casebook's tables cannot be changed: something holds one of them, a dump or a long "
                    "report. Wait until it has ended (pg_stat_activity shows it) and start again; what was "
                    "changed so far is whole."
                ) from error
            log.warning("tables_in_use", tried=tried, of=TRIES)
            time.sleep(PAUSE_S)


def look(connection: sa.Connection) -> TableVersions:
    """The tables' version beside this program's; changes nothing."""
    known = ScriptDirectory.from_config(_config())
    have = MigrationContext.configure(connection).get_current_revision()
    wanted = known.get_current_head()
    assert wanted is not None, "there is at least one migration"
    if have is not None and have not in _revisions(known):
        return TableVersions(have, wanted, _serves(connection, have, known))
    missing = list(known.iterate_revisions(wanted, have))
    return TableVersions(have, wanted, True, tuple(f"{one.revision}: {one.doc}" for one in reversed(missing)))


def _is_done(engine: sa.Engine) -> bool:
    """Make the next change, or all of them where nobody has tables yet; whether none is left."""
    with engine.connect().execution_options(takin_writes=True) as connection:
        if engine.dialect.name == "postgresql":
            # Held until the commit below: the second process waits and then finds nothing to do.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7248151)"))
            # Whoever queues for a table behind a long report makes everybody queue behind itself.
            connection.execute(sa.text(f"SET LOCAL lock_timeout = {int(LOCK_WITHIN_S * 1000)}"))
        found = look(connection)
        if not found.readable:
            connection.rollback()
            raise OperatorError(
                f"The casebook's tables are at version {found.have}, which this program does not know: "
                "use the newer Takin that made them."
            )
        if not found.changes:
            if found.have != found.wanted:
                log.warning("tables_are_newer", have=found.have, ours=found.wanted)
            return True
        config = _config()
        config.attributes["connection"] = connection
        aim = found.wanted if found.have is None else found.changes[0].partition(":")[0]
        command.upgrade(config, aim)
        _tell(connection, ScriptDirectory.from_config(config), aim)
        connection.commit()
        return aim == found.wanted


def _tell(connection: sa.Connection, known: ScriptDirectory, version: str) -> None:
    """Write for which programs the tables are now."""
    if not sa.inspect(connection).has_table(readable_since.name):
        return
    applied = known.iterate_revisions(version, "base")
    since = next((one.revision for one in applied if _breaks(one)), FIRST_TOLD)
    connection.execute(sa.delete(readable_since))
    connection.execute(sa.insert(readable_since).values(one=1, version=version, since=since))


def _serves(connection: sa.Connection, have: str, known: ScriptDirectory) -> bool:
    """Whether whoever made these newer tables said that this program may use them."""
    if not sa.inspect(connection).has_table(readable_since.name):
        return False
    told = connection.execute(sa.select(readable_since.c.version, readable_since.c.since)).one_or_none()
    # What is said of another version is no word about this one.
    return told is not None and told.version == have and told.since in _revisions(known)


def _breaks(script: Script) -> bool:
    return bool(getattr(script.module, "breaks_older", False))


def _revisions(known: ScriptDirectory) -> frozenset[str]:
    return frozenset(script.revision for script in known.walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files(__package__) / "migrations"))
    return config
