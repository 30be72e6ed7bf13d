"""The public form as values: what is taken, what is told to be mended, and what cannot be guessed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.report import Report
from streams.desk import catalogues, public_form
from streams.desk.public_form import FIELDS, TRAP, Problems

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
GOOD = {"what": "An ivory figure, said to be old", "url": "https://market.example/listing/7"}
ID = "r_" + "A" * 20


def read(**fields: str) -> Report | Problems:
    return public_form.read({**GOOD, **fields}, report_id=ID, language="fr", now=NOW)


def test_a_good_form_is_a_report_of_a_citizen_who_may_stay_unnamed() -> None:
    found = read(how_acquired="inherited", seen_on="2026-03-08")

    assert isinstance(found, Report)
    assert (found.reporter.kind, found.reporter.name, found.reporter.email) == ("citizen", None, None)
    assert found.provenance is not None
    assert (found.provenance.how_acquired, found.provenance.when_acquired) == ("inherited", None)
    assert found.seen_at == datetime(2026, 3, 8, tzinfo=UTC)
    assert found.language == "fr"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"what": " \n "}, {"what": "problem_what"}),
        ({"url": ""}, {"url": "problem_place"}),
        ({"url": "javascript:alert(1)"}, {"url": "problem_url"}),
        ({"url": "https://a b"}, {"url": "problem_url"}),
        ({"url": "https://[x"}, {"url": "problem_url"}),
        ({"email": "nobody"}, {"email": "problem_email"}),
        ({"seen_on": "2026-03-11"}, {"seen_on": "problem_date"}),
        ({"seen_on": "yesterday"}, {"seen_on": "problem_date"}),
        ({TRAP: "x"}, {TRAP: "problem_trap"}),
        ({"name": "n" * 201}, {"name": "problem_long"}),
        ({"what": "", "email": "@"}, {"what": "problem_what", "email": "problem_email"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_everything_that_is_wrong_is_told_at_once(fields: dict[str, str], expected: dict[str, str]) -> None:
    found = read(**fields)

    assert isinstance(found, Problems)
    assert found.found == expected
    assert all(set(expected.values()) <= words.keys() for words in catalogues.load().values())


def test_a_place_without_a_link_is_enough() -> None:
    found = read(url="", where="a group called Old Things")

    assert isinstance(found, Report)
    assert (found.url, found.where) == ("a group called Old Things", "a group called Old Things")


@given(st.fixed_dictionaries({}, optional={name: st.text(max_size=60) for name in [*FIELDS, TRAP]}))
def test_any_text_is_a_report_that_can_be_kept_or_told_to_be_mended(fields: dict[str, str]) -> None:
    found = public_form.read(fields, report_id=ID, language="en", now=NOW)

    if isinstance(found, Report):
        assert Report.from_bytes(found.to_bytes()) == found
        assert b"\\u0000" not in found.to_bytes()
    else:
        assert found.found


@given(st.text(max_size=80))
def test_a_reference_leads_back_to_its_report_however_it_is_typed(nonce: str) -> None:
    report_id = public_form.report_id(nonce, b"key")
    reference = public_form.reference(report_id)

    for typed in (reference, reference.lower(), reference.replace("-", " "), reference[2:]):
        assert public_form.id_of(typed) == report_id
    assert public_form.report_id(nonce, b"other") != report_id


@pytest.mark.parametrize("text", ["", "R-AAAAA", "TKN-ABCDE-FGHIJ-KL", "R" * 70, "１２３"])
def test_what_is_no_reference_leads_nowhere(text: str) -> None:
    assert public_form.id_of(text) is None


def test_one_house_is_one_origin_and_its_address_cannot_be_read() -> None:
    def of(address: str | None) -> str:
        return public_form.origin(address, b"key")

    assert of("2001:db8:1:2::7") == of("2001:db8:1:2:ffff::1") != of("2001:db8:1:3::7")
    assert of("192.0.2.7") != of("192.0.2.8")
    assert of(None) == of("not an address")
    assert of("192.0.2.7") != public_form.origin("192.0.2.7", b"other")


@pytest.mark.parametrize(
    ("ago", "expected"),
    [(0, False), (1, False), (2, True), (3_600, True), (6 * 3_600 + 1, False), (-60, False)],
)
def test_a_form_is_sent_by_a_person_in_a_persons_time(ago: int, expected: bool) -> None:
    issued = str(int((NOW - timedelta(seconds=ago)).timestamp()))

    assert public_form.in_time(issued, now=NOW) == expected


@pytest.mark.parametrize("issued", ["", "now", "-5", "9" * 40, "１７７３０５７６００"])
def test_a_time_that_is_none_is_not_in_time(issued: str) -> None:
    assert not public_form.in_time(issued, now=NOW)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("de, es;q=0.5, en;q=0.4", "es"),
        ("zh-Hans-CN", "zh"),
        ("en;q=0.1, zh;q=0.9", "zh"),
        ("fr;q=0", "en"),
        ("fr;q=lots, *", "en"),
        ("fr;q=99", "en"),
    ],
)
def test_the_language_is_the_browsers_best_that_we_have(header: str, expected: str) -> None:
    assert catalogues.preferred(header, catalogues.load()) == expected


def test_every_language_says_everything_and_nothing_is_left_in_english() -> None:
    found = catalogues.load()

    assert set(found) >= {"en", "fr", "es", "zh"}
    for language, words in found.items():
        assert words.keys() == found["en"].keys()
        assert all(word.strip() for word in words.values())
        if language != "en":
            assert [key for key, word in words.items() if word == found["en"][key]] == []
