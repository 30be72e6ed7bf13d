"""Every flagship term disguised in many ways: how much still hits, and no new hits on ordinary words.

The table is (term x way). A way applies to the scripts it makes sense for, which is stated with it;
a hit is a place in the text that names what the plain term names.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.screening.gate import Gate
from streams.screening.lexicon import Animal, Product, Term
from streams.screening.misspelling import ordinary_words
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.text import Folded, fold
from tests.bench.synthetic import WARES, listings
from tests.unit.streams.screening.test_screener import screen

GROUPS = frozenset(
    [
        "elephant",
        "rhino",
        "tiger",
        "pangolin",
        "hawksbill",
        "sea-turtle",
        "helmeted-hornbill",
        "leopard",
        "ape",
        "saiga",
    ]
)
"""What zero tolerance is about."""
SHARE = 0.95


@cache
def ruleset() -> ScreeningRuleset:
    return build_ruleset()


@cache
def flagships() -> tuple[Term, ...]:
    """Hand-kept names and products of the flagship groups, of five letters or more (two, in Han)."""
    vocabulary = ruleset().vocabulary
    kept = {
        term.text: term
        for terms in vocabulary.names._terms
        for term in terms
        if isinstance(term.meaning, Product | Animal)
        and (isinstance(term.meaning, Product) or term.meaning.curated)
        and term.meaning.group in GROUPS
        and term.exact is None
        and (len(fold(term.text).replace(" ", "")) >= 5 or script(term.text) in ("han", "thai"))
        and term.text.replace(" ", "").isalpha()
    }
    return tuple(kept[text] for text in sorted(kept))


def script(text: str) -> str:
    """The script of a term's first letter."""
    ranges = (
        ("cyrillic", "\u0400", "\u052f"),
        ("arabic", "\u0600", "\u06ff"),
        ("devanagari", "\u0900", "\u097f"),
        ("thai", "\u0e00", "\u0eff"),
        ("kana", "\u3040", "\u30ff"),
        ("han", "\u3400", "\u9fff"),
    )
    return next((name for name, low, high in ranges if low <= text[0] <= high), "latin")


def reads(text: str) -> set[str]:
    """Everything that is named in the text, by the refs of the terms, as screening sees it."""
    vocabulary = ruleset().vocabulary
    folded = Folded(text, vocabulary.undisguiser.edits(text))
    return {term.ref for one in vocabulary.names.find("title", folded) for term in one.terms}


# --- the ways -----------------------------------------------------------------------------------

LETTERS = {"latin", "cyrillic"}
ALL = {"latin", "cyrillic", "arabic", "devanagari", "thai", "han", "kana"}
TO_CYRILLIC = str.maketrans("aeopcyxi", "аеорсухі")
TO_LATIN = str.maketrans("аеорсух", "aeopcyx")
LEET = str.maketrans("oiea", "01€@")
LEET_CYRILLIC = str.maketrans("оз", "03")
SMALL = str.maketrans("abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ")
FLIP = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz")


def words(change: Callable[[str], str]) -> Callable[[str, random.Random], str]:
    return lambda text, _: " ".join(change(word) for word in text.split())


