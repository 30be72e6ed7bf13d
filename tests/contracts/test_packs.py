"""One suite for every rule pack, and for what the loader refuses."""

from functools import cache
from typing import Any

import pytest
import yaml

from streams.screening.conditions import FACTS, BadCondition, Conditions
from streams.screening.law import load_law
from streams.screening.pack_tests import run_pack_tests
from streams.screening.rules import PACK_BYTES_LIMIT, BadPack, Pack, RuleBook, packaged_packs, parse_pack
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
