"""One suite for every rule pack, and for what the loader refuses."""

import time
from functools import cache
from typing import Any

import pytest
import yaml

from streams.screening.conditions import FACTS, BadCondition, Conditions
from streams.screening.law import load_law
from streams.screening.pack_file import PACK_BYTES_LIMIT, BadPack, Pack, parse_pack
from streams.screening.pack_folder import packaged_packs
from streams.screening.pack_tests import run_pack_tests
from streams.screening.rules import RuleBook
from streams.screening.screener import ScreeningRuleset, build_ruleset

PACKS = packaged_packs()


@cache
def ruleset() -> ScreeningRuleset:
    return build_ruleset()


def test_every_example_in_every_pack_comes_out_right() -> None:
    ran, failures = run_pack_tests(ruleset())

    assert failures == []
    assert ran >= 50


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.pack)
def test_a_pack_names_law_and_holds_near_misses(pack: Pack) -> None:
    for rule in pack.rules:
        assert rule.legal_basis, rule.id
        assert len(rule.tests.must_not_hit) >= 2, rule.id
        assert rule.id.split(".")[0], rule.id


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.pack)
def test_only_zero_tolerance_rules_lead_to_a_notice(pack: Pack) -> None:
    for rule in pack.rules:
        assert (rule.outcome == "notify") == rule.zero_tolerance, rule.id


def test_the_groups_that_rules_name_exist() -> None:
    known = {"*"} | {
        meaning.group
        for terms in ruleset().vocabulary.names.meanings()
        for meaning in terms
        if hasattr(meaning, "group")
    }

    assert {group for pack in PACKS for rule in pack.rules for group in rule.groups} <= known


def test_the_order_of_packs_does_not_matter() -> None:
    law = load_law()

    assert RuleBook(PACKS, law).version == RuleBook(reversed(PACKS), law).version


def document(**changes: Any) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": "some.rule",
        "title": "t",
        "description": "d",
        "severity": "high",
        "outcome": "review",
        "groups": ["rhino"],
        "tests": {"must_hit": [{"title": "a"}], "must_not_hit": [{"title": "b"}]},
    }
    rule.update(changes)
    return {"pack": "p", "version": 1, "title": "t", "rules": [rule]}


def load(raw: str) -> RuleBook:
    return RuleBook([parse_pack(raw, "p.yaml")], load_law())


def test_a_sound_pack_loads() -> None:
    assert len(load(yaml.safe_dump(document())).rules) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"when": "nonsense == 'x'"}, "nonsense", id="unknown name"),
        pytest.param({"when": "sure == 'x'"}, "no matching overload", id="wrong type"),
        pytest.param({"when": "product"}, "no matching overload", id="not a truth value"),
        pytest.param({"when": "product =="}, "Syntax error", id="syntax"),
        pytest.param({"legal_basis": ["no-such-law"]}, "no-such-law", id="unknown provision"),
        pytest.param({"if_unknown": "notify"}, "if_unknown", id="unknown is never yes"),
        pytest.param(
            {"tests": {"must_hit": [{"title": "a"}], "must_not_hit": []}}, "must_not_hit", id="no near miss"
        ),
        pytest.param({"id": "Bad Id"}, "id", id="bad id"),
        pytest.param({"colour": "red"}, "colour", id="unknown field"),
        pytest.param(
            {"exceptions": [{"when": "1 + 'a' == 2", "outcome": "review", "because": "x"}]},
            "some.rule",
            id="bad exception",
        ),
    ],
)
def test_a_broken_rule_is_refused_with_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadPack) as refused:
        load(yaml.safe_dump(document(**changes)))

    assert said in str(refused.value)
    assert "p.yaml" in str(refused.value) or "some.rule" in str(refused.value)


@pytest.mark.parametrize(
    "raw",
    ["", "[]", "pack: [", "a: &a [*a, *a]", "!!python/object/apply:os.system ['true']", "x" * 50],
    ids=["empty", "list", "not yaml", "anchors", "code", "text"],
)
def test_what_is_no_pack_is_refused(raw: str) -> None:
    with pytest.raises(BadPack):
        parse_pack(raw, "p.yaml")


def test_a_huge_pack_is_refused_unread() -> None:
    with pytest.raises(BadPack, match="larger"):
        parse_pack("#" * (PACK_BYTES_LIMIT + 1), "p.yaml")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param("[" * 400_000, "p.yaml:1: nested deeper", id="deep nesting"),
        pytest.param("pack: p\nversion: &v 1\ntitle: *v\n", "p.yaml:3: repeats a part", id="references"),
        pytest.param("pack: p\nversion: [\n", "p.yaml:3: not YAML", id="not closed"),
        pytest.param("pack: p\nversion: 1\ntitle: t\ninclude: p.yaml\nrules: []\n", "p.yaml:", id="import"),
        pytest.param("#" * 10_000_000, "p.yaml:1: larger", id="10 MB"),
    ],
)
def test_what_could_stall_a_worker_is_refused_at_once_with_its_line(raw: str, said: str) -> None:
    began = time.monotonic()

    with pytest.raises(BadPack) as refused:
        parse_pack(raw, "p.yaml")

    assert str(refused.value).startswith(said)
    assert time.monotonic() - began < 1.0


def test_a_pack_cannot_include_another_and_the_line_is_told() -> None:
    raw = yaml.safe_dump(document()) + "include: p.yaml\n"

    with pytest.raises(BadPack) as refused:
        parse_pack(raw, "p.yaml")

    assert str(refused.value) == (f"p.yaml:{raw.count(chr(10))}: at include: Extra inputs are not permitted")


def test_a_condition_that_does_not_type_check_is_told_with_its_line() -> None:
    raw = yaml.safe_dump(document(when="nonsense == 'x'"), sort_keys=False)
    line = next(n for n, text in enumerate(raw.splitlines(), 1) if "when:" in text)

    with pytest.raises(BadPack, match=f"^p.yaml:{line}: pack p, rule some.rule: .*nonsense"):
        load(raw)


def test_a_condition_cannot_stall_a_worker() -> None:
    """CEL has `matches`, by RE2 (linear time), and its loops have a budget."""
    conditions = Conditions()
    facts: dict[str, Any] = {
        name: "a" * 100_000 if of is str else False if of is bool else ["a"] * 40
        for name, of in FACTS.items()
    }
    loops = "true"
    for depth in range(6):
        loops = f"support.all(x{depth}, {loops})"
    began = time.monotonic()

    assert conditions.compile('category.matches("(a+)+$b")')(facts) is False
    with pytest.raises(RuntimeError, match="budget"):
        conditions.compile(loops)(facts)
    assert time.monotonic() - began < 1.0


def test_a_rule_id_may_stand_once() -> None:
    pack = parse_pack(yaml.safe_dump(document()), "p.yaml")

    with pytest.raises(BadPack, match="twice"):
        RuleBook([pack, pack.model_copy(update={"pack": "q"})], load_law())


def test_conditions_know_every_fact_and_nothing_else() -> None:
    conditions = Conditions()
    facts: dict[str, Any] = {n: "" if t is str else False if t is bool else [] for n, t in FACTS.items()}

    assert conditions.compile('product == "" && !sure && support.size() == 0')(facts) is True
    with pytest.raises(BadCondition):
        conditions.compile("price > 3")
