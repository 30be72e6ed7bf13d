"""Rows as CSV or JSON for download: what the page shows, and nothing that acts in a spreadsheet. Pure."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from starlette.responses import Response

from streams.local.visible import visible

FORMULA = frozenset("=+-@\t\r＝＋－＠")


def guarded(value: Any) -> str:
    """A cell: text that a spreadsheet would run gets an apostrophe before it."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    text = visible(value)
    return f"'{text}" if text.lstrip()[:1] in FORMULA or value[:1] in FORMULA else text


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """UTF-8 with a byte-order mark, so that spreadsheets read it right."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([guarded(value) for value in row])
    return text.getvalue().encode("utf-8-sig", "backslashreplace")


def as_json(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A list of objects."""
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return (json.dumps(found, indent=2, ensure_ascii=False, default=str) + "\n").encode("utf-8", "replace")


def download(content: bytes, name: str, form: str, at: datetime) -> Response:
    """A file to save, never to show."""
    safe = "".join(one if one.isalnum() and one.isascii() else "-" for one in name)
    headers = {"content-disposition": f'attachment; filename="takin-{safe}-{at:%Y%m%dT%H%M%SZ}.{form}"'}
    kind = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}.get(form, "application/json")
    return Response(content, media_type=kind, headers=headers)
