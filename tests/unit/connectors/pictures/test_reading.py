"""A picture is what its bytes say, and none of its bytes harms."""

import contextlib
import hashlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from connectors.pictures.reading import MOST_PIXELS, NoPicture, read_picture
from tests.support.pictures import drawn, encoded

PIXELS = drawn(1)


def apart(one: str | None, other: str | None) -> int:
    assert one is not None
    assert other is not None
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_picture_is_read_whatever_its_kind(kind: str) -> None:
    content = encoded(PIXELS, kind)
    read = read_picture(content)

    assert read.media_type == f"image/{kind.lower()}"
    assert (read.width, read.height) == (640, 480)
    assert read.sha256 == hashlib.sha256(content).hexdigest()
    assert apart(read.pdq, read_picture(encoded(PIXELS, "PNG")).pdq) <= 31


def test_a_blank_picture_has_no_perceptual_hash_since_it_would_match_every_other() -> None:
    assert read_picture(encoded(np.full((300, 300, 3), 250, np.uint8), "PNG")).pdq is None


def test_a_picture_on_its_side_is_read_as_it_is_seen() -> None:
    turned = Image.fromarray(PIXELS).transpose(Image.Transpose.ROTATE_90)
    note = Image.Exif()
    note[0x0112] = 6  # to be turned by 90 degrees clockwise
    read = read_picture(encoded(turned, "JPEG", exif=note, quality=95))

    assert (read.width, read.height) == (640, 480)
    assert apart(read.pdq, read_picture(encoded(PIXELS, "PNG")).pdq) <= 31


def test_what_lies_under_transparent_pixels_is_not_seen() -> None:
    hidden = np.dstack([drawn(7), np.zeros((480, 640), np.uint8)])

    assert read_picture(encoded(hidden, "PNG")).pdq is None


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says how large it is, and is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "size",
    [(MOST_PIXELS // 1000, 1001), (12_000, 12_000), (60_000, 60_000)],
    ids=["ours", "warned", "refused"],
)
def test_a_picture_of_too_many_pixels_is_not_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(NoPicture) as caught:
        read_picture(bomb(*size))

    assert caught.value.reason == "too_many_pixels"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not_a_picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_a_picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not_a_picture"),
        (b"BM" + bytes(100), "not_a_picture"),
        (encoded(PIXELS)[:2_000], "damaged"),
        (encoded(PIXELS, "PNG")[:5_000], "damaged"),
    ],
)
def test_anything_else_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(NoPicture) as caught:
        read_picture(content)

    assert caught.value.reason == reason


SMALL = [encoded(drawn(3, 40, 50), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF")]


@settings(max_examples=150)
@given(content=st.sampled_from(SMALL), place=st.floats(0, 1), noise=st.binary(min_size=1, max_size=12))
def test_damaged_bytes_are_read_or_refused_and_nothing_else(
    content: bytes, place: float, noise: bytes
) -> None:
    start = int(place * len(content))
    damaged = content[:start] + noise + content[start + len(noise) :]
    with contextlib.suppress(NoPicture):
        assert read_picture(damaged).sha256 == hashlib.sha256(damaged).hexdigest()
