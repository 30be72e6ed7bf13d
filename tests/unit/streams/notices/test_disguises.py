"""What was undone to read disguised words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.notice import Disguise
from streams.notices.disguises import disguises_of


@pytest.mark.parametrize(
    ("quote", "term", "found"),
    [
        ("1v0ry", "ivory", ["signs_for_letters"]),
        ("i.v.o.r.y", "ivory", ["letters_apart"]),
        ("i v o r y", "ivory", ["letters_apart"]),
        ("iv*ry", "ivory", ["masked_letters"]),
        ("iv\u200bory", "ivory", ["invisible"]),
        ("iv\u0332ory", "ivory", ["invisible"]),
        ("iv\u043ery", "ivory", ["look_alike_letters"]),
        ("\u0456.v.0.r.y", "ivory", ["look_alike_letters", "signs_for_letters", "letters_apart"]),
        ("象.牙", "象牙", ["letters_apart"]),
        ("ivory", "ivory", []),
        ("слоновая кость", "слоновая кость", []),
        ("sừng tê giác", "sừng tê giác", []),
        ("vật 2 sừng", "vật 2 sừng", []),
    ],
)
def test_each_way_is_told_by_its_characters(quote: str, term: str, found: list[Disguise]) -> None:
    assert list(disguises_of(quote, term)) == found


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_text_breaks_it_and_none_is_named_twice(quote: str, term: str) -> None:
    found = disguises_of(quote, term)

    assert len(found) == len(set(found))
