"""Opening the casebook and running transactions on it.

SQLite (WAL, ``synchronous=FULL``, one writer) is the default; PostgreSQL takes many writers.
Statements run on the driver's own blocking interface inside worker threads: one hop a
transaction, where an async driver makes one a statement.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from schemas.errors import OperatorError
from streams.notices.casebook import sealing, table_versions

P = ParamSpec("P")
T = TypeVar("T")

Transaction = sa.Connection
"""An open transaction, as every function of the casebook takes it."""

RETRYABLE = {"40001", "40P01"}
"""PostgreSQL: serialisation failure, deadlock. Nothing was committed, so the decision is made again."""

TRIES = 5

WAIT_FOR_READERS = timedelta(seconds=5)
"""SQLite: how long emptying the write-ahead log waits for whoever reads an earlier state."""
BUSY = timedelta(seconds=30)
"""SQLite: how long a writer waits for another one."""


class CasebookUnavailable(Exception):
    """The database did not answer or could not write; nothing was committed: try again later."""


class Casebook:
    """A pool of connections to one casebook.

    ``write`` and ``read`` are for threads; ``run`` and ``look`` for coroutines.
    """

    def __init__(self, engine: sa.Engine, *, threads: int) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.retried = 0
        """Decisions made again because transactions stood in each other's way; each costs about a second."""
        # One writing thread for SQLite: writers wait in our queue instead of in its busy loop.
        self._writers = ThreadPoolExecutor(1 if self.is_sqlite else threads, "casebook-write")
        self._readers = ThreadPoolExecutor(threads, "casebook-read")
        self._begun: set[asyncio.Future[Any]] = set()

    @classmethod
    def open(cls, url: str, *, threads: int = 4, migrate: bool = True) -> "Casebook":
        """Connect and bring the tables up to date.

        Raises:
            OperatorError: the address is wrong, the server does not answer, or the tables are
                newer than this program.
        """
        engine = _engine(url, threads)
        try:
            with engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
            if migrate:
                table_versions.upgrade(engine)
        except sa.exc.SQLAlchemyError as error:
            engine.dispose()
            raise OperatorError(_why_not(url, error)) from error
        except OperatorError:
            engine.dispose()
            raise
        return cls(engine, threads=threads)

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction; seals and commits at the end, rolls back on any exception."""
        with self.engine.connect() as connection:
            writing = connection.execution_options(takin_writes=True)
            with writing.begin():
                sealing.begin(writing)
                yield writing
                sealing.flush(writing)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view; nothing is written."""
        with self.engine.connect() as connection:
            reading = connection
            if not self.is_sqlite:  # SQLite's always have one view; saying so costs two statements
                reading = connection.execution_options(isolation_level="REPEATABLE READ")
            with reading.begin():
                yield reading

    def decide(
        self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function(tx, …)`` in one write transaction, again if the database asks for it."""
        for attempt in range(1, TRIES + 1):
            try:
                with self.write() as tx:
                    return function(tx, *args, **kwargs)
            except sa.exc.DBAPIError as error:
                if attempt < TRIES and getattr(error.orig, "sqlstate", None) in RETRYABLE:
                    self.retried += 1
                    continue
                if _is_outage(error):
                    raise CasebookUnavailable(_first_line(error)) from error
                raise
        raise AssertionError("unreachable")

    def answer(
        self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function(tx, …)`` in one reading transaction."""
        try:
            with self.read() as tx:
                return function(tx, *args, **kwargs)
        except sa.exc.DBAPIError as error:
            if _is_outage(error):
                raise CasebookUnavailable(_first_line(error)) from error
            raise

    async def run(
        self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """:meth:`decide` off the event loop; once begun it ends even if the caller is cancelled."""
        loop = asyncio.get_running_loop()
        begun = loop.run_in_executor(self._writers, lambda: self.decide(function, *args, **kwargs))
        self._begun.add(begun)
        begun.add_done_callback(self._begun.discard)
        return await asyncio.shield(begun)

    async def settled(self) -> None:
        """Wait until everything that :meth:`run` has begun has ended, whoever waits for it."""
        while begun := tuple(self._begun):
            await asyncio.wait(begun)

    async def look(
        self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """:meth:`answer` without blocking the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.answer(function, *args, **kwargs))

    def forget_journal(self) -> bool:
        """Empty SQLite's write-ahead log, which still holds what was erased or encrypted meanwhile.

        Others may have the casebook open. ``False``: somebody reads an earlier state of it and did not end
        within :data:`WAIT_FOR_READERS`; then the log, and perhaps the file, still hold it. PostgreSQL has no
        such file of ours.
        """
        if not self.is_sqlite:
            return True
        with self.engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            cursor = raw.cursor()
            cursor.execute(_patience(WAIT_FOR_READERS))
            try:
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                cursor.execute(_patience(BUSY))
        return not busy

    def close(self) -> None:
        """Finish what is running and close every connection."""
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()


def _patience(span: timedelta) -> str:
    return f"PRAGMA busy_timeout={span // timedelta(milliseconds=1)}"


def _is_outage(error: sa.exc.DBAPIError) -> bool:
    """Lost connection, locked or full database: the world's fault, not the statement's."""
    return error.connection_invalidated or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)


def _first_line(error: sa.exc.SQLAlchemyError) -> str:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    return next((line.strip() for line in cause if line.strip()), "no reason given")


def _parsed(url: str) -> sa.URL:
    """``DATABASE_URL`` in its parts.

    Nothing of it is told, nor kept as the cause: what is misread may be the password.
    """
    use = "use postgresql://user:password@host:5432/name or sqlite:///path/to/file"
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise OperatorError(f"DATABASE_URL is not a database address: {use}.") from None
    except ValueError:
        raise OperatorError(f"The port in DATABASE_URL is no number: {use}.") from None
    # The first @ ends the password; after a second one its rest would pass for the host.
    beside = url.partition("://")[2].partition(":")[2].partition("@")[2]
    if parsed.password is not None and "@" in beside:
        raise OperatorError("DATABASE_URL has an @ too many: write one in a password as %40.")
    return parsed


def _made(parsed: sa.URL, **options: Any) -> sa.Engine:
    try:
        return sa.create_engine(parsed, max_overflow=4, hide_parameters=True, **options)
    except (sa.exc.ArgumentError, ValueError):
        raise OperatorError("DATABASE_URL has a value after its ? that the database does not take.") from None


def _engine(url: str, threads: int) -> sa.Engine:
    parsed = _parsed(url)
    if parsed.get_backend_name() == "postgresql":
        return _made(parsed.set(drivername="postgresql+psycopg"), pool_size=2 * threads, pool_pre_ping=True)
    if parsed.get_backend_name() != "sqlite":
        raise OperatorError(
            f"DATABASE_URL names {parsed.get_backend_name()!r}; the casebook knows postgresql and sqlite."
        )
    if not parsed.database or parsed.database == ":memory:":
        raise OperatorError("An SQLite casebook needs a file: use sqlite:///path/to/file.")
    path = Path(parsed.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OperatorError(f"The folder of the casebook {path} cannot be made: {error.strerror}.") from error
    engine = _made(
        parsed.set(drivername="sqlite+pysqlite"),
        connect_args={"timeout": BUSY.total_seconds(), "check_same_thread": False},
        pool_size=2 * threads,
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see Casebook.write
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(_patience(BUSY))
        # What was erased or encrypted does not stay in the file's free pages; not every build sees to that.
        connection.execute("PRAGMA secure_delete=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # Take the write lock at once: a transaction that begins by reading could not upgrade to
        # writing after somebody else wrote.
        writes = connection.get_execution_options().get("takin_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def shown_address(url: str) -> str:
    """An address as it may be shown: without password and query, and nothing of one that cannot be read."""
    try:
        return _parsed(url).set(query={}).render_as_string(hide_password=True)
    except OperatorError:
        return "an address that cannot be read"


def _why_not(url: str, error: sa.exc.SQLAlchemyError) -> str:
    shown = shown_address(url)
    first = _first_line(error).rstrip(".")
    return f"The casebook at {shown} cannot be opened: {first}. Check DATABASE_URL and that the server runs."
