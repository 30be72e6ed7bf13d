"""The demo's listings: enough, in many languages, mostly innocent, original, with nobody's real contact."""

import itertools
import json
import re
from collections import Counter
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from connectors.sources.rows import row_listing
from schemas.listing import Listing

EXPECTED_FILE = Path(__file__).parents[3] / "data" / "demo_expected.json"
ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060\ufeff]")
ANY_MAIL = re.compile(r"[\w.+-]+@[\w.-]+")
ANY_URL = re.compile(r"(?:https?://|www\.)[^\s/]+", re.IGNORECASE)
ANY_DOMAIN = re.compile(
    r"\b(?:[a-z0-9-]{2,}\.)+(?:com|net|org|info|io|me|shop|store|app|ru|cn|vn|th|id|de|fr|es|pt|br|uk|jp|in|ke|tz|sa|ae|eg|au)\b",
    re.IGNORECASE,
)
ANY_PHONE = re.compile(
    r"\+\d[\d ()./-]{6,}\d"  # international
    r"|(?<![\d.,])\(?0\d[\d ()./-]{5,}\d"  # national with trunk prefix
    r"|(?<!\d)\(?\d{3}\)?[ .-]?\d{3}[ .-]\d{4}(?!\d)"  # North America
    r"|(?<![\d.,])\d{7,}"  # digits in one piece
)
RESERVED_PHONES = re.compile(
    r"1?\d{3}55501\d\d"  # North America, 555-0100 to 555-0199
    r"|(?:44|0)(?:1632960|7700900)\d{3}|(?:44|0)2079460\d{3}"  # Ofcom, for drama
    r"|(?:33|0)(?:19900|63998)\d{4}"  # Arcep, for works of fiction
    r"|(?:49|0)(?:3023125\d{3}|17139200\d\d)"  # Bundesnetzagentur, for films
    r"|(?:61|0)(?:[2378]5550\d{4}|491570(?:006|156|157|158|159|110|313|737|266))"  # ACMA, for creative works
)


