"""From what a person writes after ``takin connect`` to a source that can be read."""

import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import httpx

from connectors.egress import EgressPolicy, EgressRefused
from connectors.http import OutboundClient
from connectors.pace import Pace
from connectors.platform import Page, Platform, Searches, Streams
from connectors.platform_config import CrawlOptions, ReadsOptions
from connectors.registry import QUEUES, SHELVES, PlatformConfig, build, resolve_reader_keys
from connectors.sources.crawl import CrawlLimits, CrawlSource
from connectors.sources.feed import FeedSource
from connectors.sources.file import PAGE, FileSource
from connectors.sources.folder import FolderSource
from connectors.sources.page import PageSource
from connectors.sources.shelf_source import ShelfSource
from connectors.sources.telegram import TelegramSource
from connectors.sources.warc import WarcSource
from schemas.errors import OperatorError
from streams.connect.runner import Source


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for."""

    source: str
    """``file:PATH``, ``folder:PATH``, ``warc:PATH``, ``feed:URL``, ``page:URL`` or a platform's name."""
    platform: str | None = None
    """Whose listings a feed or page holds."""
    follow: bool = False
    rate: float | None = None
    limit: int | None = None
    search: str | None = None
    """Only what holds these words, by the platform's own search."""
    since: datetime | None = None
    """Nothing that the platform dates before this."""
    keep: bool = False
    """Leave files where they are, and what a server would delete."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source, ready to be read."""

    source: Source
    connector: str
    place: str
    platform: str
    close: Callable[[], object]
    size: int | None = None
    """Bytes, for a progress bar."""


class _PlatformSource:
    """A configured platform's own source; where it can stay connected, it does."""

    def __init__(self, platform: Platform, *, follow: bool) -> None:
        self._platform = platform
        self._follow = follow

    def read(self, since: str | None) -> AsyncIterator[Page]:
        if self._follow and isinstance(self._platform, Streams):
            return self._platform.stream(since)
        return self._platform.fetch(since)


