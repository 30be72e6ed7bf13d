"""Identity of listings: same shown content, same hash."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.listing import SHOWN, Listing, content_hash
from schemas.message import canonical_json, digest

MOMENT = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def listing(**fields: Any) -> Listing:
    shown = {
        "platform": "bazaar",
        "listing_id": "8841502",
        "url": "https://bazaar.example/items/8841502",
        "title": "Carved bangle",
        "observed_at": MOMENT,
        "connector": "feed",
        "run_id": "run-1",
    }
    return Listing.sealed(**{**shown, **fields})


@given(
    observed=st.timedeltas(timedelta(0), timedelta(days=400)),
    first_seen=st.none() | st.just(MOMENT),
    connector=st.sampled_from(["feed", "page", "file"]),
    run_id=text.filter(bool),
    title=text,
)
def test_the_content_hash_does_not_depend_on_when_or_by_whom_a_listing_was_seen(
    observed: timedelta, first_seen: datetime | None, connector: str, run_id: str, title: str
) -> None:
    once = listing(title=title)
    again = listing(
        title=title,
        observed_at=MOMENT + observed,
        first_seen_at=first_seen,
        connector=connector,
        run_id=run_id,
    )

    assert once.content_hash == again.content_hash


CHANGES: dict[str, Any] = {
    "url": "https://bazaar.example/items/8841502?x=1",
    "title": "Carved bangle, 62 mm",
    "description": "Old",
    "category": "Jewellery",
    "price": {"amount": "5", "currency": "EUR"},
    "seller": {"handle": "carver_77"},
    "contacts": [{"kind": "handle", "value": "carver_77"}],
    "location": "Port Example",
    "ships_to": ["Worldwide"],
    "shipping_method": "Letter",
    "images": [{"url": "https://img.bazaar.example/1.jpg"}],
    "language": "en",
    "permit_statement": "With certificate",
    "posted_at": MOMENT,
    "gone": True,
}


@pytest.mark.parametrize("field", SHOWN)
def test_every_field_that_a_platform_shows_is_part_of_the_content_hash(field: str) -> None:
    assert listing().content_hash != listing(**{field: CHANGES[field]}).content_hash


@pytest.mark.parametrize("field", ["platform", "listing_id"])
def test_the_same_words_under_another_address_have_another_hash(field: str) -> None:
    assert listing().content_hash != listing(**{field: "another"}).content_hash


def test_every_field_is_either_shown_or_tells_of_the_observation() -> None:
    observation = {"observed_at", "first_seen_at", "connector", "run_id"}
    identity = {"schema_version", "platform", "listing_id", "content_hash", "revision"}

    assert set(Listing.model_fields) == {*SHOWN, *observation, *identity}


def test_one_instant_written_in_two_zones_is_one_content() -> None:
    assert (
        listing(posted_at="2026-03-09T10:00:00+02:00").content_hash
        == listing(posted_at="2026-03-09T08:00:00Z").content_hash
    )


@given(title=text, description=text, amount=st.decimals(0, 10**9, places=2))
def test_a_listing_survives_kafka_with_its_hash(title: str, description: str, amount: object) -> None:
    sent = listing(title=title, description=description, price={"amount": amount})
    received = Listing.from_bytes(sent.to_bytes())

    assert received == sent
    assert content_hash(received) == sent.content_hash


def test_the_key_names_platform_and_listing() -> None:
    assert listing().key == "bazaar:8841502"


@pytest.mark.parametrize(
    "fields",
    [
        {"listing_id": ""},
        {"url": ""},
        {"title": "x" * 4_001},
        {"description": "x" * 200_001},
        {"price": {"amount": "-1"}},
        {"price": {"amount": "NaN"}},
        {"price": {"amount": "1", "currency": "euro"}},
        {"images": [{"url": "https://img.bazaar.example/1.jpg", "perceptual_hash": "pdq:zz"}]},
        {"contacts": [{"kind": "handle", "value": "x"}] * 51},
        {"listing_id": "\ud800"},
        {"observed_at": "2026-03-09T08:00:00"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_listing_out_of_bounds_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        listing(**fields)


@given(
    st.fixed_dictionaries(
        {"title": text, "description": text, "url": text.filter(bool)},
        optional={
            "category": text,
            "price": st.fixed_dictionaries(
                {"amount": st.decimals(0, 10**9, places=2), "currency": st.just("EUR")}
            ),
            "seller": st.fixed_dictionaries({"handle": text}),
            "contacts": st.lists(
                st.fixed_dictionaries({"kind": st.just("phone"), "value": text.filter(bool)}), max_size=2
            ),
            "ships_to": st.lists(text, max_size=3),
            "images": st.lists(st.fixed_dictionaries({"url": text}), max_size=2),
            "posted_at": st.datetimes(timezones=st.just(UTC)),
            "gone": st.just(True),
        },
    )
)
def test_the_content_hash_is_over_the_canonical_json_of_what_is_shown(fields: dict[str, Any]) -> None:
    found = listing(**fields)
    shown = found.model_dump(mode="json", include=set(SHOWN), exclude_none=True)
    bare = {**shown, "images": [{"url": one["url"]} for one in shown["images"]]}

    assert found.content_hash == digest(["bazaar", "8841502", canonical_json(bare)])
    assert Listing.from_bytes(found.to_bytes()) == found
