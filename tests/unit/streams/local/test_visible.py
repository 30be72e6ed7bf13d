"""Hostile text cannot act on the terminal that shows it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.local.visible import visible, visible_bytes


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        pytest.param("ivory \u202egnp.exe", "ivory \\u202egnp.exe", id="bidirectional override"),
        pytest.param("\x1b]0;title\x07", "\\x1b]0;title\\x07", id="terminal title"),
        pytest.param("a\u200bb\ufeff", "a\\u200bb\\ufeff", id="zero width"),
        pytest.param("a\r\nb", "a\\x0d\\x0ab", id="line break"),
        pytest.param("\ud800", "\\ud800", id="unpaired surrogate"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag character"),
        pytest.param("Elfenbein für 5 € 象牙 слон عاج", "Elfenbein für 5 € 象牙 слон عاج", id="languages"),
    ],
)
def test_only_what_would_act_or_hide_is_escaped(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    left = {unicodedata.category(character) for character in visible(text)}
    assert not left & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(st.binary(max_size=300))
def test_any_bytes_can_be_shown(raw: bytes) -> None:
    visible_bytes(raw).encode("utf-8")


def test_long_bytes_are_cut_and_it_is_said() -> None:
    assert visible_bytes(b"abc\xff\n" + b"x" * 100, limit=5) == "abc\\xff\n\n… 100 more bytes"
