"""The words of a notice in each language, the operator's own texts, and hostile listing text in them."""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from connectors.channels.letter import LANGUAGES, letter, reasons_in
from connectors.channels.template_check import check_templates
from connectors.channels.words import words
from connectors.registry import PlatformConfig, build
from schemas.detection import Match, Specimen
from schemas.errors import OperatorError
from schemas.notice import Disguise, Notice, RequestedAction
from schemas.order import Authority, Order, Preservation, Secrecy, Signature
from tests.support.hostile import hostile_notices, many_items, notice

GOLDEN = Path(__file__).parents[3] / "golden" / "letters"
REFRESH = "TAKIN_REFRESH_GOLDEN"
"""Set it to write the golden letters again; then read the diff."""


def rich() -> Notice:
    """A notice with everything that a letter can say."""
    found = notice()
    authority = Authority(name="Example Authority", country="FR", contact="desk@authority.example")
    [item] = found.items
    quote = item.quotes[1].model_copy(update={"disguises": get_args(Disguise)})
    return found.model_copy(
        update={
            "kind": "art9_order",
            "items": (
                item.model_copy(update={"round": 2, "quotes": (item.quotes[0], quote)}),
                item.model_copy(update={"listing_id": "8841503", "taxon": None, "quotes": ()}),
            ),
            "legal_basis": (
                *found.legal_basis,
                found.legal_basis[0].model_copy(
                    update={"law": "CITES, Article III", "country": None, "article": None}
                ),
                found.legal_basis[0].model_copy(
                    update={"law": "Terms of Bazaar", "country": None, "policy_clause": "12.3", "text": None}
                ),
            ),
            "order": Order(
                authority=authority,
                reference="2026/77",
                power="Code of the Environment, Article 1",
                effect_to=authority,
                territory=("FR",),
            ),
            "secrecy": Secrecy(ground="An inquiry is under way.", until=found.issued_at),
            "preservation": Preservation(months=6, data_kinds=("content", "account")),
            "signature": Signature(algorithm="ES256", key_id="k1", value="c2ln", signed_at=found.issued_at),
            "reporter_disclosure": "withhold",
        }
    )


