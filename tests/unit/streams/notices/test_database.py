"""What is said of the casebook's address and of its errors has no secret in it."""

import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import OperatorError
from streams.notices.casebook.database import Casebook, shown_address

CANARY = "s3cret-canary"
UNREADABLE = "an address that cannot be read"

SHOWN = [
    pytest.param(f"postgresql://t:{CANARY}@h/x", "postgresql://t:***@h/x", id="password"),
    pytest.param(f"postgresql://h/x?user=t&password={CANARY}", "postgresql://h/x", id="in the query"),
    pytest.param(f"postgresql://h/x?user=t&pasword={CANARY}", "postgresql://h/x", id="misspelt"),
    pytest.param(f"postgresql//t:{CANARY}@h/x", UNREADABLE, id="no address"),
    pytest.param(f"postgresql://t:{CANARY}@h:port/x", UNREADABLE, id="port is no number"),
    pytest.param(f"postgresql://t:{CANARY}/x", UNREADABLE, id="no host"),
    pytest.param(f"postgresql://t:a@{CANARY}@h/x", UNREADABLE, id="@ in the password"),
    pytest.param(f"postgresql://t:a@{CANARY}/b?c@h/x", UNREADABLE, id="@, / and ? in the password"),
    pytest.param("sqlite:////srv/x.db?timeout=9", "sqlite:////srv/x.db", id="a file"),
]


@pytest.mark.parametrize(("url", "shown"), SHOWN)
def test_an_address_is_shown_without_what_is_secret(url: str, shown: str) -> None:
    assert shown_address(url) == shown


@given(before=st.text(), after=st.text())
def test_no_password_is_shown_however_it_is_written(before: str, after: str) -> None:
    assert CANARY not in shown_address(f"postgresql://t:{before}{CANARY}{after}@h/x")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param(f"postgresql//t:{CANARY}@h/x", "not a database address", id="no address"),
        pytest.param(f"postgresql://t:{CANARY}@h:port/x", "port in DATABASE_URL", id="port is no number"),
        pytest.param(f"postgresql://t:{CANARY}/x", "port in DATABASE_URL", id="no host"),
        pytest.param(f"postgresql://t:a@{CANARY}@h/x", "an @ too many", id="@ in the password"),
        pytest.param(f"postgresql://h/x?host=a:{CANARY}&host=b", "after its ?", id="port in the query"),
        pytest.param(f"sqlite:///{{folder}}/x.db?timeout={CANARY}", "after its ?", id="value in the query"),
    ],
)
def test_an_address_that_is_wrong_is_refused_without_it(url: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=told.replace("?", r"\?")) as refused:
        Casebook.open(url.format(folder=tmp_path))

    assert CANARY not in "".join(traceback.format_exception(refused.value))


def test_an_error_of_a_statement_does_not_tell_its_values(tmp_path: Path) -> None:
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1, migrate=False)
    with pytest.raises(sa.exc.OperationalError) as failed, casebook.write() as tx:
        tx.execute(sa.text("INSERT INTO nowhere VALUES (:secret)"), {"secret": CANARY})
    casebook.close()

    assert CANARY not in str(failed.value)


def test_a_look_asks_sqlite_for_nothing_besides_itself(tmp_path: Path) -> None:
    """Every process looks several times a second: what stands around a question is paid each time."""
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1, migrate=False)
    asked: list[str] = []
    with casebook.read() as tx:
        raw = tx.connection.dbapi_connection
        assert raw is not None
        raw.set_trace_callback(asked.append)  # the pool has one connection, so the next look has it too
    asked.clear()

    with casebook.read() as tx:
        tx.execute(sa.text("SELECT 1"))
    casebook.close()

    assert asked == ["BEGIN", "SELECT 1", "ROLLBACK"] or asked == ["BEGIN", "SELECT 1", "COMMIT"]
