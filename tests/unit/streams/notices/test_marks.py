"""What two listings share."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.listing import Contact, Image, Seller
from streams.notices.marks import MOST_CONTACTS, MOST_PICTURES, NEAR_BITS, alike, marks_of
from tests.support.notices import make_listing

PDQ = "0123456789abcdef" * 4


def values(**changes: Any) -> set[str]:
    return {mark.value for mark in marks_of(make_listing(**changes))}


def share(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(values(**one) & values(**other))


def contact(kind: str, value: str) -> dict[str, Any]:
    return {"contacts": (Contact(kind=kind, value=value),)}


def test_a_listing_that_shows_nobody_has_no_mark() -> None:
    assert values() == set()
    assert values(seller=Seller(handle="  ")) == set()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seller": Seller(handle="Old Curios")}, {"seller": Seller(handle="old curios ")}),
        ({"seller": Seller(handle="a", account_id="77")}, {"seller": Seller(handle="b", account_id="77")}),
        (
            {"seller": Seller(profile_url="https://www.market.example/u/77/")},
            {"seller": Seller(profile_url="http://market.example/u/77"), "platform": "bazaar"},
        ),
        (contact("phone", "+84 90 555 01 99"), contact("phone", "0084-90-5550199")),
        (contact("phone", "+84 90 555 01 99"), contact("phone", "+٨٤ ٩٠ ٥٥٥ ٠١ ٩٩")),
        (contact("handle", "@Old_Curios"), contact("handle", "old_curios")),
        (contact("email", "mailto:A@shop.example"), contact("email", "a@shop.example")),
        (
            {"images": (Image(url="https://a.example/1", sha256="a" * 64),)},
            {"images": (Image(url="https://b.example/2", sha256="a" * 64),), "platform": "bazaar"},
        ),
    ],
)
def test_what_is_the_same_has_the_same_mark(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert share(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seller": Seller(handle="a-shop")}, {"seller": Seller(handle="a-shop"), "platform": "bazaar"}),
        ({"seller": Seller(account_id="7")}, {"seller": Seller(account_id="7"), "platform": "bazaar"}),
        ({"seller": Seller(handle="77")}, {"seller": Seller(account_id="77")}),
        (contact("phone", "12345"), contact("phone", "12345")),
        (contact("handle", "5550199000"), contact("phone", "5550199000")),
        (contact("url", "https://market.example/"), contact("url", "https://market.example")),
        (
            {"images": (Image(url="https://a.example/1", perceptual_hash="pdq:" + "0" * 64),)},
            {"images": (Image(url="https://b.example/1", perceptual_hash="pdq:" + "0" * 64),)},
        ),
    ],
    ids=[
        "name elsewhere",
        "id elsewhere",
        "name and id",
        "short",
        "other kind",
        "front page",
        "blank picture",
    ],
)
def test_what_is_not_the_same_seller_for_certain_shares_none(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert not share(one, other)


def test_marks_say_nothing_of_the_person() -> None:
    told = values(seller=Seller(handle="jane-roe"), **contact("email", "jane@roe.example"))

    assert told
    assert not any("jane" in value or "roe" in value for value in told)


def test_a_listing_with_very_much_of_all_has_few_marks() -> None:
    many = make_listing(
        contacts=tuple(Contact(kind="handle", value=f"seller{n}") for n in range(50)),
        images=tuple(Image(url="https://a.example", sha256=f"{n:064d}") for n in range(200)),
    )

    assert len(marks_of(many)) == MOST_CONTACTS + MOST_PICTURES


@given(st.sets(st.integers(0, 255), max_size=60))
def test_pictures_are_alike_up_to_thirty_one_bits(flipped: set[int]) -> None:
    other = int(PDQ, 16)
    for bit in flipped:
        other ^= 1 << bit

    assert alike(PDQ, f"{other:064x}") == (len(flipped) <= NEAR_BITS)


@given(st.sets(st.integers(0, 255), max_size=15))
def test_hashes_that_differ_in_fifteen_bits_share_a_band(flipped: set[int]) -> None:
    other = int(PDQ, 16)
    for bit in flipped:
        other ^= 1 << bit

    assert share(
        {"images": (Image(url="https://a.example", perceptual_hash=f"pdq:{PDQ}"),)},
        {"images": (Image(url="https://b.example", perceptual_hash=f"pdq:{other:064x}"),)},
    )


@given(st.text(max_size=200), st.text(min_size=1, max_size=200))
def test_nothing_that_a_seller_writes_breaks_it(address: str, value: str) -> None:
    listing = make_listing(
        seller=Seller(handle=value, profile_url=address),
        contacts=(Contact(kind="url", value=value), Contact(kind="phone", value=value)),
    )

    assert all(len(mark.value) <= 80 for mark in marks_of(listing))
