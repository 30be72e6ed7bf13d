"""Reading HTML without making a tree of it: elements that say something, their attributes, and plain text.

A tree of a page is a weapon: a parser as browsers have them needs minutes for a hundred thousand elements
inside each other, and makes millions of a few kilobytes of misnested ones. Here a page is a row of tags, read
once from its start to its end as a browser tells them apart (HTML, 13.2.5). Nothing here raises for what a
page contains.
"""

import re
from collections.abc import Iterator, Mapping
from html.entities import html5

from schemas.references import characters

_MARKUP = re.compile(r"<[a-zA-Z/!]|&[a-zA-Z#]")
_INSIDE = r"(?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?+)*+>?"
"""The rest of a tag. Nothing in it is tried twice, so that no page makes it slow."""
_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    rf"|<(?P<raw>script|style|title|textarea|xmp|iframe|noembed|noframes)(?=[\s/>])(?P<of>{_INSIDE})"
    r"(?P<words>(?:[^<]++|<(?!/(?P=raw)[\s/>]))*+)(?:</(?P=raw)[^>]*>?|\Z)"
    rf"|<(?P<name>[a-zA-Z][^\s/>]*)(?P<inside>{_INSIDE})"
    rf"|</(?P<end>[a-zA-Z][^\s/>]*){_INSIDE}"
    r"|<[!?/][^>]*>?",
    re.S | re.I,
)
_ATTRIBUTE = re.compile(r"([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>]*+)))?+")
_REFERENCE = re.compile(r"&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+);?|[a-zA-Z][a-zA-Z0-9]*(?:;|(?![a-zA-Z0-9=])))")
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([a-z0-9_.:-]{1,40})")


def elements(html: str, wanted: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, str], str]]:
    """Each wanted element, in page order: its name, its attributes, and the words in it as they stand
    where it is one that holds nothing but text (``script``, ``title``).

    ``wanted``: names in lower case, each with a word (lower case) that stands in its tag where it is wanted.
    """
    for found in _TOKEN.finditer(html):
        raw, name, inside, words = found.group("raw", "name", "inside", "words")
        if raw is not None:
            name, inside = raw, found["of"]
        if name is None or (word := wanted.get(low := name.lower())) is None:
            continue
        if not word or word in inside.lower():
            yield low, attributes(inside), _as_read(words or "")


def attributes(inside: str) -> dict[str, str]:
    """The attributes of a tag by name in lower case, from what follows the tag's own name. Of several of one
    name the first counts.

    >>> attributes(" REL=canonical href='/a?b=1&amp;c&copy=2' hidden>")
    {'rel': 'canonical', 'href': '/a?b=1&c&copy=2', 'hidden': ''}
    """
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(inside):
        value = double or single or bare
        found.setdefault(name.lower(), _REFERENCE.sub(_character, value) if "&" in value else value)
    return found


def _character(found: re.Match[str]) -> str:
    """What a reference in an attribute stands for: one without a semicolon only where it is whole."""
    reference = found[0]
    return characters(reference) if reference[1] == "#" else html5.get(reference[1:], reference)


def _as_read(words: str) -> str:
    """Lines end in one way, and there is no NUL."""
    return words.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def decode(body: bytes, content_type: str = "") -> str:
    """Text of a page: charset of the header, else of the page's first kilobyte, else UTF-8. Never raises."""
    told = content_type.lower().encode("ascii", "ignore")
    found = _CHARSET.search(told) or _CHARSET.search(body[:1024].lower())
    charset = found.group(1).decode("ascii") if found else "utf-8"
    try:
        return body.decode(charset, "replace")
    except (LookupError, ValueError, UnicodeError):  # unknown, or not a text encoding
        return body.decode("utf-8", "replace")


def plain_text(html: str | None) -> str:
    """Text of a piece of HTML; text without markup stays as it is."""
    if not html:
        return ""
    if not _MARKUP.search(html):
        return html.strip()
    return " ".join(characters(_TOKEN.sub(_between, html)).split())


def text_lines(html: str, without: frozenset[str]) -> str:
    """Text of a piece of HTML, a line for each piece between two tags; elements named ``without`` are left
    out with all that is in them."""
    lines: list[str] = []
    at = depth = 0
    for found in _TOKEN.finditer(html):
        if not depth:
            lines.append(html[at : found.start()])
        at = found.end()
        if (found["name"] or "").lower() in without:
            depth += 1
        elif (found["end"] or "").lower() in without:
            depth = max(depth - 1, 0)
    if not depth:
        lines.append(html[at:])
    return "\n".join(line for one in lines if (line := characters(one).strip()))


def _between(found: re.Match[str]) -> str:
    """What stands in place of a tag: the words of an element that holds nothing but text, else a space."""
    shown = found["raw"] is not None and found["raw"].lower() in ("title", "textarea")
    return f" {found['words']} " if shown else " "
