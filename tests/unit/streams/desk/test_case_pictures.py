"""What is known of a listing's pictures is shown as words; a picture is neither shown nor linked."""

import pytest
from fastapi import FastAPI

from schemas.listing import Image
from streams.notices import handlers
from streams.notices.casebook.database import Casebook
from tests.support.desk import Browser, Filled, two_platforms
from tests.support.notices import T0, make_detection
from tests.unit.streams.notices.test_pictures import ONE, TWO, found


def opened(casebook: Casebook, *images: Image) -> str:
    """A case in review whose listing names these."""
    shown = make_detection("seen", outcome="review", images=images)
    taken = casebook.decide(handlers.take_detection, shown, two_platforms(), now=T0)
    assert taken.case_id is not None
    return taken.case_id


@pytest.mark.parametrize(("role", "page"), [("officer", "cases"), ("analyst", "review")])
async def test_hashes_stand_on_the_page_and_what_was_not_fetched_is_said(
    app: FastAPI, casebook: Casebook, filled: Filled, role: str, page: str
) -> None:
    case_id = opened(casebook, Image(url=ONE, fetched=found("a")), Image(url=TWO, sha256="d" * 64))
    text = (await Browser(app, casebook, role).get(f"/{page}/{case_id}")).text

    assert "a" * 64 in text
    assert "pdq:" + "a" * 64 in text
    assert "image/jpeg, 640 × 480, 1000 bytes" in text
    assert "not fetched" in text
    assert "d" * 64 + " (as told with the listing)" in text
    assert "Pictures are not kept, so none is shown." in text
    assert f'href="{ONE}"' not in text
    assert f'src="{ONE}"' not in text


async def test_a_listing_without_pictures_says_so(app: FastAPI, casebook: Casebook, filled: Filled) -> None:
    text = (await Browser(app, casebook, "officer").get(f"/cases/{opened(casebook)}")).text

    assert "The listing names no picture." in text
    assert "not fetched" not in text