def inside(mark: str) -> Callable[[str, random.Random], str]:
    """The mark inside every word, never between a letter and its own mark."""

    def change(text: str, rng: random.Random) -> str:
        return " ".join(
            word[: len(word) // 2] + mark + word[len(word) // 2 :] if len(word) > 1 else word
            for word in text.split()
        )

    return change


def apart(sign: str) -> Callable[[str, random.Random], str]:
    return lambda text, _: sign.join(text.replace(" ", ""))


def doubled(text: str, rng: random.Random) -> str:
    """A letter of the longest word: who doubles letters does it in the word that tells."""
    word = max(text.split(), key=len)
    return text.replace(word, word[:2] + word[1:], 1)


def shifted(first: int) -> Callable[[str, random.Random], str]:
    """Letters a to z moved to another alphabet of Unicode, such as the circled one."""
    return words(lambda w: "".join(chr(first + ord(c) - 97) if "a" <= c <= "z" else c for c in w.lower()))


@dataclass(frozen=True)
class Way:
    scripts: set[str]
    change: Callable[[str, random.Random], str]
    plain_only: bool = False
    """Only for terms of the letters a to z: the alphabet has no others."""


WAYS = {
    "upper case": Way(ALL, lambda text, _: text.upper()),
    "zero width inside": Way(ALL, inside("\u200b")),
    "soft hyphen inside": Way(ALL, inside("\u00ad")),
    "marks on letters": Way(LETTERS, words(lambda w: w[0] + "\u0301" + w[1:])),
    "look-alike letters": Way({"latin"}, words(lambda w: w.translate(TO_CYRILLIC))),
    "look-alike letters in Cyrillic": Way({"cyrillic"}, words(lambda w: w.translate(TO_LATIN))),
    "signs for letters": Way({"latin"}, words(lambda w: w[0] + w[1:].translate(LEET))),
    "digits for letters": Way({"cyrillic"}, words(lambda w: w.translate(LEET_CYRILLIC))),
    "letters spaced apart": Way({"latin", "cyrillic", "han"}, apart(" ")),
    "letters dotted apart": Way({"latin", "cyrillic", "han"}, apart(".")),
    "letters dashed apart": Way({"latin", "cyrillic"}, apart("-")),
    "letters starred apart": Way({"latin", "cyrillic"}, apart("*")),
    "full-width letters": Way({"latin"}, shifted(0xFF41)),
    "circled letters": Way({"latin"}, shifted(0x24D0)),
    "mathematical letters": Way({"latin"}, shifted(0x1D41A)),
    "small capitals": Way({"latin"}, words(lambda w: w.lower().translate(SMALL))),
    "upside down": Way({"latin"}, words(lambda w: w.lower().translate(FLIP)[::-1]), plain_only=True),
    "backwards, shown forwards": Way(ALL, lambda text, _: f"\u202e{text[::-1]}\u202c"),
    "HTML entities": Way(ALL, words(lambda w: f"&#{ord(w[0])};{w[1:]}")),
    "URL-encoded": Way(ALL, words(lambda w: "".join(f"%{b:x}" for b in w[0].encode()) + w[1:])),
    "hashtag": Way({"latin", "cyrillic"}, lambda text, _: "#" + text.title().replace(" ", "")),
    "a letter doubled": Way({"latin", "cyrillic"}, doubled),
}  # fmt: skip


@cache
def table() -> dict[str, dict[str, bool]]:
    """Way, term, whether it still hits."""
    rng = random.Random(5)
    told: dict[str, dict[str, bool]] = {}
    for name, way in WAYS.items():
        told[name] = {}
        for term in flagships():
            if way.plain_only and not term.text.isascii():
                continue
            if script(term.text) in way.scripts and reads(f"offer {term.text} today") >= {term.ref}:
                told[name][term.text] = term.ref in reads(f"offer {way.change(term.text, rng)} today")
    return told


def test_there_are_many_terms_in_many_languages() -> None:
    assert len(flagships()) >= 1_000
    assert {script(term.text) for term in flagships()} >= ALL - {"devanagari"}
    assert len({term.language for term in flagships()}) >= 14
    assert sum(len(terms) for terms in table().values()) >= 20_000


@pytest.mark.parametrize("way", WAYS)
def test_a_disguised_term_still_hits(way: str) -> None:
    told = table()[way]
    missed = [text for text, hit in told.items() if not hit]

    assert told
    assert len(missed) <= (1 - SHARE) * len(told), f"{len(missed)} of {len(told)}: {missed[:20]}"


def test_overall_nineteen_in_twenty_still_hit() -> None:
    hits = [hit for terms in table().values() for hit in terms.values()]

    assert sum(hits) >= SHARE * len(hits)


def undisguised(text: str) -> list[tuple[str, str, str]]:
    return [
        (text[edit.start : edit.end], edit.meant, edit.kind)
        for edit in ruleset().vocabulary.undisguiser.edits(text)
    ]


@pytest.mark.parametrize("language", sorted(WARES))
def test_ordinary_words_are_read_as_they_stand(language: str) -> None:
    assert undisguised(WARES[language]) == []


def test_twenty_thousand_ordinary_words_that_resemble_a_name_are_not_taken_for_it() -> None:
    known = {word for spelling in ruleset().vocabulary.names.spellings() for word in spelling.split()}
    near = sorted(set(ordinary_words()) - known)

    assert len(near) > 18_000
    assert [word for word in near if undisguised(word)] == []


@pytest.mark.parametrize(
    "way", ["upper case", "a letter doubled", "signs for letters", "letters dotted apart"]
)
def test_ordinary_words_in_disguise_name_nothing(way: str) -> None:
    rng = random.Random(7)
    words = {word for language, text in WARES.items() if language != "zh" for word in text.split()}
    plain = {word for word in words if len(word) >= 5 and word.isalpha() and not reads(f"offer {word} today")}

    named = {word: reads(f"offer {WAYS[way].change(word, rng)} today") for word in sorted(plain)}

    assert len(plain) > 250
    assert {word: refs for word, refs in named.items() if refs} == {}


@pytest.mark.parametrize(
    "text",
    [
        "every evening", "the tigger costume", "ivy and holly", "a choral concert", "a rhine cruise",
        "leonard the leotard", "an elegant lamp", "reino unido", "tier one", "horse and house",
        "rhinestone brooch", "pantera pneumatici", "Leopardi, Canti", "coast of ivory coast",
        "Tijger-print", "мамонтенок в тигровую полоску", "1very good", "c0de 1234", "b00ks @ home",
        "$ale 50%", "rock*n*roll", "A B C D E F G", "U S A 1 9 8 4", "п р о д а м",
        "r.i.p.", "e.g. i.e. a.m. p.m.", "w/o box", "Tom&amp;Jerry", "100%25 wool", "caf&eacute; cups",
    ],
)  # fmt: skip
def test_words_that_merely_resemble_a_name_are_left_alone(text: str) -> None:
    assert [edit for edit in undisguised(text) if edit[2] != "joined"] == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("rhinocerus", "rhinoceros"), ("pangolen", "pangolin"), ("hawksbil", "hawksbill"),
        ("ivery", "ivory"), ("ivorry", "ivory"), ("elehpant", "elephant"), ("torotiseshell", "tortoiseshell"),
        ("Loxodnota", "loxodonta"), ("Elfenbien", "elfenbein"), ("rinoceronto", "rinoceronte"),
        ("носорга", "носорога"),
    ],
)  # fmt: skip
def test_a_misspelt_name_is_put_right_and_says_so(written: str, meant: str) -> None:
    assert undisguised(f"old {written} piece") == [(written, meant, "misspelling")]


