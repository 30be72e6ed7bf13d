"""Archived pages (WARC 1.0 and 1.1, ISO 28500) as a source: what crawls kept, Common Crawl's among them.

Each page that answered 200 with HTML is read for schema.org offers, as it was on the day that the archive
names. The platform is the one whose host the page's address has. Reading goes on after the last record that
was published; a compressed archive needs one gzip member a record, as the standard recommends.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from connectors.mapping import Unusable, seal
from connectors.pages import Node, listing_fields, moment, read_page
from connectors.platform import Page
from connectors.sources.ahead import one_ahead
from schemas.dead_letter import DeadLetter, DeadLetterReason, dead_letter
from schemas.errors import OperatorError
from schemas.listing import Listing

PAGE_CAP = 4 * 1024 * 1024
"""Bytes of one archived page."""
RECORDS = 200
"""Records between two cursors."""


class WarcSource:
    """One archive file."""

    def __init__(
        self,
        path: Path,
        *,
        platform_of: Callable[[str], str],
        now: Callable[[], datetime],
        run_id: str = "warc",
    ) -> None:
        """``platform_of``: the platform that an address belongs to.

        Raises:
            OperatorError: there is no such file.
        """
        if not path.is_file():
            raise OperatorError(f"There is no file {path}: give the path of a .warc or .warc.gz file.")
        self._path = path
        self._platform_of = platform_of
        self._now = now
        self._run_id = run_id

    def read(self, since: str | None) -> AsyncIterator[Page]:
        """From the cursor to the end of the archive, a page ahead of its reader.

        Raises:
            OperatorError: the file cannot be read.
        """
        return one_ahead(self._read(since))

    async def _read(self, since: str | None) -> AsyncGenerator[Page, None]:
        try:
            with self._path.open("rb") as file:
                file.seek(_offset(since, self._path.stat().st_size))
                _skip_empty_lines(file)
                for page in self._pages(file):
                    yield page
                    await asyncio.sleep(0)  # others of this process have their turn
        except OSError as error:
            raise OperatorError(f"{self._path} cannot be read: {error.strerror or error}.") from error

    def _pages(self, file: BinaryIO) -> Iterator[Page]:
        listings: list[Listing] = []
        aside: list[DeadLetter] = []
        records = ArchiveIterator(file)
        number, end = 0, file.tell()
        try:
            for number, record in enumerate(records, start=1):
                for made in self._made(record):
                    (aside if isinstance(made, DeadLetter) else listings).append(made)  # type: ignore[arg-type]
                records.read_to_end(record)
                end = records.get_record_offset() + records.get_record_length()
                if number % RECORDS == 0:
                    yield Page(tuple(listings), tuple(aside), json.dumps({"offset": end}))
                    listings, aside = [], []
        except (ArchiveLoadFailed, EOFError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            detail = f"The archive cannot be read from byte {end} on: {said}"
            aside.append(self._letter("undecodable", detail, b"", f"{self._path}:{end}"))
        yield Page(tuple(listings), tuple(aside), json.dumps({"offset": end}))

    def _made(self, record: Any) -> Iterator[Listing | DeadLetter]:
        url = record.rec_headers.get_header("WARC-Target-URI") or ""
        head = record.http_headers
        if record.rec_type != "response" or head is None or head.get_statuscode() != "200":
            return
        kind = head.get_header("Content-Type") or ""
        if "html" not in kind.lower() or not url.startswith(("http://", "https://")):
            return
        body = record.content_stream().read(PAGE_CAP + 1)
        if len(body) > PAGE_CAP:
            yield self._letter("too_large", f"The page is longer than {PAGE_CAP} bytes.", body[:1_000], url)
            return
        document = read_page(body, kind)
        seen_at = moment(record.rec_headers.get_header("WARC-Date")) or self._now()
        for product in document.products:
            known_by = {"listing_id": url} if len(document.products) == 1 else {}
            fields = {**known_by, **listing_fields(product, url, document.language), "observed_at": seen_at}
            yield self._sealed(fields, product, url)

    def _sealed(self, fields: dict[str, Any], product: Node, url: str) -> Listing | DeadLetter:
        own = {"platform": self._platform_of(url), "connector": "warc", "run_id": self._run_id}
        try:
            return seal({**fields, **own}, now=self._now())
        except Unusable as refusal:
            raw = json.dumps(product, sort_keys=True, default=str).encode("utf-8", "replace")
            return self._letter(refusal.reason, refusal.detail, raw, url)

    def _letter(self, reason: DeadLetterReason, detail: str, raw: bytes, origin: str) -> DeadLetter:
        return dead_letter(
            stage="connector",
            reason=reason,
            detail=detail,
            value=raw,
            now=self._now(),
            origin=origin,
            worker=self._run_id,
        )


def _skip_empty_lines(file: BinaryIO) -> None:
    """Those that end a record that is not compressed; they are not counted as part of it."""
    while (pair := file.read(2)) == b"\r\n":
        pass
    file.seek(-len(pair), os.SEEK_CUR)


def _offset(since: str | None, size: int) -> int:
    """Where to go on; a cursor of another or a shorter file means: from the start."""
    try:
        found = int(json.loads(since)["offset"]) if since else 0
    except (ValueError, KeyError, TypeError):
        return 0
    return found if 0 <= found <= size else 0
