"""A fresh casebook for a test, copied from one whose tables were made once."""

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

from streams.notices.casebook.database import Casebook
from tests.support.postgres import PostgresServer


@lru_cache(maxsize=1)
def _made_once() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="takin-casebook-")
    _kept.append(folder)
    path = Path(folder.name) / "casebook.db"
    Casebook.open(f"sqlite:///{path}").close()
    return path


_kept: list[tempfile.TemporaryDirectory[str]] = []
"""Removed when the process ends."""


def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty casebook: SQLite or PostgreSQL, as the fixture's parameter says."""
    if request.param == "sqlite":
        path = tmp_path / "casebook.db"
        shutil.copyfile(_made_once(), path)
        return f"sqlite:///{path}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh_database(server.template("casebook", lambda one: Casebook.open(one).close()))
