"""The servers that other tests stand on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support.broker import Broker, MakeTopic, read_all, send
from tests.support.postgres import PostgresMissing, PostgresServer


@pytest.mark.postgres
def test_each_database_is_empty_and_takes_sql(postgres: PostgresServer, postgres_url: str) -> None:
    other = postgres.fresh_database()
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE mine (name text)")

    with psycopg.connect(other) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == []
    count = "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'"
    assert postgres.sql(count, postgres_url.rpartition("/")[2]) == "1"


@pytest.mark.postgres
def test_a_template_is_prepared_once_and_copied(postgres: PostgresServer) -> None:
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        postgres.sql("CREATE TABLE copied ()", url.rpartition("/")[2])

    for _ in range(2):
        url = postgres.fresh_database(postgres.template("with-a-table", prepare))
        assert postgres.sql("SELECT count(*) FROM copied", url.rpartition("/")[2]) == "0"
    assert len(prepared) == 1


@pytest.mark.postgres
def test_a_crashed_server_comes_back_on_its_data() -> None:
    server = PostgresServer(fsync=True)
    try:
        server.start()
        server.sql("CREATE TABLE kept AS SELECT 7 AS seven")
        server.kill()
        server.restart()
        assert server.sql("SELECT seven FROM kept") == "7"
    finally:
        server.stop()
    assert not server.folder.exists()


@pytest.mark.postgres
def test_killed_tests_leave_no_server_behind() -> None:
    program = (
        "import time\n"
        "from tests.support.postgres import PostgresServer\n"
        "server = PostgresServer(); server.start()\n"
        "print(server._process.pid, server.folder, flush=True)\n"
        "time.sleep(60)\n"
    )
    tests = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    pid, folder = tests.stdout.readline().split()
    server = psutil.Process(int(pid))
    try:
        os.kill(tests.pid, signal.SIGKILL)
        tests.wait()
        deadline = time.monotonic() + 15
        while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "PostgreSQL outlived the tests"
            time.sleep(0.05)
    finally:
        tests.stdout.close()
        shutil.rmtree(Path(folder))


def test_a_missing_postgresql_is_said_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PostgresMissing, match="apt-get install postgresql"):
        PostgresServer()


@pytest.mark.kafka
async def test_a_topic_of_its_own_keeps_what_is_sent(broker: Broker, make_topic: MakeTopic) -> None:
    topic = await make_topic("listings", partitions=2)
    await send(broker.bootstrap, topic, (b"a", b"1"), (b"b", b"2"), (b"a", b"3"))

    records = await read_all(broker.bootstrap, topic)
    found = sorted((record.key, record.value) for record in records)
    assert found == [(b"a", b"1"), (b"a", b"3"), (b"b", b"2")]


def test_what_needs_a_broker_stands_where_make_test_looks_for_it() -> None:
    root = Path(__file__).parents[2]
    lines = (root / "deploy/ci/test.sh").read_text("utf-8").splitlines()
    steps = [line for line in lines if "-m pytest" in line and "not kafka" not in line]
    folders = [root / word for step in steps for word in step.split() if word.startswith("tests/")]
    marked = [file for file in (root / "tests").rglob("test_*.py") if "mark.kafka" in file.read_text("utf-8")]

    assert marked
    assert [file for file in marked if not any(file.is_relative_to(folder) for folder in folders)] == []
