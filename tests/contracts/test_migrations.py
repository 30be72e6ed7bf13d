"""Tables change by adding only, so that the program of the version before works on beside the new one.

Judged by running one migration after the other on both databases and looking at the tables after each.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from schemas.errors import OperatorError
from streams import cli
from streams.notices import handlers
from streams.notices.casebook import figures, table_versions
from streams.notices.casebook.database import Casebook
from tests.support.notices import T0, make_desk, make_detection
from tests.support.postgres import PostgresServer


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'casebook.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh_database()


@pytest.fixture
def casebook(url: str) -> Iterator[Casebook]:
    book = Casebook.open(url, threads=1, migrate=False)
    yield book
    book.close()


Step = Callable[[sa.Connection], None]


def applying(revision: str) -> Step:
    def step(connection: sa.Connection) -> None:
        config = table_versions._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    return step


def running(statement: str) -> Step:
    def step(connection: sa.Connection) -> None:
        connection.execute(sa.text(statement))

    return step


def done(casebook: Casebook, step: Step) -> None:
    with casebook.engine.connect().execution_options(takin_writes=True) as connection:
        step(connection)
        connection.commit()


@dataclass(frozen=True)
class Shape:
    """What a program could notice of one table."""

    columns: Mapping[str, Mapping[str, Any]]
    key: tuple[str, ...]
    unique: frozenset[tuple[str, ...]]
    """Columns of each unique constraint or index, also one over some rows only."""
    checks: frozenset[str]
    references: frozenset[tuple[str, ...]]


def shapes(casebook: Casebook) -> dict[str, Shape]:
    with casebook.engine.connect() as connection:
        seen = sa.inspect(connection)
        return {
            table: Shape(
                {column["name"]: dict(column) for column in seen.get_columns(table)},
                tuple(seen.get_pk_constraint(table)["constrained_columns"]),
                frozenset(tuple(one["column_names"]) for one in seen.get_unique_constraints(table))
                | frozenset(
                    tuple(map(str, one["column_names"])) for one in seen.get_indexes(table) if one["unique"]
                ),
                frozenset(one["sqltext"] for one in seen.get_check_constraints(table)),
                frozenset(tuple(one["constrained_columns"]) for one in seen.get_foreign_keys(table)),
            )
            for table in seen.get_table_names()
        }


def narrowed(before: Mapping[str, Shape], after: Mapping[str, Shape]) -> list[str]:
    """What a program that knows ``before`` could trip over in ``after``, each in a sentence."""
    found = [f"{table} is gone" for table in before.keys() - after.keys()]
    for table, old in before.items():
        if (new := after.get(table)) is None:
            continue
        found += [f"{table}.{name} is gone" for name in old.columns.keys() - new.columns.keys()]
        for name, column in new.columns.items():
            known = old.columns.get(name)
            if known is None:
                if not column["nullable"] and column["default"] is None:
                    found.append(f"{table}.{name} is new and must be given")
            elif str(known["type"]) != str(column["type"]):
                found.append(f"{table}.{name} was {known['type']} and is {column['type']}")
            elif known["nullable"] and not column["nullable"]:
                found.append(f"{table}.{name} must now be given")
            elif known["default"] != column["default"]:
                found.append(f"{table}.{name} has another default")
        if old.key != new.key:
            found.append(f"{table} has another key")
        # A new column is empty in what an older program writes, and empty values are never alike.
        found += [
            f"{table} has a new unique {columns}"
            for columns in new.unique - old.unique
            if old.columns.keys() >= set(columns)
        ]
        found += [f"{table} has a new check {one}" for one in new.checks - old.checks]
        found += [
            f"{table} has a new reference by {columns}"
            for columns in new.references - old.references
            if old.columns.keys() >= set(columns)
        ]
    return sorted(found)


def test_every_change_of_the_tables_adds_only_or_says_that_it_breaks(casebook: Casebook) -> None:
    scripts = list(ScriptDirectory.from_config(table_versions._config()).walk_revisions())[::-1]
    done(casebook, applying(scripts[0].revision))
    found = {}
    before = shapes(casebook)
    for script in scripts[1:]:
        done(casebook, applying(script.revision))
        after = shapes(casebook)
        if not table_versions._breaks(script):
            found[script.revision] = narrowed(before, after)
        before = after

    assert {revision: what for revision, what in found.items() if what} == {}
    assert len(found) >= 13


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP TABLE case_mark", "case_mark is gone"),
        ("ALTER TABLE notice_item DROP COLUMN claim_rank", "notice_item.claim_rank is gone"),
        ("ALTER TABLE outbox RENAME COLUMN purpose TO aim", "outbox.purpose is gone"),
        ("ALTER TABLE outbox ADD COLUMN aim TEXT NOT NULL DEFAULT 'x'", None),
        ("ALTER TABLE outbox ADD COLUMN aim TEXT", None),
        ("CREATE UNIQUE INDEX ix_narrow ON outbox (content_type)", "outbox has a new unique"),
        ("CREATE INDEX ix_wide ON outbox (content_type)", None),
        (
            "CREATE UNIQUE INDEX ix_part ON outbox (recipient) WHERE purpose IS NULL",
            "outbox has a new unique",
        ),
    ],
)
def test_a_change_that_an_older_program_would_trip_over_is_found(
    casebook: Casebook, statement: str, told: str | None
) -> None:
    done(casebook, applying("head"))
    before = shapes(casebook)

    done(casebook, running(statement))

    found = narrowed(before, shapes(casebook))
    assert found == [] if told is None else any(one.startswith(told) for one in found), found


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE outbox ALTER COLUMN purpose SET NOT NULL", "outbox.purpose must now be given"),
        ("ALTER TABLE outbox ALTER COLUMN attempts TYPE TEXT", "outbox.attempts was INTEGER and is TEXT"),
        ("ALTER TABLE outbox ADD CHECK (attempts < 9)", "outbox has a new check"),
        ("ALTER TABLE outbox ADD FOREIGN KEY (recipient) REFERENCES lease (name)", "outbox has a new refer"),
    ],
)
def test_so_is_one_that_only_postgresql_can_make(postgres_url: str, statement: str, told: str) -> None:
    book = Casebook.open(postgres_url, threads=1)
    before = shapes(book)

    done(book, running(statement))

    [found] = narrowed(before, shapes(book))
    book.close()
    assert found.startswith(told)


def newer(casebook: Casebook, version: str, since: str) -> None:
    """As a program leaves the tables that is newer than this one."""
    done(casebook, running(f"UPDATE alembic_version SET version_num = '{version}'"))
    done(casebook, running(f"UPDATE readable_since SET version = '{version}', since = '{since}'"))


def test_a_program_of_the_version_before_starts_on_newer_tables_that_add_only(
    url: str, casebook: Casebook
) -> None:
    table_versions.upgrade(casebook.engine)
    newer(casebook, "9999", "0017")
    done(casebook, running("ALTER TABLE outbox ADD COLUMN of_the_future TEXT"))

    book = Casebook.open(url, threads=1)

    taken = book.decide(handlers.take_detection, make_detection(), make_desk(), now=T0)
    with book.read() as tx:
        assert table_versions.look(tx).have == "9999"
        assert figures.totals(tx).notices == 1
    book.close()
    assert taken.result == "noticed"


@pytest.mark.parametrize("since", ["9999", "9998"])
def test_newer_tables_that_break_are_refused(url: str, casebook: Casebook, since: str) -> None:
    table_versions.upgrade(casebook.engine)
    newer(casebook, "9999", since)

    with pytest.raises(OperatorError, match="9999"):
        Casebook.open(url)


def test_what_was_said_of_other_tables_is_no_word_about_these(url: str, casebook: Casebook) -> None:
    table_versions.upgrade(casebook.engine)
    done(casebook, running("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(OperatorError, match="9999"):
        Casebook.open(url)


@pytest.mark.postgres
def test_a_change_waits_for_a_long_report_and_lets_everybody_else_pass(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_versions, "LOCK_WITHIN_S", 0.3)
    monkeypatch.setattr(table_versions, "PAUSE_S", 0.3)
    book = Casebook.open(postgres_url, threads=2, migrate=False)
    done(book, applying("0012"))  # the next one adds a column to the table of attempts
    failed: list[BaseException] = []

    def change() -> None:
        try:
            table_versions.upgrade(book.engine)
        except BaseException as error:
            failed.append(error)

    changing = threading.Thread(target=change)
    with book.read() as report:
        report.execute(sa.text("SELECT count(*) FROM audit")).scalar_one()
        changing.start()
        longest = 0.0
        for _ in range(20):
            began = time.monotonic()
            with book.read() as other:
                other.execute(sa.text("SELECT count(*) FROM audit")).scalar_one()
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.05)
        assert changing.is_alive()
    changing.join(30)

    with book.read() as tx:
        assert table_versions.look(tx).changes == ()
    book.close()
    assert failed == []
    assert longest < 2.0


@pytest.mark.postgres
def test_a_change_that_waits_too_long_says_why_and_changes_nothing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_versions, "LOCK_WITHIN_S", 0.05)
    monkeypatch.setattr(table_versions, "PAUSE_S", 0.01)
    monkeypatch.setattr(table_versions, "TRIES", 2)
    book = Casebook.open(postgres_url, threads=2, migrate=False)
    done(book, applying("0012"))

    with book.read() as report:
        report.execute(sa.text("SELECT count(*) FROM audit")).scalar_one()
        with pytest.raises(OperatorError, match="a dump or a long report"):
            table_versions.upgrade(book.engine)

    with book.read() as tx:
        assert table_versions.look(tx).have == "0012"
    book.close()


def test_the_command_says_what_it_would_change_and_then_does_it(
    url: str, casebook: Casebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done(casebook, applying("0013"))
    monkeypatch.setenv("DATABASE_URL", url)

    assert cli.main(["notices", "migrate", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "would apply  0017: Says which programs" in told
    assert "of version 0013, this program's of" in told

    assert cli.main(["notices", "migrate"]) == 0
    with casebook.read() as tx:
        found = table_versions.look(tx)
    assert found.changes == ()
    assert f"of version {found.have}, this program's of {found.have}." in capsys.readouterr().out
