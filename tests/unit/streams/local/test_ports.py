"""Free ports on loopback."""

import socket

from streams.local.ports import FREE_RANGE, answers, free_port, is_free


async def test_a_port_is_free_until_somebody_listens() -> None:
    port = free_port()
    assert port in FREE_RANGE
    assert is_free(port)
    assert not await answers(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert await answers(port)
