"""Watchlist entries of numbers, accounts and images: whatever the writing, and every kind as it says."""

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.listing import Listing
from schemas.watchlist import EntryKind, WatchlistEntry
from streams.screening.gate import Gate, Look
from streams.screening.identifiers.entries import IdentifierIndex, identifiers, keys_in
from streams.screening.images import DISTANCE, PdqIndex
from streams.screening.places import PlatformLaw
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.seen import NOTIFY_CONFIDENCE
from streams.screening.verdict import Verdict
from streams.screening.watchlist import in_force
from streams.watchlist.exchange import (
    Defaults,
    advice_for,
    check_entry,
    read_entries_from,
    write_csv,
    write_json,
)

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PDQ = "9c6f" * 16
SHA = "ab" * 32
NUMBER = "+84 912 345 678"
VALUES: dict[EntryKind, tuple[str, dict[str, Any]]] = {
    "term": ("blue marble", {"title": "blue marble thing"}),
    "code_word": ("yellow stuff", {"title": "yellow stuff again"}),
    "hashtag": ("#bulanbiru", {"title": "baru #bulanbiru"}),
    "regex": (r"moon\s+biscuits? \d+", {"title": "a MOON biscuit 12"}),
    "seller": ("test-seller", {"title": "a thing", "seller": {"handle": "Test-Seller"}}),
    "phone": (NUMBER, {"title": "call 0912.345.678", "location": "Hà Nội"}),
    "handle": ("telegram:@test_seller", {"title": "t.me/Test_Seller"}),
    "payment": ("test.seller@okhdfcbank", {"title": "upi Test.Seller@okhdfcbank"}),
    "image_sha256": (SHA, {"title": "a", "images": [{"url": "https://x.example/1.jpg", "sha256": SHA}]}),
    "image_pdq": (
        PDQ,
        {"title": "a", "images": [{"url": "https://x.example/1.jpg", "perceptual_hash": f"pdq:{PDQ}"}]},
    ),
    "not_term": ("tagua nut", {"title": "tagua nut"}),
    "not_seller": ("museum-shop", {"title": "a thing", "seller": {"account_id": "museum-shop"}}),
}


@cache
def ruleset() -> ScreeningRuleset:
    return build_ruleset(platforms={"vn-market": PlatformLaw("VN", "VN")})


def entry(kind: EntryKind, value: str, **more: Any) -> WatchlistEntry:
    return WatchlistEntry.model_validate(
        {
            "entry_id": f"{kind}.1",
            "kind": kind,
            "value": value,
            "reason": "seen before",
            "source": "case 1",
            "added_by": "t",
            "added_at": NOW,
            **more,
        }
    )


def listing(**fields: Any) -> Listing:
    return Listing.sealed(
        **{
            "platform": "p",
            "listing_id": "1",
            "url": "https://x.example/1",
            "observed_at": NOW,
            "connector": "file",
            "run_id": "r",
            **fields,
        }
    )


def screened(one: WatchlistEntry, **fields: Any) -> Verdict:
    return ruleset().screener({one.entry_id: one}).screen(listing(**fields), NOW)


def test_every_kind_is_tried_here() -> None:
    assert set(VALUES) == set(EntryKind.__args__)  # type: ignore[attr-defined]  # a Literal


@pytest.mark.parametrize("kind", VALUES)
def test_every_kind_is_found_and_quoted(kind: EntryKind) -> None:
    value, fields = VALUES[kind]
    verdict = screened(entry(kind, value), **fields)

    assert verdict.entries == (f"{kind}.1",)
    assert [match.ref for match in verdict.matches] == [f"watchlist:{kind}.1"]
    assert verdict.outcome == ("clear" if kind.startswith("not_") else "review")
    assert "seen before" in verdict.explanation


