"""Which listings' pictures are fetched, and that the same snapshot stays the same."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.mapping import seal
from connectors.pictures.fetching import NotFetched
from connectors.publisher import listing_record
from schemas.detection import detection_id
from schemas.listing import Fetched, Listing, content_hash
from streams.pictures.looking import OLDEST, Wish, looked_at, wanted

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
FOUND = Fetched(
    at=NOW,
    sha256="a" * 64,
    perceptual_hash="pdq:" + "12" * 32,
    media_type="image/jpeg",
    size=9,
    width=3,
    height=2,
)


def listing(**fields: Any) -> Listing:
    shown: dict[str, Any] = {
        "platform": "alpha",
        "listing_id": "1",
        "url": "https://a.example/1",
        "images": [{"url": f"https://pictures.example/{number}.jpg"} for number in range(3)],
        "observed_at": NOW,
        "connector": "test",
        "run_id": "r",
    }
    return Listing.sealed(**{**shown, **fields})


async def fetch(url: str) -> Fetched | NotFetched:
    return NotFetched("not_there") if url.endswith("1.jpg") else FOUND


WISHES = {"alpha": Wish(fetch, 5)}


def is_wanted(one: Listing) -> bool:
    return wanted(one.key.encode(), one.to_bytes(), WISHES, NOW) == one


async def test_hashes_are_written_on_the_same_snapshot() -> None:
    became: Counter[str] = Counter()
    known = await looked_at(listing(), WISHES["alpha"], became=lambda what: became.update([what]))

    assert known is not None
    assert [image.fetched for image in known.images] == [FOUND, None, FOUND]
    assert became == {"fetched": 2, "not_there": 1}
    assert known.model_copy(update={"images": listing().images}) == listing()


async def test_the_same_content_is_the_same_and_its_verdict_another() -> None:
    bare = listing()
    known = await looked_at(bare, WISHES["alpha"], became=lambda _: None)

    assert known is not None
    assert known.content_hash == content_hash(known) == bare.content_hash
    # The casebook takes a verdict once: that of the pictures is not that of the text.
    assert detection_id(known, "v1") != detection_id(bare, "v1")
    assert listing_record(known).headers != listing_record(bare).headers


def test_without_pictures_ids_are_what_they_always_were() -> None:
    assert listing().judged == listing().content_hash


async def test_only_so_many_pictures_of_a_listing_are_fetched_and_each_address_once() -> None:
    asked: list[str] = []

    async def counting(url: str) -> Fetched:
        asked.append(url)
        return FOUND

    addresses = ["https://p.example/a", "https://p.example/a", "https://p.example/b", "https://p.example/c"]
    one = listing(images=[{"url": url} for url in addresses])
    known = await looked_at(one, Wish(counting, 2), became=lambda _: None)

    assert asked == ["https://p.example/a", "https://p.example/b"]
    assert known is not None
    assert [image.fetched is not None for image in known.images] == [True, True, True, False]


async def test_a_listing_of_which_no_picture_came_is_not_written_again() -> None:
    one = listing(images=[{"url": "https://pictures.example/1.jpg"}])

    assert await looked_at(one, WISHES["alpha"], became=lambda _: None) is None


async def test_what_we_wrote_ourselves_is_not_looked_at_again() -> None:
    known = await looked_at(listing(), WISHES["alpha"], became=lambda _: None)

    assert is_wanted(listing())
    assert known is not None
    assert not is_wanted(known)


@pytest.mark.parametrize(
    "fields",
    [
        {"platform": "beta"},
        {"images": []},
        {"gone": True},
        {"observed_at": NOW - OLDEST - timedelta(seconds=1)},
    ],
    ids=["other platform", "no picture", "gone", "old"],
)
def test_others_are_left_alone(fields: dict[str, Any]) -> None:
    assert not is_wanted(listing(**fields))


@pytest.mark.parametrize("value", [None, b"", b"{", b"[" * 100_000, b"\xff"])
def test_a_record_that_cannot_be_read_is_left_to_screening(value: bytes | None) -> None:
    assert wanted(b"alpha:1", value, WISHES, NOW) is None


def test_nobody_else_says_what_we_found() -> None:
    fields = listing().model_dump(mode="json", exclude={"content_hash"})
    fields["images"] = [{"url": "https://p.example/a", "fetched": FOUND.model_dump(mode="json")}]

    assert seal(fields, now=NOW, strict=True).images[0].fetched is None
