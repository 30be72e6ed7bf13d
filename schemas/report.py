"""A report: what a citizen, an officer or a partner told us."""

import re
from typing import Literal

from pydantic import Field

from schemas.listing import Listing
from schemas.message import Instant, LanguageTag, Message, Part, PlatformName, Sha256


class Reporter(Part):
    """Who reports. Everything but the kind may stay away; a citizen may be anonymous."""

    kind: Literal["citizen", "officer", "partner"]
    organisation: str | None = Field(default=None, max_length=256)
    name: str | None = Field(default=None, max_length=256)
    email: str | None = Field(default=None, max_length=320)
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    """ISO 3166-1 alpha-2."""
    sealed: str | None = Field(
        default=None, max_length=8_192, pattern=r"^[0-9a-f]{16}\.[A-Za-z0-9_-]+={0,2}$"
    )
    """Name and e-mail address, encrypted, which are then absent: the id of the key, a dot and a Fernet token,
    see ``streams/contacts/keys.py``. Absent: none was left, or it was filed before there was a key."""


class Provenance(Part):
    """What the reporter knows of the specimen's origin."""

    when_acquired: str | None = Field(default=None, max_length=2_000)
    where_acquired: str | None = Field(default=None, max_length=2_000)
    how_acquired: str | None = Field(default=None, max_length=2_000)
    entry_into_country: str | None = Field(default=None, max_length=2_000)


def reference(report_id: str) -> str:
    """What a reporter writes down to ask by: ``R-ABCDE-FGHIJ-KLMNO-PQRST``."""
    code = report_id.removeprefix("r_")
    return "-".join(["R", *(code[at : at + 5] for at in range(0, len(code), 5))])


def id_of(reference: str) -> str | None:
    """The report behind a reference, however it was typed."""
    found = re.fullmatch(r"R?([A-Z2-7]{20})", re.sub(r"[\s.-]", "", reference[:60]).upper())
    return f"r_{found[1]}" if found else None


MOST_PICTURES = 5


class ReportPicture(Part):
    """A picture that came with a report."""

    sha256: Sha256
    """Of the file that is kept: drawn anew, without place, device or comment."""
    came_sha256: Sha256
    """Of the bytes as they came."""
    size: int = Field(ge=1)
    """Bytes of the file that is kept."""


class Report(Message):
    """One report. Kafka key: the report id."""

    report_id: str = Field(pattern=r"^r_[0-9A-Za-z]{16,64}$")
    """Our reference, given to the reporter."""
    received_at: Instant
    """By our clock."""
    reporter: Reporter
    platform: PlatformName | None = None
    """Absent when the reporter names a place we do not know."""
    url: str = Field(min_length=1, max_length=4096)
    """Where the offer was seen."""
    where: str | None = Field(default=None, max_length=1_000)
    """The website, app, group or shop in the reporter's words, where they named it."""
    what: str = Field(min_length=1, max_length=20_000)
    """What is offered, in the reporter's words."""
    language: LanguageTag | None = None
    picture_sha256: Sha256 | None = None
    """Of the picture as it is kept, where one came with the public form."""
    pictures: tuple[ReportPicture, ...] = Field(default=(), max_length=MOST_PICTURES)
    """Those that came otherwise."""
    seen_at: Instant | None = None
    """When the reporter saw it, by their own account."""
    provenance: Provenance | None = None
    through: str | None = Field(default=None, max_length=256)
    """The organisation with whose key it was filed; absent for the public form."""
    listing: Listing | None = None
    """The listing as the reporter's system captured it, if it did."""

    @property
    def kept(self) -> tuple[str, ...]:
        """The SHA-256 of each picture as it is kept, in the order in which they came."""
        named = (self.picture_sha256, *(one.sha256 for one in self.pictures))
        return tuple(dict.fromkeys(one for one in named if one))