def test_an_entry_is_found_as_it_is_written_where_the_word_is_read_as_another() -> None:
    verdict = screened(entry("hashtag", "#gadingasli"), title="baru #gadingasli, 0912 1v0ry")

    assert verdict.entries == ("hashtag.1",)
    quotes = [match.quote for match in verdict.matches if match.ref == "watchlist:hashtag.1"]
    assert quotes == ["gadingasli"]


@pytest.mark.parametrize("kind", [kind for kind in VALUES if not kind.startswith("not_")])
def test_an_entry_that_is_less_sure_is_reviewed_at_most(kind: EntryKind) -> None:
    value, fields = VALUES[kind]
    sure = screened(entry(kind, value, outcome="notify"), **fields)
    unsure = screened(entry(kind, value, outcome="notify", confidence=NOTIFY_CONFIDENCE - 0.01), **fields)

    assert (sure.outcome, sure.score) == ("notify", 1.0)
    assert (unsure.outcome, unsure.score) == ("review", NOTIFY_CONFIDENCE - 0.01)


@pytest.mark.parametrize("kind", VALUES)
def test_every_kind_expires_and_goes_through_files_unchanged(kind: EntryKind) -> None:
    value, fields = VALUES[kind]
    more: dict[str, Any] = {"distance": 12} if kind == "image_pdq" else {}
    one = entry(kind, value, expires_at=NOW + timedelta(days=1), confidence=0.7, **more)

    assert in_force({"x": one}, NOW) == {"x": one}
    assert in_force({"x": one}, NOW + timedelta(days=1)) == {}
    later = in_force({one.entry_id: one}, NOW + timedelta(days=2))
    assert ruleset().screener(later).screen(listing(**fields), NOW).entries == ()
    for raw, form in ((write_csv([one]), "csv"), (write_json([one]), "json")):
        rows = read_entries_from(raw.encode(), form, Defaults("other", NOW))  # type: ignore[arg-type]
        assert [row.entry for row in rows] == [one]


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "gọi ０９１２ ３４５ ６７８", "platform": "vn-market"},
        {"title": "๐๙๑๒.๓๔๕.๖๗๘", "platform": "vn-market"},
        {"description": "tel 0 9 1 2 - 3 4 5 - 6 7 8", "location": "Sài Gòn, Việt Nam"},
        {"title": "zalo 0912345678"},
        {"title": "WhatsApp +84.912.345.678"},
        {"title": "x", "contacts": [{"kind": "phone", "value": "(0084) 912 345 678"}]},
        {"title": "x", "language": "vi", "description": "ĐT: 0912 345 678"},
    ],
)
def test_a_phone_is_matched_in_any_writing(fields: dict[str, Any]) -> None:
    assert screened(entry("phone", NUMBER), **fields).outcome == "review"


@pytest.mark.parametrize(
    ("kind", "value", "fields", "found"),
    [
        ("phone", NUMBER, {"title": "0912 345 679", "platform": "vn-market"}, False),
        ("handle", "@test_seller", {"title": "telegram: @TEST_SELLER"}, True),
        (
            "handle",
            "@test_seller",
            {"title": "x", "contacts": [{"kind": "handle", "value": "Test_Seller"}]},
            True,
        ),
        ("handle", "wechat:test_seller", {"title": "t.me/test_seller"}, False),
        ("handle", "https://t.me/test_seller", {"title": "tg @Test_Seller"}, True),
        ("payment", "paypal:TestSeller", {"title": "paypal.me/testseller"}, True),
        ("payment", "zalo 0912345678", {"title": "no such thing"}, False),
    ],
)
def test_an_account_is_matched_by_service_and_name(
    kind: EntryKind, value: str, fields: dict[str, Any], found: bool
) -> None:
    assert bool(screened(entry(kind, value), **fields).entries) == found


def test_the_quote_is_the_sellers_own_writing() -> None:
    title = "gọi ngay ０９１２-３４５-６７８ nhé"
    verdict = screened(entry("phone", NUMBER), title=title, platform="vn-market")
    (match,) = verdict.matches

    assert title[match.start : match.end] == match.quote == "０９１２-３４５-６７８"


