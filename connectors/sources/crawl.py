"""Sites without an API: pages named by sitemaps, whose offers are described in schema.org JSON-LD.

Offers: whatever a site shows to visitors and search engines: OLX-like boards, small shops, auction houses.
Which pages there are is told by its sitemaps (sitemaps.org), what each offers by schema.org Product or Offer.
Terms: robots.txt is obeyed (RFC 9309), also its Crawl-delay; each site's own terms are for the operator to
read first. We say who we are (``user_agent``) and take no detours.
Limits: one request at a time for the whole site, the next one while a page is read, and not more often than
``crawl.delay_s`` or the site's own Crawl-delay, and ``crawl.calls_a_day`` requests a day, robots.txt and
sitemaps among them.
Cannot: see what needs a login or a script; see pages that no sitemap names; tell that a listing went away.
Sites that block programs are left: five refusals in a row end it.

A pass asks for pages that are new, whose ``lastmod`` is another, or that have none and were not looked at for
``crawl.again_s``; the newest first. Known pages are asked for with their validators. What was seen is
part of the cursor, which comes every 25 pages at most, and of a large site more seldom (a tenth of a second
for each thousand pages that it remembers), as making it takes longer there. A kill repeats what was read
since, and loses nothing.
"""

import json
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import structlog

from connectors.egress import EgressRefused
from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Pending, Reply, reply_error
from connectors.mapping import Unusable, seal
from connectors.pace import Pace
from connectors.pages import Node, listing_fields, moment, read_page
from connectors.platform import Page
from connectors.sources.ahead import one_ahead
from connectors.sources.crawl_ahead import Ahead, Held
from connectors.sources.crawl_state import CrawlState, Seen
from connectors.sources.robots import Robots, agent_of, read_robots
from connectors.sources.sitemap import CAP as SITEMAP_CAP
from connectors.sources.sitemap import Entry, UnreadableSitemap, read_sitemap
from schemas.dead_letter import DeadLetter, DeadLetterReason, dead_letter
from schemas.listing import Listing
from schemas.message import digest

log = structlog.get_logger(__name__)

PAGE_CAP = 4 * 1024 * 1024
"""Bytes of one page."""
REFUSALS = 5
"""Pages in a row that were refused or not to be had: the site does not want us, or is ill."""
MOST_SITEMAPS = 1_000
"""Of one pass."""
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CrawlLimits:
    """What is asked for, and how often."""

    sitemaps: tuple[str, ...] = ()
    pages: tuple[str, ...] = ("*",)
    delay_s: float = 2.0
    calls_a_day: int = 5_000
    again_s: float = 7 * 86_400.0
    since: datetime | None = None
    """What a sitemap dates before it is left out."""


class _Spent(Exception):
    """No request is left today."""


