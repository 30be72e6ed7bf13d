"""The listings that practice platforms show: read from a JSONL file or put there over HTTP."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.sandbox.assignment import assign_platform
from connectors.sources.rows import few_fields
from schemas.errors import OperatorError
from schemas.listing import Contact, Image, Price, Seller
from schemas.message import Instant, LanguageTag, PlatformName


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class StockRow(BaseModel):
    """One listing as it is shown: a :class:`schemas.listing.Listing`, or only ``id, title, text``.

    What says when and by whom a listing was observed is ignored: here it is offered, not observed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    listing_id: Annotated[str, BeforeValidator(_text)] = Field(
        validation_alias=AliasChoices("listing_id", "id"), min_length=1, max_length=512
    )
    platform: PlatformName | None = None
    url: str | None = Field(default=None, max_length=4_096)
    title: str = Field(default="", max_length=4_000)
    description: str = Field(
        default="", validation_alias=AliasChoices("description", "text"), max_length=200_000
    )
    category: str | None = Field(default=None, max_length=1_000)
    price: Price | None = None
    seller: Seller | None = None
    contacts: tuple[Contact, ...] = ()
    location: str | None = None
    ships_to: tuple[str, ...] = ()
    shipping_method: str | None = None
    images: tuple[Image, ...] = ()
    language: LanguageTag | None = Field(default=None, validation_alias=AliasChoices("language", "lang"))
    permit_statement: str | None = None
    posted_at: Instant | None = None


def read_row(raw: bytes) -> StockRow:
    """One row of a stock file.

    Raises:
        ValueError: one sentence that says why; it never quotes the listing.
    """
    try:
        content = orjson.loads(raw)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    try:
        # The file source reads the same rows: what it takes for a listing is shown here.
        return StockRow.model_validate(content if "schema_version" in content else few_fields(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}") from None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A line of the stock file that no platform shows."""

    line: int
    reason: str


@dataclass(slots=True)
class StockFile:
    """What a stock file holds, per platform, in the file's order."""

    sha256: str
    rows: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """Platform → (listing id, the row's bytes): text is read again when a page is shown."""
    set_aside: list[SetAside] = field(default_factory=list)


def read_stock(path: Path, names: Sequence[str]) -> StockFile:
    """Read a JSONL file; a row that names no platform goes where :func:`assign_platform` says.

    Raises:
        OperatorError: the file cannot be read, or not one of its lines is a listing.
    """
    try:
        with path.open("rb") as lines:
            stock = sort_rows(lines, names)
    except OSError as error:
        raise OperatorError(
            f"The stock file {path} cannot be read ({error.strerror}): name a JSONL file with one "
            "listing a line."
        ) from error
    if stock.set_aside and not stock.rows:
        first = stock.set_aside[0]
        raise OperatorError(
            f"No line of {path} is a listing (line {first.line}: {first.reason}): it must be JSONL, "
            "one object with id, title and text a line."
        )
    return stock


def sort_rows(lines: Iterable[bytes], names: Sequence[str]) -> StockFile:
    """Sort rows to the platforms; what cannot be shown is set aside with its line and reason."""
    sha = hashlib.sha256()
    stock = StockFile(sha256="", rows={})
    for number, line in enumerate(lines, start=1):
        sha.update(line)
        raw = line.strip()
        if not raw:
            continue
        try:
            row = read_row(raw)
        except ValueError as error:
            stock.set_aside.append(SetAside(number, str(error)))
            continue
        platform = row.platform or assign_platform(row.listing_id, names)
        if platform not in names:
            stock.set_aside.append(SetAside(number, f"platform {platform} is not in this scenario"))
            continue
        stock.rows.setdefault(platform, []).append((row.listing_id, raw))
    stock.sha256 = sha.hexdigest()
    return stock


@dataclass(slots=True)
class Offer:
    """One listing on a platform's shelf."""

    raw: bytes
    seq: int
    """Rises with each change; feeds go by it."""
    shown_at: datetime
    """When it came to where it is now."""

    def row(self) -> StockRow:
        """The listing's fields."""
        return read_row(self.raw)
