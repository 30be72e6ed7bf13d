"""What stands in a request to the intake: pure functions from bytes to messages or reasons."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.intake_keys import IntakeKey, ReporterKind
from connectors.intake_pictures import BadReference, read_references
from connectors.mapping import OBSERVED_AHEAD, Unusable, seal, sentence
from schemas.listing import Listing
from schemas.message import Instant, LanguageTag, PlatformName, canonical_json
from schemas.report import Provenance, Report, Reporter

T = TypeVar("T")
MAX_BATCH = 500
CONNECTOR = "intake"
SET_HERE = frozenset({"connector", "run_id", "content_hash"})
"""Fields of a listing that the intake sets itself; what a sender says there is not used."""


class Refused(Exception):
    """The request, or one item of it, cannot be taken."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        """Stable; see the intake's OpenAPI description."""
        self.message = message


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """The items of one request, in their order: what was taken, and refusals."""

    items: tuple[T | Refused, ...]
    single: bool

    @property
    def good(self) -> tuple[T, ...]:
        """What was taken."""
        return tuple(item for item in self.items if not isinstance(item, Refused))


def read_json(body: bytes) -> Any:
    """The JSON value of a body.

    Raises:
        Refused: ``undecodable`` or ``not_json``.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Refused(400, "undecodable", f"Byte {error.start} of the body is not UTF-8.") from error
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "not_json", f"The body is not JSON: {error.msg}.") from error


def read_batch(
    content: Any, key: IntakeKey, *, known: frozenset[str], now: datetime, run_id: str
) -> Batch[Listing]:
    """One listing, or ``{"listings": […]}`` with at most 500. A bad item does not harm its neighbours.

    ``known`` names the platforms of this installation; empty: those of the key.

    Raises:
        Refused: the request as a whole makes no sense.
    """
    return _batch(content, "listing", lambda row: _listing(row, key, known, now, run_id))


def read_reports(content: Any, key: IntakeKey, *, known: frozenset[str], now: datetime) -> Batch[Report]:
    """One report, or ``{"reports": […]}`` with at most 500, each as :func:`read_report` takes it.

    Raises:
        Refused: the request as a whole makes no sense.
    """
    return _batch(content, "report", lambda row: read_report(row, key, known=known, now=now))


def _batch(content: Any, what: str, read: Callable[[Any], T]) -> Batch[T]:
    several = f"{what}s"
    if not isinstance(content, dict):
        raise Refused(422, "wrong_shape", f'The body is one {what}, or {{"{several}": [...]}}.')
    if several not in content:
        return Batch((_item(content, read),), single=True)
    rows = content[several]
    if not isinstance(rows, list) or not rows:
        raise Refused(422, "wrong_shape", f"{several}: a list with at least one {what} is needed.")
    if len(rows) > MAX_BATCH:
        raise Refused(
            422, "too_many", f"{several}: {len(rows)} are too many; send at most {MAX_BATCH} at a time."
        )
    return Batch(tuple(_item(row, read) for row in rows), single=False)


def _item(row: Any, read: Callable[[Any], T]) -> T | Refused:
    try:
        return read(row)
    except Refused as refusal:
        return refusal


def _listing(row: Any, key: IntakeKey, known: frozenset[str], now: datetime, run_id: str) -> Listing:
    if not isinstance(row, dict):
        raise Refused(422, "wrong_shape", "A listing is a JSON object.")
    unknown = sorted(set(row) - set(Listing.model_fields))
    if unknown:
        raise Refused(422, "unknown_field", f"{unknown[0][:64]}: there is no such field in a listing.")
    if not row.get("listing_id"):
        raise Refused(422, "missing_id", "listing_id: the platform's own id of the listing is needed.")
    platform = row.get("platform")
    if isinstance(platform, str):
        _may(platform, key, known)
    fields = {name: value for name, value in row.items() if name not in SET_HERE}
    fields.setdefault("observed_at", now)
    try:
        return seal({**fields, "connector": CONNECTOR, "run_id": run_id}, now=now, strict=True)
    except Unusable as refusal:
        raise Refused(422, refusal.reason, refusal.detail) from refusal


def _may(platform: str, key: IntakeKey, known: frozenset[str]) -> None:
    if platform not in key.platforms:
        there = platform in known
        raise Refused(
            403 if there else 422,
            "not_allowed" if there else "unknown_platform",
            f"platform: this key may not push listings of {platform[:64]!r}."
            if there
            else f"platform: {platform[:64]!r} is not known here.",
        )


class _ReporterIn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ReporterKind = "citizen"
    name: str | None = Field(default=None, max_length=256)
    email: str | None = Field(default=None, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")


class ReportIn(BaseModel):
    """A report as it is filed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    url: str = Field(min_length=1, max_length=4096, pattern=r"^https?://\S+$")
    """Where the offer was seen."""
    what: str = Field(min_length=1, max_length=20_000)
    """What is offered, in the reporter's words."""
    platform: PlatformName | None = None
    language: LanguageTag | None = None
    seen_at: Instant | None = None
    reporter: _ReporterIn = _ReporterIn()
    provenance: Provenance | None = None
    pictures: tuple[str, ...] = ()
    """What ``POST /v1/reports/pictures`` answered for each; at most five."""
    listing: dict[str, Any] | None = None
    """The listing as the reporter's system captured it."""


