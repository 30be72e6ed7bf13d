"""A look at a page as WARC 1.1 (ISO 28500:2017), which archives read without Takin.

One request record and one response record that name each other.
"""

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

Headers = tuple[tuple[bytes, bytes], ...]

JOINED = b"transfer-encoding"
"""Describes chunks that are joined in what is kept; renamed, so that readers do not look for chunks."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One exchange as it went over the wire."""

    url: str
    method: str
    request_target: bytes
    request_headers: Headers
    http_version: str
    status: int
    reason: bytes
    headers: Headers
    body: bytes
    complete: bool
    at: datetime
    """When the reply was in."""
    server: str | None = None


def write(capture: Capture) -> bytes:
    """The exchange as two WARC records. Equal captures give equal bytes.

    Raises:
        ValueError: the time has no zone.
    """
    if capture.at.tzinfo is None:
        raise ValueError("a capture needs an instant with a zone")
    request = b"%s %s HTTP/1.1\r\n%s\r\n" % (
        capture.method.encode("ascii"),
        capture.request_target,
        _lines(capture.request_headers),
    )
    head = b"%s %d %s\r\n%s\r\n" % (
        capture.http_version.encode("ascii", "replace"),
        capture.status,
        capture.reason,
        _lines(_joined(capture.headers)),
    )
    at = capture.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    response_id = _record_id("response", at, capture.url, head + capture.body)
    request_id = _record_id("request", at, capture.url, request)
    common = [("WARC-Target-URI", capture.url), ("WARC-Date", at)]
    extra = [("WARC-IP-Address", capture.server)] if capture.server else []
    if not capture.complete:
        extra.append(("WARC-Truncated", "length"))
    response = _record(
        [
            ("WARC-Type", "response"),
            ("WARC-Record-ID", response_id),
            *common,
            *extra,
            ("WARC-Payload-Digest", _digest(capture.body)),
        ],
        "application/http;msgtype=response",
        head + capture.body,
    )
    asked = _record(
        [
            ("WARC-Type", "request"),
            ("WARC-Record-ID", request_id),
            *common,
            ("WARC-Concurrent-To", response_id),
        ],
        "application/http;msgtype=request",
        request,
    )
    return response + asked


def _record(fields: list[tuple[str, str]], content_type: str, block: bytes) -> bytes:
    fields = [
        *fields,
        ("WARC-Block-Digest", _digest(block)),
        ("Content-Type", content_type),
        ("Content-Length", str(len(block))),
    ]
    # A field is one line: what would end it is left out of the values.
    lines = [f"{name}: {' '.join(value.split())}" for name, value in fields]
    head = "WARC/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("utf-8") + block + b"\r\n\r\n"


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % (name, value) for name, value in headers)


def _joined(headers: Headers) -> Headers:
    return tuple((b"X-Orig-" + n if n.lower() == JOINED else n, value) for n, value in headers)


def _digest(data: bytes) -> str:
    """Base32, as readers of WARC expect it."""
    return "sha256:" + base64.b32encode(hashlib.sha256(data).digest()).decode()


def _record_id(kind: str, at: str, url: str, block: bytes) -> str:
    name = f"{kind} {at} {url} {hashlib.sha256(block).hexdigest()}"
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}>"
