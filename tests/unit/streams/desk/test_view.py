"""Words and marks of pages."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.notice import Quote
from streams.desk import view
from tests.support.desk import NOW


def quote(start: int, end: int, text: str) -> Quote:
    return Quote(field="title", start=start, end=end, text=text[start:end], meaning="x")


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6))
def test_marking_changes_no_character_and_marks_exactly_what_is_quoted(
    text: str, spans: list[tuple[int, int]]
) -> None:
    quotes = [(number, quote(start, end, text)) for number, (start, end) in enumerate(spans, 1)]

    pieces = view.marked(text, quotes)

    assert "".join(piece.text for piece in pieces) == text
    place, marks = 0, {}
    for piece in pieces:
        for offset in range(len(piece.text)):
            marks[place + offset] = set(piece.numbers)
        place += len(piece.text)
    for at in range(len(text)):
        wanted = {n for n, one in quotes if one.start <= at < one.end <= len(text)}
        assert marks[at] == wanted


def test_a_quote_of_another_text_is_not_marked() -> None:
    assert view.marked("nothing here", [(1, quote(0, 5, "ivory"))]) == (view.Piece("nothing here"),)


@pytest.mark.parametrize(
    ("seconds", "words", "level"),
    [
        (90, "1 min left", "soon"),
        (3 * 3_600 + 600, "3 h 10 min left", "soon"),
        (24 * 3_600, "24 h left", "soon"),
        (24 * 3_600 + 1, "24 h left", "calm"),
        (3 * 86_400 + 7_200, "3 days 2 h left", "calm"),
        (0, "overdue by 0 s", "overdue"),
        (-7_200, "overdue by 2 h", "overdue"),
    ],
)
def test_a_deadline_is_said_in_words(seconds: int, words: str, level: str) -> None:
    found = view.due(NOW + timedelta(seconds=seconds), NOW)

    assert (found.words, found.level) == (words, level)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "https://",
        "https://a.example/\u202egpj.exe",
        "http://a.example/x y",
        " https://a.example",
        "https://[",
    ],
)
def test_only_a_plain_web_address_becomes_a_link(url: str) -> None:
    assert view.safe_link(url) is None


def test_a_plain_web_address_is_a_link() -> None:
    assert view.safe_link("https://market.example/listing/1?x=%20") is not None


@given(st.text(max_size=80))
def test_shown_text_hides_nothing(text: str) -> None:
    shown = view.shown(text)

    assert not {one for one in shown if not (one.isprintable() or one in "\n\u200c\u200d" or one.isspace())}
    if text.isprintable():
        assert shown == text
