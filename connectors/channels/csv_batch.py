"""A CSV file for a portal that takes uploads and has no API.

Each notice becomes rows, one per item, in the batch of the day on which it was issued:
``{folder}/takin-{platform}-{YYYY-MM-DD}.csv`` (UTC). A key that is in its batch already is not added
again, and the file is replaced whole, so that an upload never reads half a row. Columns are
:data:`COLUMNS`; UTF-8 with a byte order mark, comma, quoted, CRLF (RFC 4180).

A cell that a spreadsheet would run as a formula starts with an apostrophe (:func:`guarded`). The last
column of a notice's first row holds the whole notice as ASCII JSON: nothing is lost, whatever the other
cells had to escape.
Portals accept nothing back: answers are what a person enters at the desk.
"""

import asyncio
import csv
import io
import json
import re
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from connectors.channels.channel import ChannelCapabilities
from connectors.channels.folder import alone_in, write_whole
from connectors.channels.plain import plain_text
from connectors.errors import PlatformRefused, PlatformUnavailable, UnreadableAnswer
from connectors.platform import Delivery, RawAnswer, Receipt, RenderedNotice
from connectors.platform_config import PlatformConfig
from schemas.notice import Notice, NoticeItem
from schemas.response import PlatformResponse

COLUMNS = (
    "reference",
    "idempotency_key",
    "issued_at",
    "item_id",
    "listing_id",
    "url",
    "title",
    "seller",
    "last_seen_online_at",
    "taxon",
    "appendix",
    "requested_action",
    "legal_basis",
    "policy_clauses",
    "reasons",
    "reporter",
    "reporter_email",
    "good_faith",
    "signed_by",
    "notice_json",
)
MAX_ITEMS = 300
_FORMULA = re.compile(r"\s*['=+\-@\uff1d\uff0b\uff0d\uff20]")
"""What starts a formula in one spreadsheet or another, full-width forms too; the apostrophe itself, so
that it can be taken off again."""
_BOM = b"\xef\xbb\xbf"
csv.field_size_limit(8 * 1024 * 1024)


def guarded(cell: str) -> str:
    """The cell so that no spreadsheet runs it, and nothing in it acts on the reader."""
    shown = plain_text(cell)
    return f"'{shown}" if _FORMULA.match(shown) else shown


class CsvBatchChannel:
    """See :class:`connectors.channels.channel.Channel`."""

    def __init__(
        self,
        config: PlatformConfig,
        keys: tuple[SecretStr, ...],  # noqa: ARG002 - every channel is made with them
    ) -> None:
        assert config.folder is not None, "kind: csv is checked to have it"
        self._name = config.name
        self._folder = config.folder

    @property
    def capabilities(self) -> ChannelCapabilities:
        """Many items, each key once."""
        return ChannelCapabilities(max_items=MAX_ITEMS)

    def render(self, notice: Notice) -> RenderedNotice:
        """The notice's rows, without the line of names."""
        rows = [_row(notice, item, first=not place) for place, item in enumerate(notice.items)]
        return RenderedNotice(_written(rows), "text/csv; charset=utf-8; header=absent")

    async def deliver(self, delivery: Delivery) -> Receipt:
        """Add the rows to their batch, once."""
        path = await asyncio.to_thread(self._add, delivery)
        return Receipt(None, None, False, None, path.name.encode(), acknowledged=False)

    def _add(self, delivery: Delivery) -> Path:
        rows = _read(delivery.body)
        if not rows or any(len(row) != len(COLUMNS) for row in rows):
            raise PlatformRefused("invalid", "the notice is not in this version's columns")
        if {row[1] for row in rows} != {delivery.idempotency_key}:
            raise PlatformRefused("invalid", "the rows are of another notice")
        path = self._folder / f"takin-{self._name}-{datetime.fromisoformat(rows[0][2]):%Y-%m-%d}.csv"
        try:
            with alone_in(self._folder):
                present = path.read_bytes() if path.exists() else _BOM + _written([list(COLUMNS)])
                there = [row for row in _read(present) if row[1:2] == [delivery.idempotency_key]]
                if there and there != rows:
                    raise PlatformRefused("conflict", "this key is in the batch with other rows")
                if not there:
                    write_whole(path, present + delivery.body)
        except OSError as error:
            raise PlatformUnavailable(
                "server_error", f"the batch cannot be written: {error.strerror}"
            ) from error
        return path

    async def poll(self, idempotency_key: str) -> RawAnswer | None:  # noqa: ARG002 - the contract's argument
        """A file cannot be asked."""
        return None

    def parse(self, answer: RawAnswer) -> tuple[PlatformResponse, ...]:
        """Nothing comes back by a file."""
        raise UnreadableAnswer("unmapped", f"no mapping reads an answer that came by {answer.channel}")

    async def aclose(self) -> None:
        """Nothing is kept open."""


def _row(notice: Notice, item: NoticeItem, *, first: bool) -> list[str]:
    cells = (
        notice.human_reference,
        notice.idempotency_key,
        notice.issued_at.isoformat(),
        item.item_id,
        item.listing_id,
        item.url,
        item.title,
        item.seller_handle or "",
        item.last_seen_online_at.isoformat(),
        item.taxon.scientific_name if item.taxon else "",
        (item.taxon.appendix or "") if item.taxon else "",
        notice.requested_action,
        "; ".join(" ".join(filter(None, (one.law, one.article))) for one in notice.legal_basis),
        "; ".join(one.policy_clause for one in notice.legal_basis if one.policy_clause),
        notice.reasons,
        notice.reporter.organisation,
        notice.reporter.email,
        notice.good_faith.text,
        notice.good_faith.signed_by,
        json.dumps(json.loads(notice.to_bytes())) if first else "",
    )
    return [guarded(cell) for cell in cells]


def _written(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _read(raw: bytes) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise PlatformRefused(
            "conflict", f"the batch is no longer the CSV that was written: {error}"
        ) from error
