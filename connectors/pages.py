"""Reading what a page says about the product it offers: schema.org Product and Offer in JSON-LD.

Pages are hostile or careless: several blocks, ``@graph``, arrays where one is meant, text where a
thing is meant, comments inside JSON, trailing rubbish. Nothing here raises for what a page contains.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urljoin

from connectors.markup import decode, elements
from schemas.references import characters

Node = Mapping[str, Any]

PRODUCT_TYPES = frozenset({"Product", "IndividualProduct", "ProductModel", "ProductGroup", "SomeProducts"})
OFFER_TYPES = frozenset({"Offer", "AggregateOffer"})
_MOST_NODES = 5_000
_MOST_BLOCKS = 1_000
_WRAPPING = re.compile(
    r"\A\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)?(.*?)(?:-->|//\s*\]\]>|\]\]>)?[\s;]*\Z", re.S
)
_LOOKED_AT = {
    "html": "lang",
    "title": "",
    "link": "canonical",
    "meta": "listing-state",
    "input": "password",
    "script": "ld+json",
}
"""Elements, each with a word in its tag without which it says nothing to us."""


@dataclass(frozen=True, slots=True)
class Document:
    """The parts of a page that are looked at."""

    title: str
    """Of the ``title`` element."""
    language: str | None
    """Of the ``html`` element."""
    canonical: str | None
    products: tuple[Node, ...]
    """Product nodes of all JSON-LD blocks, in page order; an Offer without a Product counts as one."""
    asks_for_login: bool
    """There is a password field."""
    listing_state: str | None
    """Of ``<meta name="listing-state">``, by which a page says that its listing was removed."""


def read_page(body: bytes, content_type: str = "") -> Document:
    """Read a page's bytes. ``content_type`` is the HTTP header, for its charset."""
    told: dict[str, str] = {}
    blocks: list[str] = []
    for name, has, words in elements(decode(body, content_type), _LOOKED_AT):
        match name:
            case "script" if _is_json_ld(has):
                blocks.append(words)
            case "title":
                told.setdefault("title", characters(words).strip())
            case "html" if "lang" in has:
                told.setdefault("language", has["lang"])
            case "link" if "canonical" in has.get("rel", "").lower().split():
                told.setdefault("canonical", has.get("href", ""))
            case "meta" if has.get("name") == "listing-state":
                told.setdefault("listing_state", has.get("content", ""))
            case "input" if has.get("type", "").lower() == "password":
                told["login"] = "asked for"
    return Document(
        title=told.get("title", ""),
        language=told.get("language") or None,
        canonical=told.get("canonical") or None,
        products=tuple(product for block in blocks[:_MOST_BLOCKS] for product in _products(_parsed(block))),
        asks_for_login="login" in told,
        listing_state=told.get("listing_state") or None,
    )


def _is_json_ld(has: Mapping[str, str]) -> bool:
    """Whether that is what a script's ``type`` says, parameters aside."""
    return has.get("type", "").partition(";")[0].strip().lower() == "application/ld+json"


def _parsed(text: str) -> Any:
    try:
        return _JSON.decode(text)
    except ValueError:
        inner = _WRAPPING.match(text)
    except RecursionError:
        return None
    try:
        return _JSON.decode(inner.group(1)) if inner else None
    except (ValueError, RecursionError):
        return None


_JSON = json.JSONDecoder(strict=False, parse_constant=lambda _: None)


def _products(value: Any) -> Iterator[Node]:
    """Products anywhere in a JSON-LD value, outermost first; their own parts are not searched again."""
    waiting = deque([value])
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        node = waiting.popleft()
        if isinstance(node, list):
            waiting.extendleft(reversed(node))
        elif isinstance(node, dict):
            types = type_names(node)
            if types & PRODUCT_TYPES:
                yield node
            elif types & OFFER_TYPES:
                yield _product_of_offer(node)
            else:
                parts = [part for part in node.values() if isinstance(part, dict | list)]
                waiting.extendleft(reversed(parts))


def _product_of_offer(offer: Node) -> Node:
    """An offer that stands alone, seen as the product it offers."""
    item = first(offer.get("itemOffered"))
    own = {key: value for key, value in offer.items() if key != "itemOffered"}
    product: dict[str, Any] = {}
    if isinstance(item, Mapping):
        product = dict(item)
    elif isinstance(item, str):
        product = {"name": item}
    shared = ("name", "description", "url", "sku", "identifier", "image")
    names: dict[str, Any] = {key: own[key] for key in shared if key in own}
    return {**names, **product, "@type": "Product", "offers": own}


def type_names(node: Node) -> set[str]:
    """The node's types without prefix or namespace."""
    given = node.get("@type")
    names = given if isinstance(given, list) else [given]
    return {_NAMESPACE.split(name)[-1] for name in names if isinstance(name, str)}


_NAMESPACE = re.compile(r"[/#:]")


def first(value: Any) -> Any:
    """The first of a list, or the value itself."""
    while isinstance(value, list):
        value = value[0] if value else None
    return value


def many(value: Any) -> list[Any]:
    """The value as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def words(value: Any) -> str | None:
    """Text of a value that may be text, a number, a language map or a thing with a name."""
    if value is None:
        return None
    value = first(value)
    if isinstance(value, Mapping):
        value = first(value.get("@value") or value.get("name") or value.get("value"))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def address(value: Any, base: str) -> str | None:
    """An absolute http address of a value that may be text or a thing with ``url`` or ``contentUrl``."""
    if value is None:
        return None
    value = first(value)
    if isinstance(value, Mapping):
        value = first(value.get("contentUrl") or value.get("url") or value.get("@id"))
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        whole = urljoin(base, value.strip())
    except ValueError:
        return None
    return whole if whole.startswith(("http://", "https://")) else None


def product_id(product: Node) -> str | None:
    """The platform's own id of the product, in the order of how likely a field is to be one."""
    for field in ("productID", "sku", "identifier", "@id", "url"):
        found = words(product.get(field))
        if found:
            return found
    return None