def read_report(content: Any, key: IntakeKey, *, known: frozenset[str], now: datetime) -> Report:
    """A report under a deterministic id: the same report filed twice with one key is one report.

    Raises:
        Refused
    """
    try:
        filed = ReportIn.model_validate_json(canonical_json(content))
    except ValidationError as error:
        raise Refused(422, "wrong_shape", sentence(error)) from error
    except ValueError as error:
        raise Refused(422, "wrong_shape", "The body holds text that is not Unicode.") from error
    if filed.reporter.kind not in key.reporters:
        raise Refused(403, "not_allowed", f"reporter.kind: this key may not report as {filed.reporter.kind}.")
    if filed.seen_at and filed.seen_at > now + OBSERVED_AHEAD:
        raise Refused(422, "from_the_future", "seen_at: this is in the future: mend the date.")
    if filed.platform and known and filed.platform not in known:
        raise Refused(422, "unknown_platform", f"platform: {filed.platform} is not known here: leave it out.")
    try:
        pictures = read_references(filed.pictures, key)
    except BadReference as error:
        raise Refused(422, error.code, str(error)) from error
    report_id = _report_id(key, canonical_json(content))
    listing = _captured(filed.listing, filed, report_id, now) if filed.listing is not None else None
    return Report(
        report_id=report_id,
        received_at=now,
        reporter=Reporter(
            kind=filed.reporter.kind,
            organisation=None if filed.reporter.kind == "citizen" else key.organisation,
            name=filed.reporter.name,
            email=filed.reporter.email,
            country=filed.reporter.country,
        ),
        platform=filed.platform,
        url=filed.url,
        what=filed.what,
        language=filed.language,
        seen_at=filed.seen_at,
        provenance=filed.provenance,
        pictures=pictures,
        through=key.organisation,
        listing=listing,
    )


def _report_id(key: IntakeKey, content: bytes) -> str:
    """An id that the report's content and the key make, so that it shows as a reference like the public's.

    Who has the reference may see how far the report came; so nobody without the key's hash can work it out.
    """
    code = hmac.new(key.sha256.encode(), content, hashlib.sha256).digest()
    return "r_" + base64.b32encode(code).decode()[:20]


def _captured(row: Mapping[str, Any], filed: ReportIn, report_id: str, now: datetime) -> Listing:
    fields = {name: value for name, value in row.items() if name not in SET_HERE}
    fields.setdefault("observed_at", filed.seen_at or now)
    fields.setdefault("url", filed.url)
    if filed.platform:
        fields["platform"] = filed.platform
    try:
        return seal({**fields, "connector": CONNECTOR, "run_id": report_id}, now=now, strict=True)
    except Unusable as refusal:
        raise Refused(422, refusal.reason, f"listing.{refusal.detail}") from refusal