def paths(tree: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield from paths(inner, f"{where}/{name}")
    else:
        yield where, tree


def sentence_places(tree: Any) -> dict[str, list[str]]:
    return {where: sorted(re.findall(r"\{(\w+)\}", str(text))) for where, text in paths(tree)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_words_with_the_same_places(language: str) -> None:
    assert sentence_places(words(language)) == sentence_places(words("en"))
    assert all(text for _, text in paths(words(language)))


def test_the_words_cover_what_the_messages_may_hold() -> None:
    english = words("en")
    assert english is not None

    assert set(english["actions"]) == set(get_args(RequestedAction))
    assert set(english["disguises"]) == set(get_args(Disguise))
    assert set(english["fields"]) == set(get_args(Match.model_fields["field"].annotation))
    assert set(english["specimens"]) == set(get_args(Specimen.model_fields["kind"].annotation))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["plain", "rich"])
def test_the_letter_is_the_one_that_was_read_and_kept(language: str, kind: str) -> None:
    sent = rich() if kind == "rich" else notice()
    file = GOLDEN / f"{kind}.{language}.txt"
    written = letter(sent, [language])
    if os.environ.get(REFRESH):
        file.write_text(written, encoding="utf-8")

    assert written == file.read_text(encoding="utf-8"), f"set {REFRESH}=1, run again and read the diff"


def test_no_golden_letter_is_left_over() -> None:
    wanted = {f"{kind}.{language}.txt" for kind in ("plain", "rich") for language in LANGUAGES}

    assert {file.name for file in GOLDEN.iterdir()} == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_says_where_what_why_who_and_how_to_answer(language: str) -> None:
    sent = rich()
    text = letter(sent, [language])

    assert sent.human_reference in text
    for said in (
        sent.items[1].listing_id,
        sent.reporter.email,
        sent.sender.email,
        "338/97",
        "12.3",
        "2026/77",
    ):
        assert said in text
    quote = sent.items[0].quotes[1]
    assert quote.text in text
    assert f"{quote.start}" in text
    assert all(word in text for answers in (words(language) or {})["answers"].values() for word in answers)


@pytest.mark.parametrize("language", ["fr", "de", "zh"])
def test_the_reasons_in_another_language_quote_and_place_the_words(language: str) -> None:
    [found] = reasons_in(notice().model_copy(update={"reasons_in": ()}), ["en", f"{language}-XX", language])

    assert found.language == language
    assert all(quote.text in found.text for quote in notice().items[0].quotes)
    assert "338/97" in found.text


def test_a_language_without_words_has_no_reasons_and_the_letter_is_english() -> None:
    assert reasons_in(notice(), ["th", "en"]) == ()
    assert letter(notice(), ["th"]) == letter(notice(), ["en"])


def test_three_hundred_listings_fit_and_none_is_dropped_in_silence() -> None:
    [found] = reasons_in(many_items(300), ["de"])

    assert len(found.text) <= 20_000
    spelt = len(re.findall(r"^\d+\. ", found.text, re.MULTILINE))
    assert f"{300 - spelt} weiteren Anzeigen" in found.text
    assert letter(many_items(300), ["de"]).count("Anzeige: ") == 300


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("sent", hostile_notices(), ids=lambda one: ascii(one.items[0].title)[:30])
def test_hostile_text_does_nothing_in_any_language(language: str, sent: Notice) -> None:
    bare = sent.model_copy(update={"reasons_in": ()})
    found = reasons_in(bare.model_copy(update={"language": "x-none"}), [language])[0].text
    text = letter(bare, [language]) + found

    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not [one for one in text if unicodedata.category(one) in hidden and one != "\n"]
    assert "49" not in re.sub(r"[0-9a-f]{16,}|\d{4}-\d\d-\d\d\S*|8841\d+", "", text).replace("1249", "")
    # A seller's line breaks never begin a line of ours.
    assert not re.search(r"^(Bcc:|MAIL FROM|<b>|--=_takin)", text, re.MULTILINE)


# ---- the operator's own ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("notice.fr.txt.j2", "Bonjour\n{% if %}", "line 2"),
        ("notice.fr.txt.j2", "{{ nothing }} {{ notice.human_reference }}", "names nothing"),
        ("notice.fr.txt.j2", "{{ notice.nothing }}", "sample notice"),
        (
            "notice.fr.txt.j2",
            "{{ notice.human_reference }}{{ notice['items'][0].taxon.scientific_name }}",
            "sample notice",
        ),
        ("notice.fr.txt.j2", "Bonjour", "human_reference"),
        ("notice.fr.txt.j2", "{{ notice.human_reference | shout }}", "shout"),
        ("notice.fr.txt.j2", "{% include 'missing.j2' %}", "missing.j2"),
        ("notice.txt.j2", "x", "never be used"),
        ("letter.fr.j2", "x", "never be used"),
        ("reasons.fr.txt.j2", "{{ ''.__class__.__mro__ }}", "sample notice"),
    ],
)
def test_a_faulty_template_is_told_at_the_start(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    config = PlatformConfig(
        name="bazaar", kind="desk", base_url="https://b.example", folder=tmp_path, templates=tmp_path
    )

    with pytest.raises(OperatorError, match=re.escape(told)) as error:
        build(config)

    assert str(tmp_path) in str(error.value)


def test_a_template_that_is_not_text_or_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is not there"):
        check_templates(tmp_path / "missing")
    (tmp_path / "notice.fr.txt.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(OperatorError, match="cannot be read"):
        check_templates(tmp_path)


def test_good_templates_are_taken_for_letter_and_reasons(tmp_path: Path) -> None:
    (tmp_path / "notice.fr.txt.j2").write_text("{{ notice.human_reference }} : {{ reasons }}")
    (tmp_path / "reasons.fr.txt.j2").write_text("Parce que {{ notice['items'][0].title }}")

    assert check_templates(tmp_path) == ("notice.fr.txt.j2", "reasons.fr.txt.j2")
    bare = notice(title="a\u202eb").model_copy(update={"reasons_in": ()})
    assert reasons_in(bare, ["fr"], tmp_path)[0].text == "Parce que a[U+202E]b"
    assert letter(bare, ["fr"], tmp_path).endswith("Parce que a[U+202E]b\n")
