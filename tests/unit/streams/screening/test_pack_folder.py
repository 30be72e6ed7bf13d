"""What packs import from one another, and what is refused on the way: with file, line and reason."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.errors import OperatorError
from schemas.watchlist import PACK_BYTES, RulePackRelease
from streams.screening.law import load_law
from streams.screening.pack_file import BadPack, Pack, read_pack, spelled_out
from streams.screening.pack_folder import packs_from
from streams.screening.release_commands import release_of
from streams.screening.rules import RuleBook
from streams.screening.screener import ScreeningRuleset, build_ruleset
from tests.unit.streams.screening.test_screener import listing

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@cache
def built_in() -> ScreeningRuleset:
    return build_ruleset()


def rule(when: str) -> dict[str, Any]:
    return {
        "id": "bangles.offered",
        "title": "An ivory bangle is offered",
        "description": "Bangles are the commonest worked ivory in parcels.",
        "severity": "high",
        "outcome": "review",
        "groups": ["elephant"],
        "when": when,
        "tests": {
            "must_hit": [{"title": "Hand carved elephant ivory bangle, 52 g"}],
            "must_not_hit": [{"title": "Faux ivory resin bangle"}],
        },
    }


def write(folder: Path, **packs: Mapping[str, Any]) -> Path:
    for name, parts in packs.items():
        head = {"pack": name, "version": 1, "title": name}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**head, **parts}, sort_keys=False))
    return folder


def book(folder: Path) -> RuleBook:
    return RuleBook(packs_from(folder), load_law())


def by_name(packs: list[Pack]) -> dict[str, Pack]:
    return {pack.pack: pack for pack in packs}


WORDS = {"conditions": {"is_ivory": 'product == "ivory"'}}
MIDDLE = {"imports": ["words"], "conditions": {"is_meant": "$is_ivory && real != 'no'"}}
BANGLES = {"imports": ["middle"], "rules": [rule("$is_meant")]}


def test_a_condition_is_imported_through_other_packs(tmp_path: Path) -> None:
    packs = packs_from(write(tmp_path, words=WORDS, middle=MIDDLE, bangles=BANGLES))

    assert set(by_name(packs)["bangles"].conditions) == {"is_ivory", "is_meant"}
    assert len(RuleBook(packs, load_law()).rules) == 1


def test_a_diamond_is_no_circle(tmp_path: Path) -> None:
    left = {"imports": ["words"], "conditions": {"left": "$is_ivory"}}
    right = {"imports": ["words"], "conditions": {"right": "$is_ivory"}}
    both = {"imports": ["left", "right"], "rules": [rule("$left && $right && $is_ivory")]}

    assert len(book(write(tmp_path, words=WORDS, left=left, right=right, both=both)).rules) == 1


@pytest.mark.parametrize(
    ("packs", "said"),
    [
        pytest.param(
            {"bangles": {"imports": ["bangles"], "rules": [rule("true")]}},
            "bangles.yaml:5: imports go in a circle: bangles -> bangles",
            id="itself",
        ),
        pytest.param(
            {"alpha": {"imports": ["words", "beta"], **WORDS}, "beta": {"imports": ["alpha"], **WORDS},
             "words": {"conditions": {"other": "true"}}},
            "beta.yaml:5: imports go in a circle: alpha -> beta -> alpha",
            id="each other",
        ),
        pytest.param(
            {"bangles": {"imports": ["nowhere"], "rules": [rule("true")]}},
            "bangles.yaml:5: imports the pack nowhere, which does not stand beside it",
            id="not there",
        ),
        pytest.param(
            {"words": WORDS, "bangles": {"imports": ["words"], **WORDS, "rules": [rule("true")]}},
            "bangles.yaml:5: the condition $is_ivory is in bangles and in words",
            id="one name twice",
        ),
        pytest.param(
            {"bangles": {"rules": [rule("$is_ivory")]}},
            "bangles.yaml:12: no condition named $is_ivory in this pack or in one that it imports",
            id="no such condition",
        ),
        pytest.param(
            {"words": {"conditions": {"one": "$two", "two": "!$one"}}},
            "words.yaml:5: conditions go in a circle: one -> two -> one",
            id="conditions in a circle",
        ),
        pytest.param(
            {"words": {"conditions": {"number": "1 + 1"}}},
            "words.yaml:5: pack words, condition $number: ",
            id="a condition that is no yes or no",
        ),
        pytest.param(
            {"words": {"title": "nothing"}}, "words.yaml:1: a pack needs rules", id="nothing"
        ),
    ],
)  # fmt: skip
def test_a_broken_import_is_refused_with_file_line_and_reason(
    packs: Mapping[str, Mapping[str, Any]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadPack) as refused:
        book(write(tmp_path, **packs))

    assert str(refused.value).startswith(said)


def test_conditions_that_double_each_other_end_soon(tmp_path: Path) -> None:
    endless = {"x0": "sure && curated"} | {f"x{n}": f"$x{n - 1} && $x{n - 1}" for n in range(1, 40)}

    with pytest.raises(BadPack, match="more than 20000 characters"):
        book(write(tmp_path, words={"conditions": endless}))


def test_a_name_inside_a_text_stays_as_it_is() -> None:
    told = spelled_out("""category == "$sale 'x" && $a || '$b' == "\\"$c" """, {"a": "sure"}, "here")

    assert told == """category == "$sale 'x" && (sure) || '$b' == "\\"$c" """


