"""What a site allows a program: robots.txt (RFC 9309), with Crawl-delay as most sites mean it.

A file that is not there (4xx) allows everything. One that cannot be asked for (5xx, 429, no answer) forbids
everything until it can: the caller comes back later. It is asked for again after a day. Redirects are
followed up to five times, and only to hosts that the policy allows.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urljoin

from protego import Protego

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http import Reply, reply_error
from connectors.pages import moment

CAP = 500 * 1024
"""Bytes that are read of the file: as many as RFC 9309, 2.5 asks for; what lies beyond is not seen."""
FRESH = timedelta(days=1)
REDIRECTS = 5
LONGEST_DELAY_S = 86_400.0

Fetch = Callable[[str, int], Awaitable[Reply]]
"""An address and the bytes that are read of it."""


@dataclass(frozen=True, slots=True)
class Robots:
    """The file of one host."""

    text: str
    read_at: datetime
    agent: str
    """Our product token: what a group of rules names."""

    def allows(self, url: str) -> bool:
        """Whether we may ask for an address."""
        return bool(_parsed(self.text).can_fetch(url, self.agent))

    @property
    def delay_s(self) -> float:
        """Seconds between two requests that the site asks for; 0 where it asks for none."""
        asked = _parsed(self.text).crawl_delay(self.agent) or 0.0
        return min(asked, LONGEST_DELAY_S) if asked > 0 else 0.0

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """Where the site says that its sitemaps are."""
        return tuple(dict.fromkeys(_parsed(self.text).sitemaps))

    def is_fresh(self, now: datetime) -> bool:
        """Whether it need not be asked for again."""
        return now - self.read_at < FRESH

    def to_held(self) -> dict[str, str]:
        """For a cursor."""
        return {"text": self.text, "read_at": self.read_at.isoformat()}

    @classmethod
    def from_held(cls, held: object, agent: str) -> "Robots | None":
        """``None`` where it is none of ours."""
        if not isinstance(held, dict) or (read_at := moment(held.get("read_at"))) is None:
            return None
        return cls(str(held.get("text", "")), read_at, agent)


_last: tuple[str, Protego] = ("", Protego.parse(""))


def _parsed(text: str) -> Protego:
    """A file is asked about for every page, and parsed once."""
    global _last  # noqa: PLW0603 - one site at a time
    if _last[0] != text:
        _last = (text, Protego.parse(text))
    return _last[1]


def agent_of(user_agent: str) -> str:
    """The product token of a ``User-Agent``.

    >>> agent_of("takin/0.1 (wildlife listing notices)")
    'takin'
    """
    return next(iter(user_agent.partition("/")[0].split()), "takin")


async def read_robots(origin: str, fetch: Fetch, agent: str, now: datetime) -> Robots:
    """The file of a host, ``origin`` being its scheme, host and port.

    Raises:
        PlatformUnavailable: it cannot be told what the site allows: later.
    """
    url = f"{origin}/robots.txt"
    for _ in range(REDIRECTS + 1):
        try:
            reply = await fetch(url, CAP)
        except PlatformRefused:  # a redirect to where we do not go
            return Robots("", now, agent)
        if 300 <= reply.status < 400 and reply.headers.get("location"):
            url = urljoin(url, reply.headers["location"])
            continue
        if reply.status == 200:
            return Robots(reply.body.decode("utf-8", "replace").removeprefix("\ufeff"), now, agent)
        if reply.status == 429 or reply.status >= 500:
            error = reply_error(reply, now)
            raise (
                error
                if isinstance(error, PlatformUnavailable)
                else PlatformUnavailable("server_error", "robots.txt cannot be read")
            )
        break
    return Robots("", now, agent)
