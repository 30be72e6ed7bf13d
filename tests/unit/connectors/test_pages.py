"""A product is found in a page however carelessly it is written down, and nothing a page holds raises."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mapping import seal
from connectors.pages import amount, listing_fields, moment, product_id, read_page

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def page(*blocks: str, head: str = "", body: str = "") -> bytes:
    scripts = "".join(f'<script type="application/ld+json">{block}</script>' for block in blocks)
    top = f"<head><title> A page </title>{head}{scripts}</head>"
    return f'<html lang="de">{top}<body>{body}</body></html>'.encode()


PRODUCT: dict[str, Any] = {"@type": "Product", "sku": "A-1", "name": "Carved tusk"}


@pytest.mark.parametrize(
    "block",
    [
        json.dumps(PRODUCT),
        json.dumps([PRODUCT]),
        json.dumps([[PRODUCT]]),
        json.dumps({"@context": "https://schema.org", "@graph": [{"@type": "WebSite"}, PRODUCT]}),
        json.dumps({"@type": "ItemPage", "mainEntity": PRODUCT}),
        json.dumps({"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": PRODUCT}]}),
        json.dumps({**PRODUCT, "@type": ["Thing", "Product"]}),
        json.dumps({**PRODUCT, "@type": "http://schema.org/Product"}),
        json.dumps({**PRODUCT, "@type": "schema:Product"}),
        f"<!-- {json.dumps(PRODUCT)} -->",
        f"//<![CDATA[\n{json.dumps(PRODUCT)}\n//]]>",
        json.dumps(PRODUCT) + ";",
        json.dumps(PRODUCT).replace("Carved tusk", "Carved\ttusk").replace("\\t", "\t"),
        json.dumps({"@type": "Offer", "price": 5, "itemOffered": PRODUCT}),
        json.dumps({"@type": "Offer", "sku": "A-1", "name": "Carved tusk", "price": "5"}),
    ],
)
def test_a_product_is_found_wherever_it_stands(block: str) -> None:
    (product,) = read_page(page("{broken", block)).products

    assert product_id(product) == "A-1"
    assert listing_fields(product, "https://shop.example/1")["title"].split() == ["Carved", "tusk"]


def test_everything_a_product_states_is_kept() -> None:
    product = {
        "@type": "Product",
        "productID": "77",
        "sku": "other",
        "url": "/listing/77",
        "name": ["Halskette", "necklace"],
        "description": {"@value": "aus Elfenbein"},
        "category": ["Schmuck", {"@type": "Thing", "name": "Ketten"}],
        "image": ["/a.jpg", {"@type": "ImageObject", "contentUrl": "https://img.example/b.jpg"}, 7],
        "inLanguage": "de",
        "datePosted": "2026-11-01",
        "additionalProperty": [
            {"@type": "PropertyValue", "name": "permit_statement", "value": "CITES papers"},
            {"@type": "PropertyValue", "name": "contact_handle", "value": "@seller"},
        ],
        "offers": [
            {
                "@type": "Offer",
                "priceSpecification": {"price": "1.299,00", "priceCurrency": "eur"},
                "seller": {"@type": "Person", "name": "kunsthaus7", "url": "/u/9", "telephone": "tel:+100"},
                "availableAtOrFrom": {"address": {"addressLocality": "Köln", "addressCountry": "DE"}},
                "areaServed": ["AT", {"@type": "Country", "name": "CH"}, "AT"],
            }
        ],
    }
    fields = listing_fields(product, "https://shop.example/x?y")
    listing = seal(
        {**fields, "platform": "shop", "connector": "page", "run_id": "r", "observed_at": NOW}, now=NOW
    )

    assert listing.listing_id == "77"
    assert listing.url == "https://shop.example/listing/77"
    assert (listing.title, listing.description) == ("Halskette", "aus Elfenbein")
    assert listing.category == "Schmuck > Ketten"
    assert [image.url for image in listing.images] == [
        "https://shop.example/a.jpg",
        "https://img.example/b.jpg",
    ]
    assert listing.price is not None
    assert (listing.price.amount, listing.price.currency) == (Decimal("1299.00"), "EUR")
    assert listing.seller is not None
    assert (listing.seller.handle, listing.seller.profile_url) == ("kunsthaus7", "https://shop.example/u/9")
    assert {(one.kind, one.value) for one in listing.contacts} == {("phone", "+100"), ("handle", "@seller")}
    assert (listing.location, listing.ships_to) == ("Köln, DE", ("AT", "CH"))
    assert listing.permit_statement == "CITES papers"
    assert listing.posted_at == datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (12, "12"),
        (12.5, "12.5"),
        ("1299", "1299"),
        ("1,299.00", "1299.00"),
        ("1.299,00", "1299.00"),
        ("12 500,50", "12500.50"),
        ("12,5", "12.5"),
        ("1.299", "1.299"),
        ("25 tr", None),
        ("EUR 12", None),
        ("", None),
        ("-3", None),
        ("1e5", None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ({"x": 1}, None),
        ("9" * 40, None),
    ],
)
def test_a_price_is_read_only_where_it_is_sure(text: Any, number: str | None) -> None:
    assert amount(text) == (Decimal(number) if number else None)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", None, 5, "9999-12-31T23:59:59-12:00"])
def test_a_date_that_is_none_is_left_out(text: Any) -> None:
    assert moment(text) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"<html>",
        page("[" * 20_000),
        page("{" * 20_000),
        page('{"@type":"Product","offers":' + "9" * 5_000 + "}"),
        page(json.dumps({"@type": "Product", "name": None, "offers": "x", "image": {"a": 1}})),
        page('{"@type": "Product", "name": "\\ud800"}'),
        page(json.dumps({"@graph": [{"a": [{}] * 50}] * 500})),
    ],
)
def test_no_page_raises(body: bytes) -> None:
    for product in read_page(body).products:
        listing_fields(product, "https://shop.example/")


_KEYS = (
    *("@type", "@graph", "@id", "name", "url", "sku", "image", "category", "value", "address"),
    *("offers", "price", "seller", "areaServed", "itemOffered", "additionalProperty", "shippingDetails"),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(_KEYS),
            inner | st.sampled_from(["Product", "Offer", "//[", "http://[::1"]),
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(_json)
def test_no_json_ld_raises(value: Any) -> None:
    for product in read_page(page(json.dumps({"@type": "Product", "x": 1}), json.dumps(value))).products:
        listing_fields(product, "https://shop.example/")


def test_state_login_and_language_are_told() -> None:
    removed = read_page(page(body='<meta name="listing-state" content="removed">gone'))
    login = read_page(page(body="<input type=password>"))

    assert (removed.listing_state, removed.language, removed.title) == ("removed", "de", "A page")
    assert login.asks_for_login


@pytest.mark.parametrize(
    ("html", "titles"),
    [
        ('<!-- <script type="application/ld+json">{"@type":"Product","name":"a"}</script> -->', []),
        ('<p title="<script type=application/ld+json>{}</script>">', []),
        (
            '<p title=5" id=don\'t><SCRIPT TYPE=application/ld+json>{"@type":"Product","name":"b"}</SCRIPT >',
            ["b"],
        ),
        (
            '<textarea><script type="application/ld+json">{"@type":"Product","name":"c"}</script></textarea>',
            [],
        ),
        ('<script>"<!--"</script><script type="application/ld+json">{"@type":"Product","name":"d"}', ["d"]),
        (
            '<script type="application/ld+json">{"@type":"Product","name":"</scriptx <script> <"}</ScRiPt\n>'
            "<title></titles></title>"
            '<script type="application/ld+json">{"@type":"Product","name":"e"}</script/>',
            ["</scriptx <script> <", "e"],
        ),
    ],
)
def test_only_what_a_browser_takes_for_a_script_is_read(html: str, titles: list[str]) -> None:
    assert [product["name"] for product in read_page(html.encode()).products] == titles
