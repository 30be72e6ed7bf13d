"""PDQ, the perceptual hash that platforms exchange lists of: 256 bits and a quality. Pure.

After X. Dang and others, "PDQ & TMK + PDQF: A Set of Tools for Image and Video Hashing" (Facebook, 2019) and
its published C++: luminance; two passes of a box filter down to 64 x 64; the 16 x 16 lowest frequencies of
its discrete cosine transform but the constant ones; a bit for each above their median. Sums are in double
precision here and in single precision there, so that a bit beside the median may differ.
"""

import numpy as np
from numpy.typing import NDArray

SIDE = 64
FREQUENCIES = 16
PASSES = 2
LEAST_SIDE = 5
"""Pixels; what is smaller has the empty hash and quality 0."""
TELLING = 50
"""Least quality at which a hash tells its picture from others; below that it is to be discarded (section on
quality of the paper)."""

Grey = NDArray[np.float64]


def pdq(pixels: NDArray[np.uint8]) -> tuple[str, int]:
    """Hash (64 hexadecimal digits) and quality (0 to 100) of a picture.

    ``pixels``: height x width x 3, red, green, blue.
    """
    grey = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    if min(grey.shape) < LEAST_SIDE:
        return "0" * 64, 0
    small = _small(grey)
    found = _TRANSFORM @ small @ _TRANSFORM.T
    # Of 256 values the lower of the two in the middle.
    middle = np.sort(found, axis=None)[found.size // 2 - 1]
    bits = (found > middle).reshape(-1)[::-1]
    return np.packbits(bits).tobytes().hex(), _quality(small)


def _transform() -> Grey:
    row = np.arange(1, FREQUENCIES + 1)[:, None]
    column = 2 * np.arange(SIDE)[None, :] + 1
    return np.asarray(np.sqrt(2.0 / SIDE) * np.cos(np.pi / (2 * SIDE) * row * column))


_TRANSFORM = _transform()


def _small(grey: Grey) -> Grey:
    if grey.shape == (SIDE, SIDE):
        return grey
    for _ in range(PASSES):
        grey = _box(_box(grey, axis=1), axis=0)
    rows, columns = (((np.arange(SIDE) + 0.5) * length / SIDE).astype(np.intp) for length in grey.shape)
    return grey[np.ix_(rows, columns)]


def _box(grey: Grey, axis: int) -> Grey:
    """Mean over a window around each pixel, or over what of it lies in the picture."""
    length = grey.shape[axis]
    window = (length + 2 * SIDE - 1) // (2 * SIDE)
    after = (window + 2) // 2
    place = np.arange(length)
    first = np.maximum(place - (window - after), 0)
    end = np.minimum(place + after, length)
    sums = np.cumsum(grey, axis=axis)
    sums = np.concatenate([np.zeros_like(np.take(sums, [0], axis=axis)), sums], axis=axis)
    counts = (end - first).reshape([-1 if number == axis else 1 for number in range(2)])
    return np.asarray((np.take(sums, end, axis=axis) - np.take(sums, first, axis=axis)) / counts)


def _quality(small: Grey) -> int:
    """How much there is to see: steps between neighbours, in whole hundredths of the range."""
    steps = (np.abs(np.trunc(np.diff(small, axis=axis) * 100 / 255)).sum() for axis in (0, 1))
    return min(int(sum(steps) / 90), 100)