@pytest.mark.parametrize("word", ["tigr", "tigar", "rino", "hron", "kobra", "скот", "象耳", "งาชาง"])
def test_short_names_and_scripts_without_spaces_are_never_corrected(word: str) -> None:
    assert undisguised(f"old {word} piece") == []


def test_a_hit_by_misspelling_alone_is_for_a_person_and_an_exact_word_makes_it_a_notice() -> None:
    exact = screen("Hand carved elephant ivory netsuke, 52 g, for sale 300 USD")
    misspelt = screen("Hand carved elephant ivery netsuke, 52 g, for sale 300 USD")
    both = screen("Hand carved elephant ivery netsuke, 52 g, for sale 300 USD", "Genuine elephant ivory.")

    assert (exact.outcome, misspelt.outcome, both.outcome) == ("notify", "review", "notify")
    assert "misspelt" in misspelt.explanation
    assert "“elephant ivery”" in misspelt.explanation


def test_a_hit_in_disguise_is_noticed_and_says_that_it_was_disguised() -> None:
    told = screen("Hand carved elephant 1v0ry netsuke, 52 g, for sale 300 USD")

    assert told.outcome == "notify"
    assert "written in disguise" in told.explanation
    assert any(match.disguised and match.quote == "elephant 1v0ry" for match in told.matches)


