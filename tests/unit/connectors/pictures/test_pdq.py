"""Our PDQ is theirs: the same hashes as Facebook's C++ (PyPI pdqhash 0.2.8), of pictures drawn here."""

import numpy as np
import pytest

from connectors.pictures.pdq import pdq
from tests.support.pictures import drawn

THEIRS = [
    ((1, 480, 640), "c66796dab04f67608467c662e643dc426d2449344de6c6639652b6df1bd7398c", 61),
    ((2, 64, 64), "6493e471cef8f1cc1c1b6431e713106d8f060c33f3cebff8d863030c171dba76", 89),
    ((3, 700, 333), "5321c3a1e3b2a359a371e1b1c3b262abeaa4ba2d5cdf555d954d19064d963e8c", 23),
    ((4, 100, 1000), "c7c37a34783c87c37c3cf27487c37c3c83c483c17c3a83c07a45fc3c87c3783c", 28),
    ((5, 30, 45), "c7c53c3ac3c57892276c3d32d27c3c93c07c3d83c07e3fd2cd2e3de2421163c3", 62),
]
NOISY = "aaaa00005555fff751457ff55041f7f55150575d5045d3fd504555955005d7f5"


def apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize(("shape", "digits", "quality"), THEIRS)
def test_hash_and_quality_are_those_of_the_published_program(
    shape: tuple[int, int, int], digits: str, quality: int
) -> None:
    ours, how_telling = pdq(drawn(*shape))

    # They add up in single precision: a value beside the median may fall on its other side.
    assert apart(ours, digits) <= 2
    assert abs(how_telling - quality) <= 1


def test_a_picture_of_hard_edges_too() -> None:
    down, right = np.mgrid[0:256, 0:256]
    pixels = np.repeat((((down * 7 + right * 13) % 251).astype(np.uint8))[..., None], 3, axis=2)

    ours, quality = pdq(pixels)

    assert apart(ours, NOISY) <= 2
    assert quality == 100


def test_what_is_too_small_has_the_empty_hash() -> None:
    assert pdq(drawn(1, 4, 500)) == ("0" * 64, 0)


def test_a_blank_picture_has_no_quality() -> None:
    assert pdq(np.full((200, 200, 3), 128, np.uint8))[1] == 0