def test_a_number_without_its_country_is_advised_to_have_one() -> None:
    assert "country code" in advice_for(entry("phone", "0912 345 678"))
    assert advice_for(entry("phone", NUMBER)) == ""


def test_an_image_near_enough_is_found_with_its_address_and_distance() -> None:
    near = f"{int(PDQ, 16) ^ 0b111:064x}"
    fields = {
        "title": "a vase",
        "images": [
            {"url": "https://x.example/other.jpg", "perceptual_hash": "pdq:" + "0f" * 32},
            {"url": "https://x.example/near.jpg", "perceptual_hash": f"pdq:{near}"},
        ],
    }
    verdict = screened(entry("image_pdq", f"pdq:{PDQ}", distance=3), **fields)
    (match,) = verdict.matches

    assert (match.field, match.quote) == ("image", "https://x.example/near.jpg")
    assert "3 of 256 bits differ" in verdict.explanation
    assert screened(entry("image_pdq", PDQ, distance=2), **fields).entries == ()


@pytest.mark.parametrize(
    ("kind", "value", "more"),
    [
        ("image_pdq", "0" * 64, {}),
        ("image_pdq", "abc", {}),
        ("image_sha256", "not a hash", {}),
        ("term", "ivory", {"distance": 3}),
        ("phone", "12", {}),
    ],
)
def test_an_entry_that_nothing_could_match_is_refused(
    kind: EntryKind, value: str, more: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"hash|distance|letter|picture|number"):
        check_entry(entry(kind, value, **more))


@given(st.integers(0, 2**256 - 1), st.sets(st.integers(0, 255), max_size=DISTANCE))
def test_every_picture_within_the_distance_is_found(value: int, flipped: set[int]) -> None:
    other = value
    for bit in flipped:
        other ^= 1 << bit

    assert list(PdqIndex([value]).near(other)) == [(value, len(flipped))]


def test_the_index_finds_what_a_look_at_every_hash_finds() -> None:
    draw = random.Random(5)
    hashes = [draw.getrandbits(256) for _ in range(2_000)]
    index = PdqIndex(hashes)
    for known in hashes[:50]:
        asked = known
        for bit in draw.sample(range(256), draw.randint(20, 45)):
            asked ^= 1 << bit
        wanted = {(one, (one ^ asked).bit_count()) for one in hashes if (one ^ asked).bit_count() <= DISTANCE}
        assert set(index.near(asked)) == wanted


WRITINGS = [
    "0912.345.678", "+84 (912) 345-678", "００８４ ９１２ ３４５ ６７８", "٠٩١٢٣٤٥٦٧٨",
    "09\u200b12345678", "zalo 0912 345 678",
    "t.me/Test_Seller", "telegram: @TEST_seller", "ｔ.me/test_seller", "UPI Test.Seller@okhdfcbank",
    "wa.me/84912345678", "微信 Test_Seller", "pix: test@seller.example",
]  # fmt: skip


@given(
    st.lists(st.one_of(st.sampled_from(WRITINGS), st.text(max_size=12)), max_size=6),
    st.lists(st.sampled_from(WRITINGS), min_size=1, max_size=4),
)
def test_what_the_quick_look_passes_over_names_no_entry(pieces: list[str], listed: list[str]) -> None:
    """An index of whatever the listed writings name finds it in any text that it does not pass over."""
    named = [one for writing in listed for one in identifiers(writing, ["VN"])]
    entries = [
        entry(one.kind, f"{one.service}:{one.value}" if one.kind != "phone" else one.value) for one in named
    ]
    index = IdentifierIndex(entries, {})
    text = " ".join(pieces)
    there = {key for one in identifiers(text, ["VN"]) for key in keys_in(one)}

    if there & index._by_key.keys():
        assert index._may_name(text)
        gate = Gate([], ruleset().vocabulary.undisguiser, index.may_name)
        assert gate.look(text) is not Look.NONE or index.may_number(text)
