"""The contract of a shelf: one public JSON API that hands out listings page by page.

A shelf is pure: it says what to ask, reads what came back, and maps one row to the fields of a
:class:`schemas.listing.Listing`. :class:`connectors.sources.shelf_source.ShelfSource` does the asking, the
remembering and the giving up. One file under ``connectors/shelves/`` is one API; its docstring says what the
API offers, on which terms, its limits, and what it cannot do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, Protocol, runtime_checkable

from connectors.errors import ConnectorError, PlatformRefused

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for one page."""

    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cost: int = 1
    """What it takes of ``reads.calls_a_day``, where an API counts units."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What one page held."""

    rows: Sequence[Any]
    """As they came; what is no object is set aside."""
    next: Ask | None = None
    """How to ask for the following page; ``None``: this was the last one."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What an API is like, as its documentation says."""

    newest_first: bool
    """Rows come in order of their age, so that a page without anything new ends a pass. False: every pass
    walks to the end."""
    login: Literal["none", "may", "key", "credentials", "refresh"] = "none"
    """``key``: a key that :meth:`Shelf.key_headers` puts into each request; ``may``: where one is given.
    ``credentials``: an OAuth client id and secret, for which the API gives out tokens; ``refresh``: these and
    a refresh token in a file, which each use replaces (``reads.token_file``)."""
    token_path: str = ""
    """Where, for ``credentials`` and ``refresh``."""
    token_form: Mapping[str, str] = field(default_factory=dict)
    searches: bool = False
    """It is asked for words (``reads.words``); without any it has nothing to give."""
    most_pages: int = 100
    """Of one pass over one search."""
    overlap: int = 0
    """Rows of a page that the next page is asked to repeat: if none of them comes back, rows moved up between
    the two and some may have been missed, so the following pass walks to the end."""
    user_agent: str = ""
    """A pattern that the platform's ``user_agent`` must have, where the API demands one."""


class WrongShape(Exception):
    """The answer is JSON, but not what this API says."""


class SearchRefused(PlatformRefused):
    """One search cannot be answered (a video without comments, a closed community); the others can."""


class Shelf(Protocol):
    """One API."""

    @property
    def manners(self) -> Manners:
        """What it is like."""

    def key_headers(self, key: str) -> Mapping[str, str]:
        """How a request shows the key or token."""

    def first(self, words: str) -> Ask:
        """The first page of a pass. ``words`` is empty where it is not searched."""

    def read(self, document: Any, asked: Ask) -> Rows:
        """What an answer holds.

        Raises:
            WrongShape
        """

    def fields(self, row: Row, base: str) -> dict[str, Any]:
        """One row as fields of a listing; what is unknown is left out or ``None``. ``base`` is the address of
        the platform's own pages. Never raises for what a row may hold."""


@runtime_checkable
class Explains(Protocol):
    """An API that says in the body what the status alone does not."""

    def trouble(self, status: int, document: Any) -> ConnectorError | None:
        """What an answer means that is no page of rows; ``None``: its status says it. ``document`` is
        ``None`` where the body is not JSON. :class:`SearchRefused` ends this search only."""


def rows_of(document: Any, name: str | None = None) -> list[Any]:
    """A list of rows, alone or under a name.

    Raises:
        WrongShape
    """
    rows = document if name is None else document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(rows, list):
        raise WrongShape(f"the answer has no list {name or 'of rows'}")
    return rows


def text(value: Any) -> str | None:
    """Text or a number as text; anything else is nothing.

    >>> text(" a "), text(7), text(True), text("  ")
    ('a', '7', None, None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def part(value: Any, *names: str) -> Any:
    """What lies under nested names, or ``None``.

    >>> part({"a": {"b": 1}}, "a", "b"), part({"a": []}, "a", "b")
    (1, None)
    """
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def several(value: Any) -> list[Any]:
    """A list, or nothing."""
    return value if isinstance(value, list) else []


def instant(value: Any) -> datetime | None:
    """Seconds since 1970, where they are a time that a listing can have.

    >>> instant(0), instant(True), instant(86_400.5)
    (None, None, datetime.datetime(1970, 1, 2, 0, 0, 0, 500000, tzinfo=datetime.timezone.utc))
    """
    sound = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 4_102_444_800
    return datetime.fromtimestamp(value, UTC) if sound else None


def web(value: Any) -> str | None:
    """An absolute web address, or nothing."""
    found = text(value)
    return found if found and found.startswith(("https://", "http://")) else None


def pictures(values: Any, *names: str) -> tuple[dict[str, str], ...]:
    """The images of a listing whose addresses lie under one of these names."""
    found = [next((url for name in names if (url := web(part(one, name)))), None) for one in several(values)]
    return tuple({"url": url} for url in dict.fromkeys(found) if url)[:200]


def price(amount: Any, currency: Any, *, minor_unit: int = 0) -> dict[str, Any] | None:
    """A price, ``amount`` in steps of 10^-``minor_unit``; nothing where it is no number.

    >>> price("1250", "EUR", minor_unit=2)
    {'amount': Decimal('12.50'), 'currency': 'EUR'}
    """
    held = text(amount)
    if held is None:
        return None
    try:
        number = Decimal(held).scaleb(-minor_unit)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return {"amount": number, "currency": text(currency)} if number.is_finite() else None
