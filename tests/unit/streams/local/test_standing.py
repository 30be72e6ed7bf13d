"""How far everything is, while Kafka is away."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.local import standing, together
from streams.local.standing import Watch
from streams.notices.casebook.database import Casebook


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Casebook]:
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1)
    yield casebook
    casebook.close()


async def test_where_no_kafka_answers_there_is_no_standing(book: Casebook) -> None:
    async with Watch("127.0.0.1:1", book) as watch:
        assert await watch.look() is None
        assert await watch.look() is None


async def test_a_kafka_that_takes_calls_and_says_nothing_is_given_up(
    book: Casebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "CONNECT_WITHIN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        async with Watch(f"127.0.0.1:{mute.getsockname()[1]}", book) as watch:
            assert await watch.look() is None


async def test_the_last_look_asks_again_for_a_while(book: Casebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "LAST_LOOK_S", 0.5)
    looks = 0

    class Away(Watch):
        async def look(self) -> None:
            nonlocal looks
            looks += 1

    assert await together._last_look(Away("127.0.0.1:1", book)) is None
    assert looks > 1
