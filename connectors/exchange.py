"""One HTTP exchange as it went over the wire, to be kept as evidence."""

from dataclasses import dataclass

HeaderLines = tuple[tuple[bytes, bytes], ...]
"""Names and values in their order and spelling."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its reply. A request of ours has no body here."""

    method: str
    url: str
    request_target: bytes
    """Path and query as sent."""
    request_headers: HeaderLines
    http_version: str
    """Of the reply, for example ``HTTP/1.1``."""
    status: int
    reason: bytes
    """The reply's reason phrase."""
    headers: HeaderLines
    body: bytes
    """As received: compressed if the reply was; only the chunks of HTTP/1.1 are joined."""
    complete: bool
    """False: the reply was longer than what is kept and was cut there."""
    server: str | None = None
    """Address that answered."""
