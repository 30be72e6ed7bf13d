"""Which alterations of a picture its PDQ hash survives, and how often two pictures are taken for one.

``python -m tests.bench.altered_pictures [--pictures 300]``: pictures are drawn here, altered as sellers do,
and compared at the distance at which the watchlist takes two for the same (31 of 256 bits).
"""

import argparse
import io
from collections.abc import Callable, Mapping
from itertools import combinations

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from connectors.pictures.reading import read_picture
from streams.screening.images import DISTANCE
from tests.support.pictures import drawn, encoded

Alteration = Callable[[Image.Image], bytes]


def cropped(share: float) -> Alteration:
    """Cut off that share of width and height, in equal parts on every side."""

    def alter(picture: Image.Image) -> bytes:
        across, down = (round(side * share / 2) for side in picture.size)
        return encoded(picture.crop((across, down, picture.width - across, picture.height - down)))

    return alter


def scaled(share: float) -> Alteration:
    def alter(picture: Image.Image) -> bytes:
        return encoded(picture.resize((int(picture.width * share), int(picture.height * share))))

    return alter


def stamped(picture: Image.Image) -> bytes:
    marked = picture.copy()
    ImageDraw.Draw(marked).text((40, picture.height - 60), "seller 4711", fill="white", font_size=40)
    return encoded(marked)


def framed(picture: Image.Image) -> bytes:
    return encoded(ImageOps.expand(picture, border=picture.width // 20, fill="white"))


ALTERATIONS: Mapping[str, Alteration] = {
    "JPEG at quality 80": lambda one: encoded(one, quality=80),
    "JPEG at quality 30": lambda one: encoded(one, quality=30),
    "JPEG at quality 10": lambda one: encoded(one, quality=10),
    "WebP at quality 50": lambda one: encoded(one, "WEBP", quality=50),
    "GIF (256 colours)": lambda one: encoded(one, "GIF"),
    "scaled to 50 %": scaled(0.5),
    "scaled to 25 %": scaled(0.25),
    "scaled to 200 %": scaled(2),
    "brighter by 20 %": lambda one: encoded(ImageEnhance.Brightness(one).enhance(1.2)),
    "grey": lambda one: encoded(ImageOps.grayscale(one)),
    "blurred (2 pixels)": lambda one: encoded(one.filter(ImageFilter.GaussianBlur(2))),
    "a line of text on it": stamped,
    "cropped by 2 %": cropped(0.02),
    "cropped by 4 %": cropped(0.04),
    "cropped by 8 %": cropped(0.08),
    "cropped by 15 %": cropped(0.15),
    "a white frame of 5 %": framed,
    "turned by 2 degrees": lambda one: encoded(one.rotate(2)),
    "turned by 90 degrees": lambda one: encoded(one.transpose(Image.Transpose.ROTATE_90)),
    "mirrored": lambda one: encoded(ImageOps.mirror(one)),
}


def hash_of(content: bytes) -> int | None:
    digits = read_picture(content).pdq
    return int(digits, 16) if digits else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300)
    count = parser.parse_args().pictures
    originals = [encoded(drawn(number), "PNG") for number in range(count)]
    hashes = [hash_of(content) for content in originals]
    known = [(content, one) for content, one in zip(originals, hashes, strict=True) if one is not None]
    print(f"{count} pictures, {len(known)} with enough in them to be hashed")
    print(f"{'alteration':24} {'found':>7}  median bits  90 %")
    for name, alter in ALTERATIONS.items():
        apart = []
        for content, before in known:
            after = hash_of(alter(Image.open(io.BytesIO(content)).convert("RGB")))
            apart.append(256 if after is None else (before ^ after).bit_count())
        apart.sort()
        found = sum(bits <= DISTANCE for bits in apart) / len(apart)
        print(f"{name:24} {found:7.1%}  {apart[len(apart) // 2]:11}  {apart[len(apart) * 9 // 10]:4}")
    pairs = [(one ^ other).bit_count() for (_, one), (_, other) in combinations(known, 2)]
    wrong = sum(bits <= DISTANCE for bits in pairs)
    print(f"different pictures taken for one: {wrong} of {len(pairs):,} pairs")
    print(f"the two nearest are {min(pairs)} bits apart")


if __name__ == "__main__":
    main()
