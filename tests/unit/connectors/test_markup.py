"""HTML is read as a browser reads it, at the cost of its length alone."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from connectors.markup import attributes, decode, elements, plain_text, text_lines
from connectors.pages import read_page
from schemas.references import characters


def test_the_charset_of_the_header_counts_first_then_the_page_s() -> None:
    text = '<meta Charset = "Windows-1251"><title>слон</title>'

    assert decode(text.encode("windows-1251")) == text
    assert decode(text.encode(), "text/html; charset=UTF-8") == text
    assert decode(b"\xe9", "text/html; charset=latin-1") == "é"
    assert decode(b"abc", "text/html; charset=rot13") == "abc"
    assert decode(b"abc", "text/html; charset=hex") == "abc"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain 5 < 6", "plain 5 < 6"),
        ("<p>a<br>b</p><script>alert(1)</script>", "a b"),
        ("a &amp; b", "a & b"),
        ("", ""),
        (None, ""),
    ],
)
def test_markup_becomes_text(html: str | None, text: str) -> None:
    assert plain_text(html) == text


SIZE = 512 * 1024
HEAVY = {
    "elements in each other": "<div>" * (SIZE // 5),
    "misnested": "<div>" + "".join(f"<b id={n}>" for n in range(5_000)) + "</div>" + "<div>x</div>" * 30_000,
    "tags that never end": "<link" * (SIZE // 5),
    "quotes that never end": "<link a='\" b=\"'" * (SIZE // 14),
    "scripts that never end": "<script >" * (SIZE // 9),
    "comments that never end": "<!--" * (SIZE // 4),
    "attributes without end": "<link canonical" + " a" * (SIZE // 2),
    "spaces without end": "<link canonical a" + " " * SIZE + "b",
    "values without end": "<link canonical" + " a='\"" * (SIZE // 5),
    "numbers without end": "<title>&#" + "9" * SIZE,
    "zeros without end": "<title>" + ("&#" + "0" * 5_000) * (SIZE // 5_000),
    "a long list": '<script type="application/ld+json">[' + "{}," * (SIZE // 3) + "{}]</script>",
}


@pytest.mark.parametrize("html", [pytest.param(html, id=name) for name, html in HEAVY.items()])
def test_no_page_is_heavy_to_read(html: str) -> None:
    began = time.process_time()

    read_page(html.encode())
    plain_text(html)

    assert time.process_time() - began < 3


def test_the_words_of_a_piece_of_html() -> None:
    html = "<p>old&nbsp;<b title='a>b'>ivory</b><br>&amp; bone<script>x()</script><style>p{}</style><!-- -->"

    assert plain_text(html) == "old ivory & bone"
    assert plain_text("<title>one</title><textarea>two <b></textarea>") == "one two <b>"


def test_lines_of_a_letter_leave_out_what_it_quotes() -> None:
    quote = "<blockquote>old <blockquote>older</blockquote> words</blockquote>"
    letter = f"<body><p>It is&nbsp;removed.</p>{quote}<div>Kim</div><style>x</style>"
    html = f"<html><head><title>t</title></head>{letter}"

    assert text_lines(html, frozenset({"head", "blockquote"})) == "It is\xa0removed.\nKim"
    for heavy in HEAVY.values():
        began = time.process_time()
        text_lines(heavy, frozenset({"head", "blockquote"}))
        assert time.process_time() - began < 3


# ---- what a browser's parser says of the same -----------------------------------------------------------

_NAMES = st.text(st.sampled_from("aAbB-:@.ü<&#"), min_size=1, max_size=3)
_SPACES = st.text(st.sampled_from(" \n\t\f"), max_size=2)
_PIECES = (
    *("x", "Y", "2", " ", "\n", "<", "=", "/", "&", ";", "é"),
    *("&amp;", "&amp", "&ampx", "&AMP", "&lt", "&copy=", "&notit;", "&hearts;", "&hearts", "&nosuch;"),
    *("&#65;", "&#x41", "&#0;", "&#128;"),
)
_VALUES = st.lists(st.sampled_from(_PIECES), max_size=6).map("".join)
_WORDS = ("a", "é", " ", "\r\n", "\r", "\n", "\0", "&amp;", "&lt", "<b>", "</b>", "</", "<", "!--")


@st.composite
def _attributes(draw: st.DrawFn) -> str:
    text = ""
    for name in draw(st.lists(_NAMES, max_size=4)):
        text += draw(st.sampled_from([" ", "\n", " / ", "\t/"])) + name
        value, quote = draw(_VALUES), draw(st.sampled_from(["", "'", '"', None]))
        if quote is not None:
            bare = "v" + "".join(value.split()) if quote == "" else value
            text += draw(_SPACES) + "=" + draw(_SPACES) + quote + bare + quote
    return text + draw(st.sampled_from(["", " ", "/", " /"]))


@given(_attributes())
@example(" a=1 A=2")
@example(" href='/a?b=1&amp;c=2&copy=3&lt;&lt'")
@example(" a = b c")
def test_attributes_are_those_that_a_browser_sees(inside: str) -> None:
    (node,) = LexborHTMLParser(f"<p{inside} >").tags("p")

    assert attributes(f"{inside} >") == {name: value or "" for name, value in node.attributes.items()}


@given(st.lists(st.sampled_from(_WORDS), max_size=8).map("".join), st.sampled_from(["title", "script"]))
def test_words_are_those_that_a_browser_sees(words: str, name: str) -> None:
    html = f"<{name} lang=x>{words}</{name}><p>after"
    (node,) = LexborHTMLParser(html).tags(name)
    ((_, _, found),) = elements(html, {name: ""})

    assert (characters(found) if name == "title" else found) == node.text()


@pytest.mark.parametrize(
    "number", ["9" * 5_000, "0" * 5_000 + "65", "99999999", "1114109", "1114112", "x" + "f" * 5_000]
)
@pytest.mark.parametrize("end", [";", ""])
def test_a_number_that_no_character_has_stands_for_none_and_stops_nothing(number: str, end: str) -> None:
    html = f"<html lang='&#{number}{end}'><title>a&#{number}{end}</title><p>a&#{number}{end}</p>"
    tree = LexborHTMLParser(html)
    found = read_page(html.encode())

    assert (found.title, found.language) == (
        tree.tags("title")[0].text(),
        tree.tags("html")[0].attributes["lang"],
    )
    assert plain_text(f"<p>a&#{number}{end}</p>") == found.title
    assert text_lines(f"<p>a&#{number}{end}</p>", frozenset()) == found.title


def test_only_what_is_wanted_is_looked_at() -> None:
    html = "<LINK rel=canonical href=/a><link rel=icon><meta name=x><a title='<link rel=canonical>'></link>"

    assert list(elements(html, {"link": "canonical"})) == [("link", {"rel": "canonical", "href": "/a"}, "")]
