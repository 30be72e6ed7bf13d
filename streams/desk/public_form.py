"""What stands in the public report form: pure functions from fields to a report, or to what is wrong."""

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from schemas.message import LanguageTag
from schemas.report import Provenance, Report, Reporter, id_of, reference

__all__ = ["id_of", "in_time", "origin", "read", "reference", "report_id"]

TRAP = "homepage"
"""A field that people leave empty and programs fill in."""
FIELDS: Mapping[str, int] = {
    "what": 5_000,
    "url": 4_096,
    "where": 1_000,
    "seen_on": 10,
    "when_acquired": 1_000,
    "where_acquired": 1_000,
    "how_acquired": 1_000,
    "name": 200,
    "email": 320,
}
"""The fields and how many characters each may hold."""
EARLIEST = timedelta(seconds=2)
LATEST = timedelta(hours=6)
"""A form is sent between so long after it was shown; a program is quicker."""


@dataclass(frozen=True, slots=True)
class Problems:
    """What is wrong: words of the catalogue, by the field they concern."""

    found: Mapping[str, str]


def report_id(nonce: str, key: bytes) -> str:
    """The id of the report that a shown form makes: sending it twice makes one report. Nobody guesses it."""
    code = hmac.new(key, nonce.encode("utf-8", "replace"), hashlib.sha256).digest()
    return "r_" + base64.b32encode(code).decode()[:20]


def origin(address: str | None, key: bytes) -> str:
    """Where a report came from, to count by and not to be read: of IPv6 the network that one house has."""
    try:
        there = ipaddress.ip_address(address or "")
    except ValueError:
        text = "unknown"
    else:
        size = 64 if there.version == 6 else 32
        text = str(ipaddress.ip_network((there, size), strict=False))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def in_time(issued: str, *, now: datetime) -> bool:
    """Whether a form that was shown then may be sent now."""
    if not re.fullmatch(r"\d{9,11}", issued, re.ASCII):
        return False
    return EARLIEST <= now - datetime.fromtimestamp(int(issued), UTC) <= LATEST


def read(
    fields: Mapping[str, str],
    *,
    report_id: str,
    language: LanguageTag,
    now: datetime,
    picture_sha256: str | None = None,
) -> Report | Problems:
    """The report that a form holds, or everything that is wrong with it."""
    given = {name: _clean(fields.get(name, "")) for name in FIELDS}
    wrong: dict[str, str] = {}
    for name, most in FIELDS.items():
        if len(given[name]) > most:
            wrong[name] = "problem_long"
    if len(given["what"]) < 3:
        wrong["what"] = "problem_what"
    if given["url"] and not _is_link(given["url"]):
        wrong["url"] = "problem_url"
    elif not given["url"] and not given["where"]:
        wrong["url"] = "problem_place"
    if given["email"] and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", given["email"]):
        wrong["email"] = "problem_email"
    seen_at = None
    if given["seen_on"]:
        seen_at = _day(given["seen_on"])
        if seen_at is None or not datetime(2000, 1, 1, tzinfo=UTC) <= seen_at <= now + timedelta(days=1):
            wrong["seen_on"] = "problem_date"
    if fields.get(TRAP):
        wrong[TRAP] = "problem_trap"
    if wrong:
        return Problems(wrong)
    origin = {name: given[name] or None for name in ("when_acquired", "where_acquired", "how_acquired")}
    return Report(
        report_id=report_id,
        received_at=now,
        reporter=Reporter(kind="citizen", name=given["name"] or None, email=given["email"] or None),
        url=given["url"] or given["where"],
        where=given["where"] or None,
        what=given["what"],
        language=language,
        picture_sha256=picture_sha256,
        seen_at=min(seen_at, now) if seen_at else None,
        provenance=Provenance(**origin) if any(origin.values()) else None,
    )


def _clean(text: str) -> str:
    """Without what no database or message holds: NUL and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode().strip()


def _is_link(text: str) -> bool:
    if not re.fullmatch(r"https?://\S+", text, re.IGNORECASE):
        return False
    try:
        return bool(urlsplit(text).hostname)
    except ValueError:
        return False


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