def test_a_released_pack_has_what_it_imports_written_into_it(tmp_path: Path) -> None:
    write(tmp_path, words=WORDS, middle=MIDDLE, bangles=BANGLES)
    released = release_of(tmp_path / "bangles.yaml", shadow=False, released_by="tests", now=NOW)
    ruleset = built_in().with_packs({released.key: released})

    assert "imports" not in yaml.safe_load(released.text)
    verdict = ruleset.screener({}).screen(listing("Hand carved elephant ivory bangle, 52 g"), NOW)
    assert "bangles@1" in {finding.pack for finding in verdict.rules}


def test_a_circle_is_refused_before_it_is_released(tmp_path: Path) -> None:
    write(tmp_path, words={"imports": ["bangles"], **WORDS}, bangles={**BANGLES, "imports": ["words"]})

    with pytest.raises(OperatorError, match=r"words\.yaml:5: imports go in a circle: bangles -> words"):
        release_of(tmp_path / "bangles.yaml", shadow=False, released_by="tests", now=NOW)


def test_a_pack_on_the_topic_stands_alone(tmp_path: Path) -> None:
    text = (write(tmp_path, bangles=BANGLES) / "bangles.yaml").read_text()
    released = RulePackRelease(
        pack="bangles",
        version=1,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        released_by="tests",
        released_at=NOW,
    )

    with pytest.raises(BadPack, match=r"bangles\.yaml:4: a pack that is released stands alone"):
        built_in().with_packs({released.key: released})


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path: Path) -> None:
    file = write(tmp_path, bangles={"rules": [rule("true")]}) / "bangles.yaml"
    file.write_text(file.read_text() + "# filler\n" * 1_200_000)

    assert file.stat().st_size > 10_000_000
    with pytest.raises(BadPack, match=rf"bangles\.yaml:1: larger than {PACK_BYTES} bytes"):
        packs_from(tmp_path)
    with pytest.raises(OperatorError, match="larger than"):
        release_of(file, shadow=False, released_by="tests", now=NOW)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    file.write_bytes(b"pack: odd\ntitle: caf\xe9\n")

    with pytest.raises(BadPack, match=r"odd\.yaml:2: not UTF-8"):
        read_pack(file)


@pytest.mark.parametrize("value", ["!!timestamp x", "!!int ''", "!!bool x", "2026-02-30"])
def test_a_value_that_cannot_be_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(f"pack: odd\ntitle: {value}\n")

    with pytest.raises(BadPack, match=r"odd\.yaml:2: not YAML: "):
        read_pack(file)
