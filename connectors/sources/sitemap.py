"""Sitemaps (sitemaps.org, protocol 0.9): which pages a site has, and when each was changed. Pure.

Plain or gzip, a list of pages, an index of further sitemaps, or text with an address in each line. A file is
read as a stream and never expanded beyond its cap; document types and entities are refused.
"""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Literal
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

CAP = 16 * 1024 * 1024
"""Bytes of one file, expanded. The protocol allows 50 MB; sites keep far below."""
MOST_ENTRIES = 50_000
_LONGEST = 2_048
"""Characters of an address, as the protocol says."""


class UnreadableSitemap(Exception):
    """It is not what the protocol says; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One page or one further sitemap."""

    kind: Literal["page", "sitemap"]
    url: str
    changed: str | None = None
    """``lastmod`` as it stands there: only whether it is another than before matters."""


def read_sitemap(body: bytes) -> tuple[Entry, ...]:
    """Every entry, at most :data:`MOST_ENTRIES`; what follows a fault in the file is lost, not what precedes.

    Raises:
        UnreadableSitemap: nothing of it can be read.
    """
    plain = _expanded(body)
    start = plain[:1_024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"http://", b"https://")):
        return tuple(_lines(plain))
    if not start.startswith(b"<"):
        raise UnreadableSitemap("the sitemap is neither XML nor a list of addresses")
    found: list[Entry] = []
    try:
        for entry in _entries(io.BytesIO(plain)):
            found.append(entry)
            if len(found) >= MOST_ENTRIES:
                break
    except DefusedXmlException as error:
        raise UnreadableSitemap("the sitemap declares a document type or entities") from error
    except (ParseError, ValueError) as error:
        if not found:
            raise UnreadableSitemap(f"the sitemap is not XML: {error}") from error
    return tuple(found)


def _expanded(body: bytes) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body
    expand = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = expand.decompress(body, CAP + 1)
    except zlib.error as error:
        raise UnreadableSitemap(f"the sitemap is not gzip: {error}") from error
    if len(plain) > CAP:
        raise UnreadableSitemap(f"the sitemap has more than {CAP} bytes when it is expanded")
    return plain


def _entries(file: IO[bytes]) -> Iterator[Entry]:
    root: Element | None = None
    for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
        if event == "start":
            root = element if root is None else root
            continue
        name = _name(element)
        if name in ("url", "sitemap"):
            parts = {_name(one): (one.text or "").strip() for one in element}
            if _sound(url := parts.get("loc", "")):
                kind: Literal["page", "sitemap"] = "page" if name == "url" else "sitemap"
                yield Entry(kind, url, parts.get("lastmod", "")[:64] or None)
            assert root is not None, "it began"
            root.clear()  # what was read is not kept


def _lines(plain: bytes) -> Iterator[Entry]:
    for line in plain.decode("utf-8-sig", "replace").splitlines()[:MOST_ENTRIES]:
        if _sound(line.strip()):
            yield Entry("page", line.strip())


def _name(element: Element) -> str:
    """Without its namespace, which careless sites get wrong."""
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def _sound(url: str) -> bool:
    return len(url) <= _LONGEST and url.startswith(("http://", "https://"))
