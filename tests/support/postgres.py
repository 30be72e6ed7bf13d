"""A real PostgreSQL for tests: Debian's package, an own cluster in a temporary folder.

- ``postgres``: the server, one per test session.
- ``postgres_url``: a fresh empty database for the test, as ``postgresql://…``.
"""

import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.local.ports import free_port

INSTALL = "install it with: apt-get install postgresql"
SERVER_USER = "postgres"
"""Account of the server when the tests run as root, which PostgreSQL refuses; Debian's package makes it."""
_numbers = itertools.count(1)


class PostgresMissing(Exception):
    """PostgreSQL is not installed; the message says how to install it."""


def find_bin() -> Path:
    """The newest Debian ``/usr/lib/postgresql/*/bin``, or where ``initdb`` is on the path."""
    installed = [
        path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if os.access(path, os.X_OK)
    ]
    if installed:
        return max(installed, key=lambda folder: int(folder.parent.name))
    if on_path := shutil.which("initdb"):
        return Path(on_path).parent
    raise PostgresMissing(f"These tests need a PostgreSQL server and none is installed: {INSTALL}")


class PostgresServer:
    """A cluster of its own, on loopback with a password and on a socket in its own folder."""

    def __init__(self, *, fsync: bool = False) -> None:
        """``fsync`` off is quicker and loses nothing when a client of the server is killed."""
        self._bin = find_bin()
        self._fsync = fsync
        # Not in pytest's folders: the server's account may not enter those.
        self.folder = Path(tempfile.mkdtemp(prefix="takin-pg-"))
        self.port = free_port()
        self._password = secrets.token_urlsafe(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._templates: set[str] = set()

    def url(self, database: str) -> str:
        """Address of a database of this server."""
        return f"postgresql://takin:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster and start the server; returns when it answers."""
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        if os.geteuid() == 0:
            try:
                account = pwd.getpwnam(SERVER_USER)
            except KeyError:
                self.stop()
                raise PostgresMissing(
                    f"These tests run as root and the account {SERVER_USER} is missing: {INSTALL}"
                ) from None
            for path in (self.folder, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        subprocess.run(
            [
                *self._as_server(),
                *(str(self._bin / "initdb"), "-D", str(self.data), "-U", "takin"),
                *("--auth=scram-sha-256", f"--pwfile={password_file}"),
                *("--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions"),
            ],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(5):
            try:
                self._spawn()
            except AssertionError:
                if "Address already in use" not in self.log():
                    raise
                # Tests in another process took the port between our asking and our using it.
                (self.folder / "server.log").unlink()
                self.port = free_port()
            else:
                return
        raise AssertionError("no port stayed free long enough")

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self.folder / "data"

    def _spawn(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 200,
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_min_messages": "warning",
            "fsync": "on" if self._fsync else "off",
            "full_page_writes": "on" if self._fsync else "off",
            "synchronous_commit": "on" if self._fsync else "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_server(), str(self._bin / "postgres"), "-D", str(self.data), *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, f"PostgreSQL stopped at its start:\n{self.log()}"
            assert time.monotonic() < deadline, f"PostgreSQL does not answer:\n{self.log()}"
            time.sleep(0.05)

    def log(self) -> str:
        """What the server has logged."""
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """End every connection, stop, and remove the cluster."""
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """End the server as a crash would (every process of it); :meth:`restart` brings it back."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Start again on the same data and port after :meth:`kill`."""
        self._spawn()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _as_server(self) -> list[str]:
        """Run as the server's account, and stop when the tests are killed."""
        command = ["setpriv", "--pdeathsig", "INT"]
        if os.geteuid() == 0:
            command += ["--reuid", SERVER_USER, "--regid", SERVER_USER, "--clear-groups"]
        elif shutil.which("setpriv") is None:
            return []
        return [*command, "--"]

    def _answers(self) -> bool:
        # Asked at the socket in our own folder: at the port another server could answer.
        ready = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement and return what ``psql`` prints for it."""
        done = subprocess.run(
            [str(self._bin / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", self.url(database), "-c", statement],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def fresh_database(self, template: str = "template0") -> str:
        """Address of a new database, a copy of ``template``."""
        name = f"t{next(_numbers)}"
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """Name of a database that ``prepare(url)`` filled once, to make fresh ones of (e.g. migrated).

        ``prepare`` must have closed its connections when it returns.
        """
        if name not in self._templates:
            self.sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
            prepare(self.url(name))
            self._templates.add(name)
        return name


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server, started when the first test asks for it."""
    try:
        server = PostgresServer()
        server.start()
    except PostgresMissing as missing:
        pytest.fail(str(missing), pytrace=False)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """A fresh, empty database."""
    return postgres.fresh_database()