DISGUISES = ["\u200b", "\u00ad", "\u2060", "\ufe0f", "\u0301", "\u200d", "\U000e0041"]


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(DISGUISES)), max_size=8),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["pangolin", "носорога", "1v0ry", "elephant", "hawksbil", "象牙"]),
)
@settings(max_examples=400, deadline=None)
def test_the_quote_covers_the_planted_word_whatever_is_put_into_it(
    before: str, put: list[tuple[int, str]], after: str, word: str
) -> None:
    written = word
    for at, mark in sorted(put, reverse=True):
        if 0 < at < len(word):
            written = written[:at] + mark + written[at:]
    text = f"{before} offer {written} today {after}"
    folded = Folded(text, ruleset().vocabulary.undisguiser.edits(text))
    meant = {"1v0ry": "ivory", "hawksbil": "hawksbill"}.get(word, word)
    start = len(f"{before} offer ")

    quotes = [
        (first, last)
        for one in ruleset().vocabulary.names.find("title", folded)
        for first, last in [folded.span(one.start, one.end)]
        if meant in folded.text[one.start : one.end]
    ]
    if "\u202e" not in before and "\u2067" not in before:
        assert any(first <= start and last >= start + len(written) for first, last in quotes)


@given(
    st.lists(
        st.one_of(
            st.sampled_from([term.text for term in flagships()[::40]]),
            st.sampled_from(
                [
                    "madera",
                    "de",
                    "agar",
                    "con",
                    "tiger",
                    "bò",
                    "tót",
                    "i",
                    "v",
                    "o",
                    "r",
                    "y",
                    "a",
                    "象",
                    "牙",
                    "1v0ry",
                    "#ivoryforsale",
                    "ivery",
                ]
            ),
            st.sampled_from(["new", "\u202eyrovi\u202c", "i.v.o.r.y", "x-y", "\u2067", "ʎɹoʌᴉ"]),
            st.text(max_size=8),
        ),
        max_size=12,
    )
)
@settings(max_examples=400, deadline=None)
def test_what_the_gate_lets_pass_names_nothing(pieces: list[str]) -> None:
    text = " ".join(pieces)
    if gate().passes(text):
        assert reads(text) == set()
    assert gate().passes(text) == gate().passes(text)


@cache
def gate() -> Gate:
    vocabulary = ruleset().vocabulary
    return Gate([vocabulary.anchors], vocabulary.undisguiser)


def test_the_gate_lets_ordinary_listings_pass_and_stops_every_flagship_term() -> None:
    wares = list(listings(200, offers=0, near_misses=0, seed=3))

    passed = sum(gate().passes(one.title) and gate().passes(one.description) for one in wares)
    assert passed > 0.9 * len(wares)
    assert [term.text for term in flagships() if gate().passes(f"offer {term.text} today")] == []


def test_terms_of_everyday_words_stop_whatever_the_gate_has_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.screening.gate.REMEMBERED", 60)
    vocabulary = ruleset().vocabulary
    forgetful = Gate([vocabulary.anchors], vocabulary.undisguiser)
    pairs = vocabulary.anchors.pairs.values()
    terms = sorted({term.strip() for others in pairs for same in others.values() for term in same})[::20]
    wares = [word for words in WARES.values() for word in words.split()]

    stopped = []
    for number, term in enumerate(terms):
        forgetful.passes(" ".join(reversed(term.split())))  # its words are known, each by itself
        around = wares[number * 7 % len(wares) :][:12]
        stopped.append(not forgetful.passes(" ".join([*around, term, *around])))

    assert len(terms) > 100
    assert all(stopped), [term for term, one in zip(terms, stopped, strict=True) if not one]


@pytest.mark.parametrize("text", ["a stool for the bar", "ho hum", "come on, da! do!"])
def test_the_gate_lets_words_pass_that_only_their_marks_would_make_a_name(text: str) -> None:
    assert gate().passes(text)
    assert reads(text) == set()


@pytest.mark.parametrize(
    ("title", "outcome"),
    [
        ("🐘 🎉 birthday cards, 5 USD", "clear"),
        ("Cute 🐯🐘🦏 stickers for kids", "clear"),
        ("🐘🦷 carved bangle 40 g, DM for price 300 USD", "review"),
        ("🐘🦷 real, 1 kg, for sale 300 USD", "review"),
        ("🦏 horn 300 g for sale 900 USD", "review"),
        ("🐅🦴 for sale, genuine, 900 USD", "review"),
        ("🐘 elephant ivory bangle, carved, 40 g, 300 USD 🐘", "notify"),
    ],
)
def test_a_picture_is_a_hint_and_never_a_notice(title: str, outcome: str) -> None:
    told = screen(title)

    assert told.outcome == outcome, told.explanation