class CrawlSource:
    """One site."""

    def __init__(
        self,
        base: str,
        limits: CrawlLimits,
        *,
        platform: str,
        client: OutboundClient,
        user_agent: str,
        now: Callable[[], datetime],
        run_id: str = "crawl",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base
        self._limits = limits
        self.calls_left = limits.calls_a_day
        """Of today's calls, as of the last one."""
        self._platform = platform
        self._client = client
        self._agent = agent_of(user_agent)
        self._now = now
        self._run_id = run_id
        self._monotonic = monotonic
        self._pace = Pace(1.0 / limits.delay_s)
        self._pace_s = limits.delay_s
        self._origin = ""
        """Of the page asked for last: nearly always that of the next one."""
        self._robots_told: object = None
        self._robots_held: Robots | None = None
        """What the former says: it is asked about for every page, and read once."""

    def read(self, since: str | None) -> AsyncIterator[Page]:
        """One pass, a page ahead of its reader.

        Raises:
            PlatformUnavailable: go on later from the last cursor.
            PlatformRefused: the site refuses us.
        """
        return one_ahead(self._read(since))

    async def _read(self, since: str | None) -> AsyncGenerator[Page, None]:
        state = CrawlState.from_text(since)
        held = Held(self._monotonic(), self._monotonic())
        given = False
        try:
            async for page in self._pass(state, held):
                yield page
                given = True
        except _Spent:
            log.warning("calls_spent", platform=self._platform, calls_a_day=self._limits.calls_a_day)
            yield held.give(self._monotonic(), state.to_text())
        except Exception as error:
            # Nothing that is held may be lost: a cursor says that it was seen.
            known = isinstance(error, PlatformUnavailable | PlatformRefused)
            if held or (given and known):
                yield held.give(self._monotonic(), state.to_text() if known else None)
            raise

    async def _pass(self, state: CrawlState, held: Held) -> AsyncIterator[Page]:
        aside: list[DeadLetter] = []
        wanted, trouble = await self._wanted(state, aside)
        if trouble is not None:
            raise trouble
        if aside:
            yield Page((), tuple(aside))
        refused = 0
        ahead = Ahead(lambda: self._next(wanted, state))
        try:
            while (asked := await ahead.taken()) is not None:
                entry, reply = asked
                if reply.status == 429 or (reply.status == 503 and "retry-after" in reply.headers):
                    raise self._heeded(reply)
                refused = refused + 1 if reply.status in (401, 403, 451) or reply.status >= 500 else 0
                if refused >= REFUSALS:
                    raise reply_error(reply, self._now())
                if not refused and self._pace.is_free:
                    await ahead.begin()  # the site works at the next page while this one is read
                held.take(*self._taken(entry, reply, state))
                now = self._monotonic()
                if held.is_full(now, self._pace_s):
                    cursor = state.to_text() if held.needs_cursor(now, len(state.pages)) else None
                    if held or cursor:
                        yield held.give(now, cursor)
        finally:
            await ahead.end()
        yield held.give(self._monotonic(), state.to_text())

    async def _next(self, wanted: deque[Entry], state: CrawlState) -> tuple[Entry, Pending] | None:
        """Ask for the next page that we may have; ``None``: there is none."""
        while wanted:
            entry = wanted.popleft()
            if (await self._robots(entry.url, state)).allows(entry.url):
                return entry, await self._page(entry, state)
        return None

    # ---- what is to be asked for --------------------------------------------------------------------

    async def _wanted(
        self, state: CrawlState, aside: list[DeadLetter]
    ) -> tuple[deque[Entry], ConnectorError | None]:
        """What is due; or what is wrong, where not one sitemap could be read."""
        robots = await self._robots(self._base, state)
        waiting = list(self._limits.sitemaps or robots.sitemaps or (f"{self._base}/sitemap.xml",))
        known: set[str] = set()
        trouble: ConnectorError | None = None
        readable = False
        found: dict[str, Entry] = {}
        while waiting and len(known) < MOST_SITEMAPS:
            url = waiting.pop(0)
            if url in known or not self._may(url):
                continue
            known.add(url)
            entries = await self._sitemap(url, state, aside)
            if isinstance(entries, ConnectorError):
                trouble = entries
                continue
            readable = True
            for entry in entries:
                if entry.kind == "sitemap":
                    waiting.append(entry.url)
                elif self._is_due(entry, state):
                    found.setdefault(entry.url, entry)
        newest = sorted(found.values(), key=lambda one: moment(one.changed) or _OLDEST, reverse=True)
        return deque(newest), None if readable else trouble

    async def _sitemap(
        self, url: str, state: CrawlState, aside: list[DeadLetter]
    ) -> Sequence[Entry] | ConnectorError:
        """Its entries, or why they cannot be read, which costs no other sitemap."""
        if not (await self._robots(url, state)).allows(url):
            return ()
        reply = await self._get(url, state, cap=SITEMAP_CAP)
        if reply.status == 429 or reply.status >= 500:
            raise self._heeded(reply)
        if reply.status != 200:
            log.warning("sitemap_not_there", platform=self._platform, http_status=reply.status)
            return reply_error(reply, self._now())
        try:
            if not reply.complete:
                raise UnreadableSitemap(f"the sitemap has more than {SITEMAP_CAP} bytes")
            return read_sitemap(reply.body)
        except UnreadableSitemap as error:
            aside.append(self._letter(url, "wrong_shape", str(error), reply.body[:1_000]))
            return PlatformUnavailable("bad_reply", str(error), http_status=200)

    def _may(self, url: str) -> bool:
        try:
            self._client.policy.check_url(url)
        except EgressRefused:
            return False
        return True

    def _is_due(self, entry: Entry, state: CrawlState) -> bool:
        if not self._may(entry.url):
            return False
        if "*" not in self._limits.pages:
            path = urlsplit(entry.url)._replace(scheme="", netloc="", fragment="").geturl() or "/"
            if not any(fnmatchcase(path, one) for one in self._limits.pages):
                return False
        changed = moment(entry.changed)
        if self._limits.since is not None and changed is not None and changed < self._limits.since:
            return False
        seen = state.pages.get(entry.url)
        if seen is None or seen.changed != entry.changed:
            return True
        return entry.changed is None and self._now().timestamp() - seen.at >= self._limits.again_s

    # ---- asking --------------------------------------------------------------------------------------

    async def _robots(self, url: str, state: CrawlState) -> Robots:
        if not url.startswith(f"{self._origin}/"):
            self._origin = urlsplit(url)._replace(path="", query="", fragment="").geturl()
        origin = self._origin
        told = state.robots.get(origin)
        if told is None or told is not self._robots_told:
            self._robots_told, self._robots_held = told, Robots.from_held(told, self._agent)
        held = self._robots_held
        if held is None or not held.is_fresh(self._now()):
            held = await read_robots(
                origin, lambda at, cap: self._get(at, state, cap=cap), self._agent, self._now()
            )
            state.robots[origin] = held.to_held()
        if held.delay_s > self._pace_s:  # the site's own wish, where it is the longer one
            self._pace, self._pace_s = Pace(1.0 / held.delay_s), held.delay_s
            await self._pace.turn()  # the file itself was just asked for
        return held

    async def _page(self, entry: Entry, state: CrawlState) -> Pending:
        seen = state.pages.get(entry.url)
        headers = {"Accept": "text/html, */*;q=0.5"}
        if seen is not None and seen.etag:
            headers["If-None-Match"] = seen.etag
        if seen is not None and seen.modified:
            headers["If-Modified-Since"] = seen.modified
        await self._turn(state)
        return await self._client.ask("GET", entry.url, headers=headers, cap=PAGE_CAP)

    def _heeded(self, reply: Reply) -> PlatformUnavailable | PlatformRefused:
        error = reply_error(reply, self._now())
        if isinstance(error, PlatformUnavailable) and error.retry_after_s is not None:
            self._pace.be_silent(error.retry_after_s)
        return error

    async def _get(self, url: str, state: CrawlState, *, cap: int) -> Reply:
        await self._turn(state)
        return await self._client.request("GET", url, cap=cap)

    async def _turn(self, state: CrawlState) -> None:
        """Wait until we may ask, and count it."""
        today = self._now().astimezone(UTC).date().isoformat()
        if state.day != today:
            state.day, state.calls = today, 0
        if state.calls >= self._limits.calls_a_day:
            self.calls_left = 0
            raise _Spent
        silent = self._pace.silent_for_s
        if silent > 0:
            raise PlatformUnavailable("throttled", "the site asked to be left alone", retry_after_s=silent)
        await self._pace.turn()
        state.calls += 1
        self.calls_left = self._limits.calls_a_day - state.calls

    # ---- what came back ------------------------------------------------------------------------------

    def _taken(self, entry: Entry, reply: Reply, state: CrawlState) -> tuple[list[Listing], list[DeadLetter]]:
        """What is new or changed on a page. A page that was not to be had is asked for again next time."""
        now, before = self._now(), state.pages.get(entry.url)
        if reply.status >= 500 or reply.status in (401, 403, 408, 425, 451):
            return [], []
        state.pages.pop(entry.url, None)
        if reply.status == 304 and before is not None:
            state.pages[entry.url] = Seen(
                entry.changed, now.timestamp(), before.etag, before.modified, before.marks
            )
            return [], []
        seen = state.pages[entry.url] = Seen(
            entry.changed, now.timestamp(), reply.headers.get("etag"), reply.headers.get("last-modified")
        )
        if reply.status != 200:
            return [], []
        if not reply.complete:
            detail = f"The page is longer than {PAGE_CAP} bytes."
            return [], [self._letter(entry.url, "too_large", detail, reply.body[:1_000])]
        document = read_page(reply.body, reply.headers.get("content-type", ""))
        listings: list[Listing] = []
        letters: list[DeadLetter] = []
        for product in document.products:
            # An offer that has no id of its own and its page to itself is known by that.
            known_by = {"listing_id": entry.url} if len(document.products) == 1 else {}
            made = self._listing(known_by, product, entry.url, document.language, now)
            identity, mark = (
                (made.dead_letter_id, "-")
                if isinstance(made, DeadLetter)
                else (made.listing_id, made.content_hash[:12])
            )
            if identity not in seen.marks and (before is None or before.marks.get(identity) != mark):
                (letters if isinstance(made, DeadLetter) else listings).append(made)  # type: ignore[arg-type]
            seen.marks[identity] = mark
        return listings, letters

    def _listing(
        self, known_by: Mapping[str, str], product: Node, url: str, language: str | None, now: datetime
    ) -> Listing | DeadLetter:
        fields = {
            **known_by,
            **listing_fields(product, url, language),
            "platform": self._platform,
            "connector": "crawl",
            "run_id": self._run_id,
            "observed_at": now,
        }
        try:
            return seal(fields, now=now)
        except Unusable as refusal:
            raw = json.dumps(product, sort_keys=True, default=str).encode("utf-8", "replace")
            return self._letter(url, refusal.reason, refusal.detail, raw)

    def _letter(self, url: str, reason: DeadLetterReason, detail: str, raw: bytes) -> DeadLetter:
        return dead_letter(
            stage="connector",
            reason=reason,
            detail=detail,
            value=raw,
            now=self._now(),
            origin=f"{url}#{digest([raw])[:16]}",
            worker=self._run_id,
        )
