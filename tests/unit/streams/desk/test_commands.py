"""``takin accounts`` and ``takin desk`` from the keyboard."""

import json
from pathlib import Path

import pytest

from streams import cli
from streams.desk import passwords
from streams.notices.casebook import accounts
from streams.notices.casebook.database import Casebook


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)


def account(folder: Path, login: str) -> accounts.Account | None:
    casebook = Casebook.open(f"sqlite:///{folder / 'casebook.db'}")
    try:
        return casebook.answer(accounts.by_login, login)
    finally:
        casebook.close()


def test_an_account_is_made_listed_reset_and_disabled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add = ["accounts", "add", "kim", "--role", "platform", "--platform", "market", "--json"]
    assert cli.main(add) == 0
    first = json.loads(capsys.readouterr().out)["password"]
    assert cli.main(["accounts", "reset", "kim", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)["password"]
    kim = account(tmp_path, "kim")
    assert cli.main(["accounts", "disable", "kim"]) == 0
    assert cli.main(["accounts", "list"]) == 0
    listed = capsys.readouterr().out

    assert kim is not None
    assert not passwords.holds(kim.password_hash, first)
    assert passwords.holds(kim.password_hash, second)
    assert kim.password_hash.startswith("$argon2id$")
    assert "disabled" in listed
    assert second not in listed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "kim", "--role", "king"], "There is no role 'king'"),
        (["add", "kim", "--role", "platform"], "that role needs it"),
        (["add", "kim", "--role", "officer", "--platform", "market"], "goes with --role platform"),
        (["add", "Kim!", "--role", "officer"], "A login is"),
        (["reset", "nobody"], "takin accounts list"),
        (["disable", "no\x1b[2Jbody"], "\\x1b[2J"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["accounts", *arguments]) == 2

    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_login_is_not_made_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["accounts", "add", "kim", "--role", "officer"]) == 0
    assert cli.main(["accounts", "add", "kim", "--role", "lead"]) == 2

    assert "takin accounts reset kim" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0", "--base", "http://desk.example"], "serve it by https"),
        (["--base", "desk.example.org"], "is no address"),
    ],
)
def test_the_desk_does_not_start_where_it_would_show_personal_data_in_the_clear(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["desk", *arguments]) == 2

    assert said in capsys.readouterr().err
