"""The normal form: alike for text and terms, with the way back to the seller's own characters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.screening.text import Folded, fold, fold_term

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=80)
"""All code points, lone surrogates and bidi marks too."""


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        pytest.param("Real  IVORY!", " real ivory ", id="case, spaces, punctuation"),
        pytest.param("i\u200bvo\u00adry", " ivory ", id="zero width and soft hyphen"),
        pytest.param("𝐢𝐯𝐨𝐫𝐲 ｉｖｏｒｙ", " ivory ivory ", id="mathematical and full-width letters"),
        pytest.param("défense d’éléphant", " defense d elephant ", id="marks and apostrophe"),
        pytest.param("de\u0301fense", " defense ", id="combining mark"),
        pytest.param("Đồi mồi", " doi moi ", id="Vietnamese"),
        pytest.param("Слоновая КОСТЬ", " слоновая кость ", id="Cyrillic"),
        pytest.param("象牙ivory手镯", " 象牙 ivory 手镯 ", id="seam between scripts"),
        pytest.param("عَـــاج", " عاج ", id="Arabic vocalisation and tatweel"),
        pytest.param("", " ", id="empty"),
        pytest.param("\u202e \ud800 ", " ", id="nothing readable"),
    ],
)
def test_the_normal_form(written: str, normal: str) -> None:
    assert fold(written) == normal


def test_the_normal_form_of_a_normal_form_is_itself() -> None:
    once = fold("Défense d'éléphant, 象牙 1kg")

    assert fold(once) == once


def test_terms_of_spaced_scripts_match_at_word_borders_only() -> None:
    assert fold_term("Ivory") == " ivory "
    assert fold_term("象牙") == "象牙"


@given(ANY_TEXT)
@settings(max_examples=400)
def test_any_text_folds_and_every_place_has_an_origin(text: str) -> None:
    folded = Folded(text)
    body = folded.text.strip(" ")

    assert folded.text == fold(text)
    assert "  " not in folded.text
    if body:
        start, end = folded.span(0, len(folded.text))
        assert 0 <= start < end <= len(text)
        for index in range(len(folded.text)):
            first, last = folded.span(index, index + 1)
            assert 0 <= first <= last <= len(text)


@given(ANY_TEXT, ANY_TEXT)
def test_a_word_is_found_back_where_it_was_written(before: str, after: str) -> None:
    folded = Folded(f"{before} rhinohorn {after}")
    start = folded.text.index(" rhinohorn ")

    first, last = folded.span(start, start + len(" rhinohorn "))

    assert "rhinohorn" in fold(folded.original[first:last])


def test_a_quote_takes_its_trailing_marks_along() -> None:
    folded = Folded("ivory\u0301 ring")
    start, end = folded.span(1, 6)

    assert folded.original[start:end] == "ivory\u0301"
