"""Serve an ASGI application inside an event loop that belongs to somebody else."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn

from schemas.errors import OperatorError


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process's own root decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int, *, purpose: str) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OperatorError: the port is taken or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle off only for sockets that say TCP: without it
    # every answer with a body waits about 40 ms for the peer's delayed acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(512)
    except OSError as error:
        sock.close()
        why = {
            errno.EADDRINUSE: "is already in use by another program",
            errno.EACCES: "may not be used by this account",
            errno.EADDRNOTAVAIL: "is not an address of this machine",
        }.get(error.errno or 0, f"cannot be used ({error.strerror})")
        raise OperatorError(
            f"{host}:{port} {why}, so {purpose} cannot listen there: free it or choose another port."
        ) from error
    sock.setblocking(False)
    return sock


class RunningServer:
    """A server that answers; made by :func:`serve`."""

    def __init__(self, server: _Server, task: "asyncio.Task[None]", sock: socket.socket) -> None:
        self._server = server
        self._task = task
        address = sock.getsockname()
        self.host: str = address[0]
        self.port: int = address[1]
        self.beside = contextlib.AsyncExitStack()
        """What lasts as long as it serves."""

    @property
    def url(self) -> str:
        """Base address without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Finish what is being answered, at most for ``grace_s``, and close the port."""
        await self.beside.aclose()
        self._server.should_exit = True
        try:
            await asyncio.wait_for(asyncio.shield(self._task), grace_s)
        except TimeoutError:
            self._server.force_exit = True
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


async def serve(
    app: Any,
    host: str,
    port: int,
    *,
    purpose: str,
    sock: socket.socket | None = None,
    trusted_proxies: Sequence[str] = (),
) -> RunningServer:
    """Start serving and return when the port answers.

    ``trusted_proxies`` are addresses and networks whose ``X-Forwarded-For`` is believed; from any other the
    header is only what somebody wrote, whatever the environment says.

    Raises:
        OperatorError: the port cannot be used.
    """
    sock = sock or bind(host, port, purpose=purpose)
    config = uvicorn.Config(
        app,
        http="h11",  # the bounds below are its own; where httptools is installed uvicorn would take that
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=True,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 * 1024,
        timeout_graceful_shutdown=5,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name=f"http-{purpose}")
    while not server.started:
        if task.done():
            task.result()
            raise OperatorError(f"{purpose} stopped before it answered.")
        await asyncio.sleep(0.005)
    return RunningServer(server, task, sock)
