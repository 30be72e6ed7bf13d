"""A filled casebook, made once and copied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from streams.notices.casebook.database import Casebook
from tests.support.desk import Filled, add_accounts, app_over, fill


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Filled]:
    path = tmp_path_factory.mktemp("desk") / "casebook.db"
    book = Casebook.open(f"sqlite:///{path}")
    add_accounts(book)
    filled = fill(book)
    book.close()
    return path, filled


@pytest.fixture
def filled(template: tuple[Path, Filled]) -> Filled:
    return template[1]


@pytest.fixture
def casebook(template: tuple[Path, Filled], tmp_path: Path) -> Iterator[Casebook]:
    shutil.copy(template[0], tmp_path / "casebook.db")
    book = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    yield book
    book.close()


@pytest.fixture
def app(casebook: Casebook, tmp_path: Path) -> FastAPI:
    return app_over(casebook, tmp_path)
