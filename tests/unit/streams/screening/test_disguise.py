"""Reading through disguises: places keep their number, and plain texts are left alone."""

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.screening.disguise import Undisguiser
from streams.screening.screener import build_ruleset
from streams.screening.text import Folded, fold


@cache
def undisguiser() -> Undisguiser:
    return build_ruleset().vocabulary.undisguiser


def read(text: str) -> str:
    return Folded(text, undisguiser().edits(text)).read


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param("iv0ry", "ivory", id="digit for letter"),
        pytest.param("1v0ry!", "ivory", id="one for i, punctuation after"),
        pytest.param("e1ephant", "elephant", id="one for l"),
        pytest.param("p@ngol1n", "pangolin", id="signs for letters"),
        pytest.param("iv*ry", "ivory", id="masked letter"),
        pytest.param("i v o r y", "ivory", id="letters apart"),
        pytest.param("r.h.i.n.o", "rhino", id="letters dotted apart"),
        pytest.param("ivоrу", "ivory", id="Cyrillic letters among Latin ones"),
        pytest.param("нoсoрoга", "носорога", id="Latin letters among Cyrillic ones"),
        pytest.param("象 牙", "象牙", id="Han apart"),
    ],
)
def test_a_disguised_word_is_read_as_it_was_meant(written: str, meant: str) -> None:
    text = f"offer: {written} ok"

    assert f" {meant} " in fold(read(text))


@pytest.mark.parametrize(
    "text",
    [
        "Size 10cm, 4pcs, 2x4, A4, M8, 12V, 3D, USB2",
        "Best price!!! $5 off @home w/ c0de",
        "A B C D E F G learning cards",
        "Платье из шёлка, размер XL",
        "Ελληνικό ελαιόλαδο extra virgin",
        "東京 大阪 京都",
        "f**k this, s*** happens",
    ],
)
def test_plain_texts_are_left_alone(text: str) -> None:
    assert read(text) == text


def test_what_was_read_through_a_disguise_says_so_and_quotes_the_original() -> None:
    original = "real iv0ry ring"
    folded = Folded(original, undisguiser().edits(original))
    start = folded.text.index("ivory")
    first, last = folded.span(start, start + 5)

    assert original[first:last] == "iv0ry"
    assert folded.is_disguised(start, start + 5)
    assert not folded.is_disguised(1, 5)


def hold(text: str) -> None:
    """Edits are in order and inside, and every folded character has a place in the original."""
    edits = undisguiser().edits(text)
    assert [edit for edit in edits if not 0 <= edit.start <= edit.end <= len(text)] == []
    assert all(one.end <= other.start for one, other in pairwise(edits))
    folded = Folded(text, edits)
    for index in range(1, len(folded.text) - 1):
        first, last = folded.span(index, index + 1)
        assert 0 <= first <= last <= len(text)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
@settings(max_examples=300, deadline=None)
def test_edits_of_any_text_stay_inside_it_and_apart(text: str) -> None:
    hold(text)


@given(
    st.lists(
        st.sampled_from(["i", "v", "0", "1", "*", " ", ".", "о", "牙", "象", "@", "a", "-"]), max_size=60
    )
)
@settings(max_examples=300, deadline=None)
def test_edits_of_any_mess_of_disguises_stay_inside_it_and_apart(pieces: list[str]) -> None:
    hold("".join(pieces))
