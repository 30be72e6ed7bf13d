"""A picture's bytes, read as pixels within bounds: what it is, and its hashes. Pure.

What a server or a file name says of the kind is not asked: the bytes are. The number of pixels stands in the
first bytes and is checked before any of them is decoded.
"""

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from connectors.pictures.pdq import TELLING, pdq

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
MOST_PIXELS = 40_000_000
HASHED_SIDE = 1_024
"""Pixels of the longer side that are hashed; PDQ's own Python hasher scales to as many first."""

NoPictureReason = Literal["not_a_picture", "too_many_pixels", "damaged"]


class NoPicture(ValueError):
    """It is no picture that we read."""

    def __init__(self, reason: NoPictureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: NoPictureReason = reason


@dataclass(frozen=True, slots=True)
class Read:
    """What a picture's bytes are."""

    sha256: str
    media_type: str
    width: int
    height: int
    """In pixels, as it is meant to be seen."""
    pdq: str | None
    """64 hexadecimal digits; absent where there is too little in it to tell it from others."""


def read_picture(content: bytes) -> Read:
    """Read the first frame. Takes memory for :data:`MOST_PIXELS` at most.

    Raises:
        NoPicture: of another kind, too many pixels, or damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _read(content)
    except NoPicture:
        raise
    except UnidentifiedImageError as error:
        raise NoPicture("not_a_picture", f"no {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise NoPicture("too_many_pixels", "more pixels than any picture here") from error
    # What a damaged file makes a decoder raise is not one family.
    except Exception as error:
        raise NoPicture("damaged", f"it cannot be read: {type(error).__name__}") from error


def _read(content: bytes) -> Read:
    with Image.open(io.BytesIO(content), formats=FORMATS) as found:
        if found.width * found.height > MOST_PIXELS:
            raise NoPicture("too_many_pixels", f"{found.width} x {found.height} pixels")
        # Several JPEGs in one (CIPA DC-007): the first is the picture.
        kind = "jpeg" if found.format == "MPO" else (found.format or "").lower()
        size, turned = found.size, _turned(found)
        # A JPEG is decoded no larger than needed; other kinds ignore this.
        found.draft("RGB", (HASHED_SIDE, HASHED_SIDE))
        seen = _on_white(ImageOps.exif_transpose(found))
    seen.thumbnail((HASHED_SIDE, HASHED_SIDE))
    digits, quality = pdq(np.asarray(seen, dtype=np.uint8))
    return Read(
        sha256=hashlib.sha256(content).hexdigest(),
        media_type=f"image/{kind}",
        width=size[1] if turned else size[0],
        height=size[0] if turned else size[1],
        pdq=digits if quality >= TELLING else None,
    )


def _turned(picture: Image.Image) -> bool:
    """Whether it is shown on its side (orientations 5 to 8 of EXIF 2.32, tag 0x0112)."""
    return picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)


def _on_white(picture: Image.Image) -> Image.Image:
    """As a page shows it: what lies under transparent pixels is seen by nobody."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    white = Image.new("RGBA", seen.size, "white")
    white.alpha_composite(seen)
    return white.convert("RGB")