_PLAIN = re.compile(r"\d{1,14}(?:\.\d{1,4})?")
_THOUSANDS_COMMA = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d{1,4})?")
_THOUSANDS_POINT = re.compile(r"\d{1,3}(?:[. \u00a0\u202f]\d{3})+(?:,\d{1,2})?")
_DECIMAL_COMMA = re.compile(r"\d{1,14},\d{1,2}")


def amount(value: Any) -> Decimal | None:
    """A price's number, or ``None`` where it cannot be told for sure."""
    if value is None:
        return None
    value = first(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    if _THOUSANDS_COMMA.fullmatch(text):
        text = text.replace(",", "")
    elif _THOUSANDS_POINT.fullmatch(text) and not _PLAIN.fullmatch(text):
        text = re.sub(r"[. \u00a0\u202f]", "", text).replace(",", ".")
    elif _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not _PLAIN.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def moment(value: Any) -> datetime | None:
    """An ISO 8601 date or time; without a zone it is taken as UTC."""
    value = first(value)
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def listing_fields(product: Node, page_url: str, language: str | None = None) -> dict[str, Any]:
    """The fields of a :class:`schemas.listing.Listing` that a product node states."""
    offer = first(product.get("offers"))
    offer = offer if isinstance(offer, Mapping) else {}
    price = first(offer.get("priceSpecification"))
    price = price if isinstance(price, Mapping) else {}
    number = next(
        (
            found
            for found in (
                amount(offer.get("price")),
                amount(price.get("price")),
                amount(offer.get("lowPrice")),
                amount(product.get("price")),
            )
            if found is not None
        ),
        None,
    )
    further = _further(product)
    currency = words(offer.get("priceCurrency")) or words(price.get("priceCurrency"))
    fields: dict[str, Any] = {
        "listing_id": product_id(product),
        "url": address(product.get("url"), page_url) or address(offer.get("url"), page_url) or page_url,
        "title": words(product.get("name")) or "",
        "description": words(product.get("description")) or "",
        "category": _category(product.get("category")),
        "price": {"amount": number, "currency": currency.upper() if currency else None}
        if number is not None
        else None,
        "seller": _seller(offer.get("seller") or offer.get("offeredBy") or product.get("seller"), page_url),
        "contacts": (*_contacts(offer.get("seller") or product.get("seller")), *_further_contacts(further)),
        "location": _place(offer.get("availableAtOrFrom")),
        "ships_to": tuple(_destinations(offer)),
        "shipping_method": further.get("shipping_method"),
        "permit_statement": further.get("permit_statement"),
        "images": tuple(
            {"url": found} for one in many(product.get("image")) if (found := address(one, page_url))
        ),
        "language": words(product.get("inLanguage")) or language,
        "posted_at": moment(product.get("datePosted"))
        or moment(product.get("datePublished"))
        or moment(product.get("dateCreated"))
        or moment(offer.get("availabilityStarts"))
        or moment(offer.get("validFrom")),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _category(value: Any) -> str | None:
    names = [name for one in many(value) if (name := words(one))]
    return " > ".join(names) or None


def _seller(value: Any, page_url: str) -> dict[str, Any] | None:
    value = first(value)
    if isinstance(value, str):
        return {"handle": value} if value.strip() else None
    if not isinstance(value, Mapping):
        return None
    seller = {
        "handle": words(value.get("name")),
        "account_id": words(value.get("identifier")),
        "profile_url": address(value.get("url") or value.get("@id"), page_url),
    }
    return seller if any(seller.values()) else None


def _contacts(value: Any) -> Iterator[dict[str, str]]:
    value = first(value)
    if isinstance(value, Mapping):
        for kind, field in (("phone", "telephone"), ("email", "email")):
            found = words(value.get(field))
            if found:
                yield {"kind": kind, "value": found.removeprefix("tel:").removeprefix("mailto:")}


def _further(product: Node) -> dict[str, str]:
    """What stands under ``additionalProperty``, by name."""
    found = {}
    for one in many(product.get("additionalProperty")):
        if isinstance(one, Mapping):
            name, value = words(one.get("name")), words(one.get("value"))
            if name and value:
                found[name] = value
    return found


def _further_contacts(further: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for kind in ("phone", "email", "handle", "url", "payment"):
        if f"contact_{kind}" in further:
            yield {"kind": kind, "value": further[f"contact_{kind}"]}


def _place(value: Any) -> str | None:
    value = first(value)
    if not isinstance(value, Mapping):
        return words(value)
    inner = first(value.get("address"))
    if isinstance(inner, Mapping):
        parts = [words(inner.get(field)) for field in ("addressLocality", "addressRegion", "addressCountry")]
        return ", ".join(part for part in parts if part) or words(value)
    return words(inner) or words(value)


def _destinations(offer: Node) -> Iterator[str]:
    seen: set[str] = set()
    regions = [*many(offer.get("eligibleRegion")), *many(offer.get("areaServed"))]
    for details in many(offer.get("shippingDetails")):
        if isinstance(details, Mapping):
            regions += many(details.get("shippingDestination"))
    for region in regions:
        country = region.get("addressCountry") if isinstance(region, Mapping) else None
        for one in many(country or region):
            name = words(one)
            if name and name not in seen:
                seen.add(name)
                yield name
