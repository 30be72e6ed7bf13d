"""What is said of a listing's pictures stands in a verdict; what nobody found is absent, and not invented."""

from typing import Any

from schemas.detection import Detection
from schemas.listing import Fetched, Image
from streams.notices.erasing import erased_detection
from streams.notices.pictures import pictures_of
from tests.support.notices import at, make_detection

ONE, TWO = "https://market.example/1.jpg", "https://market.example/2.jpg"


def found(letter: str, seconds: float = 0, **changes: Any) -> Fetched:
    fields: dict[str, Any] = {
        "at": at(seconds),
        "sha256": letter * 64,
        "perceptual_hash": f"pdq:{letter * 64}",
        "media_type": "image/jpeg",
        "size": 1_000,
        "width": 640,
        "height": 480,
    }
    return Fetched(**{**fields, **changes})


def verdict(*images: Image, **changes: Any) -> Detection:
    return make_detection(images=images, **changes)


def test_a_picture_that_was_fetched_later_stands_once_as_it_was_found() -> None:
    bare = verdict(Image(url=ONE), Image(url=TWO, sha256="d" * 64))
    known = verdict(Image(url=ONE, fetched=found("a", 5)), Image(url=TWO, sha256="d" * 64))
    for verdicts in ((bare, known), (known, bare)):
        pictures = pictures_of(verdicts)
        first, second = pictures.rows

        assert bare.content_hash == known.content_hash
        assert (first.url, first.fetched, first.detection_id) == (ONE, found("a", 5), known.detection_id)
        assert (second.url, second.fetched, second.told_sha256) == (TWO, None, "d" * 64)
        assert (pictures.verdicts, pictures.erased, pictures.fetched) == (2, 0, 1)


def test_other_bytes_at_the_same_address_are_another_row() -> None:
    verdicts = [verdict(Image(url=ONE, fetched=found(letter))) for letter in "aba"]

    assert [row.fetched and row.fetched.sha256[0] for row in pictures_of(verdicts).rows] == ["a", "b"]


def test_a_later_state_whose_pictures_nobody_fetched_borrows_none_of_an_earlier_one() -> None:
    before = verdict(Image(url=ONE, fetched=found("a")))
    after = verdict(Image(url=ONE), title="Carved ivory figure, reduced")

    assert [(row.content_hash, row.fetched is None) for row in pictures_of([before, after]).rows] == [
        (before.content_hash, False),
        (after.content_hash, True),
    ]


def test_no_picture_and_an_erased_listing_are_told_apart() -> None:
    bare = verdict()
    erased = erased_detection(verdict(Image(url=ONE, fetched=found("a"))), "erased-1")

    assert [
        (one.verdicts, one.erased, one.rows) for one in (pictures_of([bare]), pictures_of([bare, erased]))
    ] == [
        (1, 0, ()),
        (2, 1, ()),
    ]