def open_source(
    wanted: Wanted,
    configs: Sequence[PlatformConfig],
    *,
    run_id: str,
    now: Callable[[], datetime],
    progress: Callable[[int], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Opened:
    """Open what was asked for; nothing is fetched yet.

    Raises:
        OperatorError: the source is not known or cannot be there.
    """
    kind, colon, rest = wanted.source.partition(":")
    if wanted.search is not None and colon:
        raise OperatorError("--search is for a platform of the platforms file, not for a file, feed or page.")
    known = {config.name: config.base for config in configs}
    if colon and kind in ("file", "folder", "warc") and rest:
        return _files(kind, Path(rest).expanduser(), wanted, configs, run_id, now, progress)
    if colon and kind in ("feed", "page") and rest:
        client, platform = _client(rest, wanted.platform, configs)
        made = FeedSource if kind == "feed" else PageSource
        web = made(rest, platform=platform, client=client, now=now, run_id=run_id)
        return Opened(web, kind, f"{platform} {rest}", platform, client.aclose)
    for config in configs:
        if config.name == wanted.source and config.reads is not None and config.reads.api in QUEUES:
            return _telegram(config, config.reads, wanted, run_id, now, environment)
        if config.name == wanted.source and config.reads is not None:
            return _shelf(config, config.reads, wanted, run_id, now, environment)
        if config.name == wanted.source and config.crawl is not None:
            return _crawl(config, config.crawl, wanted, run_id, now)
        if config.name == wanted.source:
            spoken = build(config, environment=environment) if environment else build(config)
            if not spoken.capabilities.fetch:
                raise OperatorError(f"{config.name} offers no listings to read; it only takes notices.")
            source: Source = _PlatformSource(spoken, follow=wanted.follow)
            place = config.name
            if wanted.search is not None:
                if not isinstance(spoken, Searches):
                    raise OperatorError(f"{config.name} cannot be searched: leave --search out.")
                source, place = spoken.search(wanted.search), f"{config.name} search {wanted.search}"
            return Opened(source, config.kind, place, config.name, spoken.aclose)
    names = ", ".join(sorted(known)) or "none"
    raise OperatorError(
        f"{wanted.source!r} is no source: write file:PATH, folder:PATH, warc:PATH, feed:URL, "
        f"page:URL or a platform's name ({names})."
    )


def _files(
    kind: str,
    path: Path,
    wanted: Wanted,
    configs: Sequence[PlatformConfig],
    run_id: str,
    now: Callable[[], datetime],
    progress: Callable[[int], None] | None,
) -> Opened:
    """What lies on this machine."""
    place = str(path.resolve())
    if kind == "warc":
        archive = WarcSource(path, platform_of=_platform_of(wanted.platform, configs), now=now, run_id=run_id)
        return Opened(archive, "warc", place, wanted.platform or "several", _nothing)
    known = {config.name: config.base for config in configs}
    if kind == "folder":
        drops = FolderSource(
            path, platforms=known, now=now, run_id=run_id, limit=wanted.limit, keep=wanted.keep
        )
        return Opened(drops, "folder", place, "several", _nothing)
    file = FileSource(
        path,
        platforms=known,
        now=now,
        run_id=run_id,
        # At a low rate smaller pages, so that the cursor is never far behind what was published.
        page_size=PAGE if wanted.rate is None else max(1, min(PAGE, int(wanted.rate))),
        limit=wanted.limit,
        follow=wanted.follow,
        progress=progress,
    )
    return Opened(file, "file", place, "several", _nothing, file.size)


def _shelf(
    config: PlatformConfig,
    reads: ReadsOptions,
    wanted: Wanted,
    run_id: str,
    now: Callable[[], datetime],
    environment: Mapping[str, str] | None,
) -> Opened:
    """The API by which a platform's listings are read, at its pace."""
    shelf = SHELVES[reads.api](reads)
    words = reads.words
    if wanted.search is not None:
        if not shelf.manners.searches:
            raise OperatorError(f"{config.name} is read whole: leave --search out.")
        words = (wanted.search,)
    key, secret = resolve_reader_keys(config, environment or os.environ)
    api = (reads.base_url or config.base).rstrip("/")
    client = _api_client(api, config)
    token_client = _api_client(reads.token_url, config) if reads.token_url else None

    async def close() -> None:
        await client.aclose()
        if token_client is not None:
            await token_client.aclose()

    source = ShelfSource(
        shelf,
        platform=config.name,
        pages=config.base,
        api=api,
        name=reads.api,
        client=client,
        pace=Pace(reads.rate_per_s),
        now=now,
        run_id=run_id,
        words=words,
        key=key,
        secret=secret,
        calls_a_day=reads.calls_a_day,
        whole_every=timedelta(seconds=reads.whole_every_s),
        since=wanted.since,
        token_url=reads.token_url,
        token_client=token_client,
        token_file=reads.token_file,
    )
    place = config.name if wanted.search is None else f"{config.name} search {wanted.search}"
    return Opened(source, reads.api, place, config.name, close)


def _telegram(
    config: PlatformConfig,
    reads: ReadsOptions,
    wanted: Wanted,
    run_id: str,
    now: Callable[[], datetime],
    environment: Mapping[str, str] | None,
) -> Opened:
    """What a bot hears in channels."""
    if wanted.search is not None:
        raise OperatorError(f"{config.name} cannot be searched: leave --search out.")
    token, _ = resolve_reader_keys(config, environment or os.environ)
    assert token is not None, "the platforms file was checked"
    api = (reads.base_url or config.base).rstrip("/")
    client = _api_client(api, config)
    source = TelegramSource(
        platform=config.name,
        pages=config.base,
        api=api,
        token=token,
        client=client,
        pace=Pace(reads.rate_per_s),
        now=now,
        run_id=run_id,
        channels=reads.words,
        follow=wanted.follow,
        keep=wanted.keep,
    )
    return Opened(source, reads.api, config.name, config.name, client.aclose)


def _crawl(
    config: PlatformConfig,
    options: CrawlOptions,
    wanted: Wanted,
    run_id: str,
    now: Callable[[], datetime],
) -> Opened:
    """A site's pages by its sitemaps."""
    if wanted.search is not None:
        raise OperatorError(f"{config.name} is read by its sitemaps: leave --search out.")
    client = _web_client(config)
    limits = CrawlLimits(**options.model_dump(), since=wanted.since)
    source = CrawlSource(
        config.base,
        limits,
        platform=config.name,
        client=client,
        user_agent=config.user_agent,
        now=now,
        run_id=run_id,
    )
    return Opened(source, "crawl", config.name, config.name, client.aclose)


def _web_client(config: PlatformConfig) -> OutboundClient:
    """A client for a platform's own pages."""
    return OutboundClient(
        EgressPolicy.for_base_url(
            config.base,
            private=config.private_address,
            more_hosts=config.listing_hosts,
            plain_http=True,
            socks=config.proxy,
        ),
        config.limits,
        user_agent=config.user_agent,
        ca_file=str(config.ca_file) if config.ca_file else None,
    )


def _api_client(url: str, config: PlatformConfig) -> OutboundClient:
    """A client for one host and no other."""
    return OutboundClient(
        EgressPolicy.for_base_url(url, private=config.private_address, socks=config.proxy),
        config.limits,
        user_agent=config.user_agent,
        ca_file=str(config.ca_file) if config.ca_file else None,
    )


def _client(url: str, platform: str | None, configs: Sequence[PlatformConfig]) -> tuple[OutboundClient, str]:
    """A client for a feed or page, and the name of the platform it belongs to."""
    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise OperatorError(f"{url} is not a web address: {error}.") from error
    if not host:
        raise OperatorError(f"{url} is not a web address: write it with https:// in front.")
    config = _owner(url, platform, configs)
    if config is not None:
        client = _web_client(config)
    else:
        client = OutboundClient(EgressPolicy(origins=None, plain_http=True))
    try:
        client.policy.check_url(url)
    except EgressRefused as error:
        raise OperatorError(f"{url} is not fetched: {error.detail}.") from error
    return client, config.name if config else platform or name_of(host)


def _owner(url: str, platform: str | None, configs: Sequence[PlatformConfig]) -> PlatformConfig | None:
    """The platform that was named, or the one whose host and port the address has."""
    asked = httpx.URL(url)
    for config in configs:
        base = httpx.URL(config.base)
        same = (base.host, base.port) == (asked.host, asked.port)
        if config.name == platform or (platform is None and (same or asked.host in config.listing_hosts)):
            return config
    if platform is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", platform):
        raise OperatorError(
            f"{platform!r} cannot be a platform's name: use lower-case letters, digits and hyphens."
        )
    return None


def _platform_of(platform: str | None, configs: Sequence[PlatformConfig]) -> Callable[[str], str]:
    """The platform that was named, or the one that an address belongs to."""

    @lru_cache(maxsize=1_024)
    def at(place: str) -> str:
        try:
            config, host = _owner(place, platform, configs), httpx.URL(place).host
        except httpx.InvalidURL:
            return platform or "unnamed"
        return config.name if config else platform or name_of(host)

    return lambda url: at(_PLACE.match(url)[0])  # type: ignore[index]


_PLACE = re.compile(r"[^/?#]*(?://[^/?#]*)?")
"""Scheme, host and port of an address: an archive names few of them, each many times."""


def name_of(host: str) -> str:
    """A platform name for a host that nobody has named.

    >>> name_of("www.Example.co.uk")
    'example-co-uk'
    """
    bare = re.sub(r"^www\.", "", host.lower())
    return re.sub(r"[^a-z0-9]+", "-", bare).strip("-")[:63] or "unnamed"


def _nothing() -> None:
    return None