def _rows() -> list[dict[str, Any]]:
    text = files("streams.local.demo").joinpath("listings.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


ROWS = _rows()
EXPECTED: dict[str, dict[str, str]] = json.loads(EXPECTED_FILE.read_text(encoding="utf-8"))
SHOWN = {row["id"]: f"{row['title']}\n{row['text']}" for row in ROWS}


def _rows_expected(expect: str) -> list[str]:
    return [listing_id for listing_id, entry in EXPECTED.items() if entry["expect"] == expect]


def _grams(text: str) -> set[str]:
    """Runs of five characters."""
    squeezed = re.sub(r"\W+", " ", text.casefold())
    return {squeezed[start : start + 5] for start in range(len(squeezed) - 4)}


def _strange_contacts(text: str) -> list[str]:
    """Addresses outside .example and telephone numbers outside the ranges reserved for fiction."""
    text = ZERO_WIDTH.sub("", text)
    addresses = [*ANY_MAIL.findall(text), *ANY_URL.findall(text), *ANY_DOMAIN.findall(text)]
    phones = [match[0] for match in ANY_PHONE.finditer(text)]
    return [
        *(address for address in addresses if not address.rstrip(".").endswith(".example")),
        *(phone for phone in phones if not RESERVED_PHONES.fullmatch(re.sub(r"\D", "", phone))),
    ]


def test_there_are_enough_listings_in_enough_languages() -> None:
    languages = Counter(row["lang"] for row in ROWS)

    assert len(ROWS) >= 300
    assert len(languages) >= 12
    assert min(languages.values()) >= 8


def test_most_listings_are_innocent_and_some_are_not() -> None:
    clear, flag, notify = (len(_rows_expected(expect)) for expect in ("clear", "flag", "notify"))

    assert clear >= 0.7 * len(ROWS)
    assert 45 <= notify <= 55
    assert 20 <= flag <= 30


def test_half_of_the_innocent_listings_are_near_misses() -> None:
    near_misses = [entry for entry in EXPECTED.values() if entry["kind"].startswith("near-miss:")]

    assert all(entry["expect"] == "clear" for entry in near_misses)
    assert len(near_misses) >= 0.5 * len(_rows_expected("clear"))


def test_every_listing_has_one_expectation_and_one_id() -> None:
    ids = [row["id"] for row in ROWS]

    assert len(set(ids)) == len(ids)
    assert sorted(EXPECTED) == sorted(ids)
    assert {entry["expect"] for entry in EXPECTED.values()} == {"notify", "flag", "clear"}
    assert all(entry["why"] and entry["kind"] for entry in EXPECTED.values())


def test_every_language_has_both_offers_of_specimens_and_innocent_ones() -> None:
    pairs = {(row["lang"], EXPECTED[row["id"]]["expect"]) for row in ROWS}
    languages = {row["lang"] for row in ROWS}

    assert {(lang, expect) for lang in languages for expect in ("notify", "clear")} <= pairs


def test_kinds_are_mixed_all_along_the_file() -> None:
    quarter = len(ROWS) // 4
    for start in range(0, len(ROWS) - quarter + 1, quarter):
        part = ROWS[start : start + quarter]
        kinds = {EXPECTED[row["id"]]["expect"] for row in part}

        assert kinds == {"notify", "flag", "clear"}
        assert len({row["lang"] for row in part}) >= 8


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_row_becomes_a_listing(row: dict[str, Any]) -> None:
    assert set(row) == {
        "id",
        "title",
        "text",
        "lang",
        "category",
        "price",
        "seller",
        "location",
        "ships_to",
        "posted_at",
    }
    assert all(isinstance(row[field], str) and row[field].strip() for field in ("id", "title", "text"))

    listing = row_listing(
        row,
        platforms={"demo": "https://demo.example"},
        connector="file",
        run_id="test",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )

    # The source leaves out optional parts that it cannot read, so each must be seen to arrive.
    assert (listing.title, listing.description, listing.language) == (row["title"], row["text"], row["lang"])
    assert (listing.category, listing.location) == (row["category"], row["location"])
    assert listing.seller is not None
    assert listing.seller.handle == row["seller"]
    assert listing.ships_to == tuple(row["ships_to"])
    assert (listing.price and str(listing.price.amount)) == (row["price"] and row["price"]["amount"])
    assert (listing.price and listing.price.currency) == (row["price"] and row["price"]["currency"])
    assert Listing.from_bytes(listing.to_bytes()) == listing


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_no_contact_is_anybody_s(row: dict[str, Any]) -> None:
    assert _strange_contacts("\n".join([SHOWN[row["id"]], row["seller"], row["location"]])) == []


@pytest.mark.parametrize(
    "text",
    [
        "me@some-shop.com",
        "https://some-shop.example.net/x",
        "www.shop.ru",
        "write on shop.com.br",
        "+79161234567",
        "06 12 34 56 78",
        "call 415-555-2671",
        "(030) 901 820 11",
        "13812345678",
        "0171 4920041",
    ],
)
def test_the_contact_check_finds_contacts_that_may_be_somebody_s(text: str) -> None:
    assert _strange_contacts(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "me@shop.example",
        "202-555-0143",
        "+44 7700 900318",
        "01 99 00 37 52",
        "030 23125 114",
        "(07) 5550 7413",
        "1.500.000 đ",
        "15 000 000",
        "265/65 R17",
        "i.v.o.r.y",
        "2020年製",
    ],
)
def test_the_contact_check_lets_reserved_contacts_and_plain_figures_pass(text: str) -> None:
    assert _strange_contacts(text) == []


def test_no_text_is_another_one_with_a_few_words_changed() -> None:
    grams = {listing_id: _grams(text) for listing_id, text in SHOWN.items()}
    alike = [
        (left, right)
        for left, right in itertools.combinations(grams, 2)
        if len(grams[left] & grams[right]) > 0.35 * min(len(grams[left]), len(grams[right]))
    ]

    assert alike == []


def test_no_sentence_is_used_twice() -> None:
    sentences = Counter(
        sentence.strip().casefold()
        for text in SHOWN.values()
        for sentence in re.split(r"[.!?。！？\n]+", text)
        if len(sentence.strip()) >= 20
    )

    assert [sentence for sentence, times in sentences.items() if times > 1] == []


def test_lengths_vary_as_they_do_on_platforms() -> None:
    lengths = sorted(len(row["text"]) for row in ROWS)

    assert lengths[0] < 40
    assert sum(length >= 400 for length in lengths) >= 20
    assert lengths[-1] >= 800


def test_disguises_are_really_in_the_texts() -> None:
    disguised: dict[str, list[str]] = {}
    for listing_id, entry in EXPECTED.items():
        if entry["expect"] == "notify" and ":" in entry["kind"]:
            disguised.setdefault(entry["kind"].split(":")[1], []).append(SHOWN[listing_id])

    assert all(ZERO_WIDTH.search(text) for text in disguised["zero-width"])
    assert all(re.search(r"\w[.·]\w[.·]\w", text) for text in disguised["dots-between-letters"])
    assert all(re.search(r"[^\W\d]\d[^\W\d]", text) for text in disguised["leet-digits"])
    assert all(re.search(r"\w \w \w \w", text) for text in disguised["spaced-letters"])
    assert all(
        re.search(r"[a-z][а-яёі]|[а-яёі][a-z]", text, re.IGNORECASE)
        for text in disguised["look-alike-letters"]
    )
    assert sum(len(texts) for texts in disguised.values()) >= 12
