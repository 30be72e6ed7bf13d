"""Rows of files: a whole :class:`schemas.listing.Listing`, or the few fields that somebody had.

The few: ``id``, ``title``, ``text``, and where known ``url``, ``platform``, ``price`` (number or object),
``currency``, ``seller``, ``category``, ``location``, ``language``, ``images``, ``ships_to``, ``posted_at`` …
Other fields are ignored.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.mapping import OPTIONAL, Unusable, seal
from connectors.pages import amount, moment
from connectors.sandbox.assignment import assign_platform
from schemas.listing import Listing

ALIASES: Mapping[str, tuple[str, ...]] = {
    "listing_id": ("listing_id", "id"),
    "title": ("title", "name"),
    "description": ("description", "text", "body"),
    "url": ("url", "link"),
    "language": ("language", "lang"),
    "images": ("images", "image"),
    "posted_at": ("posted_at", "date", "published"),
}
_KEPT = frozenset({"platform", "observed_at", *OPTIONAL}) - frozenset(ALIASES)


def row_listing(
    row: object,
    *,
    platforms: Mapping[str, str],
    connector: str,
    run_id: str,
    now: datetime,
) -> Listing:
    """One row as a listing.

    ``platforms`` names the known platforms and the address under which each shows its listings. A row
    without a platform is given one of them; without any known platform every name is accepted.

    Raises:
        Unusable: with a sentence that says what to mend.
    """
    if not isinstance(row, Mapping):
        raise Unusable("wrong_shape", f"a row is a JSON object, not {_kind(row)}.")
    whole = "schema_version" in row
    fields = dict(row) if whole else few_fields(row)
    _complete(fields, platforms)
    fields.setdefault("observed_at", now)
    fields.update(connector=connector, run_id=run_id)
    fields.pop("content_hash", None)
    return seal(fields, now=now, strict=whole)


def few_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row in somebody's own words as fields of a listing; what is not known is left out."""
    fields = {name: row[name] for name in _KEPT if _given(row.get(name))}
    for name, spellings in ALIASES.items():
        for spelling in spellings:
            if _given(row.get(spelling)):
                fields[name] = row[spelling]
                break
    identity = fields.get("listing_id")
    if isinstance(identity, int) and not isinstance(identity, bool):
        fields["listing_id"] = str(identity)
    if isinstance(fields.get("seller"), str):
        fields["seller"] = {"handle": fields["seller"]}
    if "price" in fields and not isinstance(fields["price"], Mapping):
        number, currency = amount(fields["price"]), row.get("currency")
        code = currency.strip().upper() if isinstance(currency, str) and currency.strip() else None
        fields["price"] = {"amount": number, "currency": code}
    if "images" in fields:
        fields["images"] = tuple(
            {"url": one} if isinstance(one, str) else one for one in _several(fields["images"])
        )
    if "ships_to" in fields:
        fields["ships_to"] = tuple(_several(fields["ships_to"]))
    for name in ("posted_at", "first_seen_at", "observed_at"):
        if isinstance(fields.get(name), str):
            # A date without a zone is common in files; a word that is no date is left for the schema.
            fields[name] = moment(fields[name]) or fields[name]
    return fields


def _complete(fields: dict[str, Any], platforms: Mapping[str, str]) -> None:
    """Give a row the platform and the address that it does not carry."""
    identity = fields.get("listing_id")
    if not isinstance(identity, str) or not identity:
        missing = identity is None or identity == ""
        raise Unusable(
            "wrong_shape",
            "the row has no id: every listing needs the platform's own id."
            if missing
            else f"id is {_kind(identity)}; it must be text.",
        )
    name = fields.get("platform")
    if name is None:
        if not platforms:
            raise Unusable(
                "unknown_platform", "the row names no platform and none is configured (--platforms FILE)."
            )
        name = fields["platform"] = assign_platform(identity, list(platforms))
    elif not isinstance(name, str):
        raise Unusable("wrong_shape", f"platform is {_kind(name)}; it must be text.")
    elif platforms and name not in platforms:
        raise Unusable(
            "unknown_platform",
            f"the platform {name[:64]!r} is not in the platforms file: add it there or mend the row.",
        )
    if fields.get("url") is None:
        base = platforms.get(name)
        if base is None:
            raise Unusable("wrong_shape", "the row has no url and its platform's address is not known.")
        fields["url"] = f"{base}/listing/{quote(identity, safe='')}"


def _given(value: object) -> bool:
    return value is not None and value not in ("", [])


def _several(value: object) -> list[Any]:
    """A list, or text with ``|`` between its parts as a CSV cell holds them."""
    if isinstance(value, str):
        return [part.strip() for part in value.split("|") if part.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)
