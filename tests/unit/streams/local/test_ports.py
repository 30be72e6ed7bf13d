"""Free ports on loopback."""

import socket

from streams.local.ports import FREE_RANGE, INNER_RANGE, answers, free_port, is_free


async def test_a_port_is_free_until_somebody_listens() -> None:
    port = free_port()
    assert port in FREE_RANGE
    assert is_free(port)
    assert not await answers(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert await answers(port)


def test_what_is_chosen_at_each_start_takes_no_port_of_a_service() -> None:
    assert {free_port(INNER_RANGE) in INNER_RANGE for _ in range(20)} == {True}
    assert not set(INNER_RANGE) & set(FREE_RANGE)
