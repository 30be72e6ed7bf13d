"""Safe HTML and JSON for pages that show hostile text."""

import html
import json
import re
from typing import Any

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")
_SCRIPT_END = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1d2327;background:#fff}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #d5d9dd}"
    "pre{background:#f3f4f6;padding:1rem;overflow-x:auto}code{font-family:ui-monospace,monospace}"
    "a{color:#0b57a4}.said{white-space:pre-line}small{color:#5a6169}"
    "@media (prefers-color-scheme:dark){body{color:#e6e8ea;background:#15181b}a{color:#8ab8ee}"
    "pre{background:#22272c}td,th{border-color:#3a4148}small{color:#a5adb5}}"
)


def plain(text: str) -> str:
    """Without the characters that neither HTML nor XML may hold; each becomes U+FFFD."""
    return _CONTROL.sub("\ufffd", text)


def esc(value: object) -> str:
    """Text for HTML content and quoted attributes."""
    return html.escape(plain(str(value)))


def bdi(value: object) -> str:
    """Somebody else's text, so isolated that its direction marks cannot reach its neighbours."""
    return f"<bdi>{esc(value)}</bdi>"


def link(url: str, text: str | None = None) -> str:
    """A link, when the address is one of the web; otherwise its text."""
    shown = bdi(text if text is not None else url)
    if not url.lower().startswith(("http://", "https://")):
        return shown
    return f'<a rel="noreferrer nofollow" href="{esc(url)}">{shown}</a>'


def json_ld(value: Any) -> str:
    """A JSON-LD script element that its content cannot leave, whatever characters are in it."""
    text = json.dumps(value, ensure_ascii=True).translate(_SCRIPT_END)
    return f'<script type="application/ld+json">{text}</script>'


def document(title: str, main: str, *, head: str = "", language: str = "en") -> str:
    """A whole page without any outside asset."""
    return (
        f'<!doctype html>\n<html lang="{esc(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{esc(title)}</title><style>{_STYLE}</style>{head}</head>"
        f"<body><main>\n{main}\n</main></body></html>\n"
    )
