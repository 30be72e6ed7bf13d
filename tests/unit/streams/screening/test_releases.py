"""Released packs: what they replace, what refuses them, and what a shadow pack may not do."""

import dataclasses
import hashlib
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
import yaml

from schemas.watchlist import PACK_BYTES, RulePackRelease, pack_key, read_watchlist_message
from streams.screening.decode import Rejected
from streams.screening.pack_file import BadPack
from streams.screening.pack_folder import packaged_packs
from streams.screening.release_commands import check, standing
from streams.screening.releases import judged
from streams.screening.screener import ScreeningRuleset, build_ruleset
from streams.screening.verdict import RuleFailed
from streams.screening.watchlist import read_change
from tests.unit.streams.screening.test_screener import listing

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@cache
def built_in() -> ScreeningRuleset:
    return build_ruleset()


def pack_text(name: str = "bangles", version: int = 1, **changes: Any) -> str:
    rule: dict[str, Any] = {
        "id": "bangles.offered",
        "title": "An ivory bangle is offered",
        "description": "Bangles are the commonest worked ivory in parcels.",
        "severity": "high",
        "outcome": "review",
        "groups": ["elephant"],
        "when": 'product == "ivory"',
        "tests": {
            "must_hit": [{"title": "Hand carved elephant ivory bangle, 52 g"}],
            "must_not_hit": [{"title": "Faux ivory resin bangle"}],
        },
        **changes,
    }
    return yaml.safe_dump({"pack": name, "version": version, "title": name, "rules": [rule]})


def release(text: str = "", **changes: Any) -> RulePackRelease:
    text = text or pack_text(changes.get("pack", "bangles"), changes.get("version", 1))
    return RulePackRelease.model_validate(
        {
            "pack": "bangles",
            "version": 1,
            "text": text,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "released_by": "tests",
            "released_at": NOW,
            **changes,
        }
    )


def under(*releases: RulePackRelease) -> ScreeningRuleset:
    return built_in().with_packs({one.key: one for one in releases})


def packs_of(ruleset: ScreeningRuleset) -> set[tuple[str, int, bool]]:
    return {(pack.pack, pack.version, pack.shadow) for pack in ruleset.rules.packs}


BUILT_IN = {(pack.pack, pack.version, pack.shadow) for pack in packaged_packs()}


def test_a_release_adds_a_pack_and_changes_the_version_of_the_rule_set() -> None:
    added = under(release())

    assert packs_of(added) == BUILT_IN | {("bangles", 1, False)}
    assert added.screener({}).version != built_in().screener({}).version
    assert under().screener({}).version == built_in().screener({}).version


def test_under_the_name_of_a_built_in_pack_it_stands_in_for_it_until_retired() -> None:
    own = release(pack_text("zero-tolerance", 9), pack="zero-tolerance", version=9)
    offered = listing("Hand carved elephant ivory netsuke, 52 g")

    assert packs_of(under(own)) == BUILT_IN - {("zero-tolerance", 1, False)} | {("zero-tolerance", 9, False)}
    assert under(own).screener({}).screen(offered, NOW).outcome == "review"
    retired = own.model_copy(update={"state": "retired"})
    assert under(retired).screener({}).version == built_in().screener({}).version


def test_a_shadow_release_runs_beside_what_is_in_force_and_changes_nothing() -> None:
    candidate = release(pack_text("zero-tolerance", 9), pack="zero-tolerance", version=9, state="shadow")
    offered = listing("Hand carved elephant ivory netsuke, 52 g")
    before = built_in().screener({}).screen(offered, NOW)
    after = under(candidate).screener({}).screen(offered, NOW)

    assert packs_of(under(candidate)) == BUILT_IN | {("zero-tolerance", 9, True)}
    assert (after.outcome, after.severity, after.score) == (before.outcome, before.severity, before.score)
    assert (after.taxon, after.matches, after.explanation) == (
        before.taxon,
        before.matches,
        before.explanation,
    )
    assert [one for one in after.rules if not one.shadow] == list(before.rules)
    assert [(one.pack, one.rule_id) for one in after.rules if one.shadow] == [
        ("zero-tolerance@9", "bangles.offered")
    ]


def test_a_shadow_finding_on_another_part_of_the_listing_lends_no_evidence() -> None:
    text = pack_text("wide", id="wide.rule", groups=["*"], when="true")
    offered = listing("Hand carved elephant ivory netsuke, 52 g", "Also for sale: shark tooth necklace")
    before = built_in().screener({}).screen(offered, NOW)
    after = under(release(text, pack="wide", state="shadow")).screener({}).screen(offered, NOW)

    assert len([one for one in after.rules if one.shadow]) == 2
    assert dataclasses.replace(after, rules=before.rules) == before


def test_a_shadow_rule_that_fails_sets_no_listing_aside() -> None:
    text = pack_text(when='product == "ivory" && support[0] != ""')
    bare = listing("Elephant ivory")
    assert built_in().screener({}).screen(bare, NOW).outcome != "clear"

    under(release(text, state="shadow")).screener({}).screen(bare, NOW)
    with pytest.raises(RuleFailed, match=r"bangles\.offered"):
        under(release(text)).screener({}).screen(bare, NOW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(pack_text(when="nonsense"), "bangles.yaml:", id="unknown name in CEL"),
        pytest.param(pack_text(legal_basis=["no-such-law"]), "no provision", id="unknown law"),
        pytest.param(
            pack_text(tests={"must_hit": [{"title": "A cloud lamp"}], "must_not_hit": [{"title": "A mug"}]}),
            "'A cloud lamp' must hit with review",
            id="its own example does not hit",
        ),
        pytest.param(
            pack_text(
                tests={
                    "must_hit": [{"title": "Elephant ivory netsuke 52 g"}],
                    "must_not_hit": [{"title": "Elephant ivory comb 30 g"}],
                }
            ),
            "must not hit",
            id="its own near miss hits",
        ),
        pytest.param(
            pack_text(when='category.matches("(")'), "cannot be judged", id="a pattern that is none"
        ),
        pytest.param(pack_text("other"), "the text is other@1", id="another name"),
        pytest.param(pack_text(id="elephant-ivory.offered"), "stands twice", id="an id that is taken"),
    ],
)
def test_a_pack_that_cannot_be_trusted_is_refused_with_file_and_line(text: str, said: str) -> None:
    with pytest.raises(BadPack) as refused:
        under(release(text))

    assert said in str(refused.value)
    assert str(refused.value).split(":")[1].isdigit()


@pytest.mark.parametrize("changes", [{"text": "x" * (PACK_BYTES + 1)}, {"sha256": "0" * 64}, {"text": ""}])
def test_a_release_that_is_not_whole_is_no_message(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="text"):
        release().model_validate({**release().model_dump(), **changes})


def test_records_of_the_topic_are_told_apart_by_type_and_key() -> None:
    one = release()

    assert read_watchlist_message(one.to_bytes()) == one
    assert read_change(b"pack:bangles", one.to_bytes()) == one
    for key in (b"pack:other", b"bangles", b"pack:bangles:shadow"):
        refused = read_change(key, one.to_bytes())
        assert isinstance(refused, Rejected)
        assert "pack:bangles" in refused.sentence


def test_a_version_is_told_once() -> None:
    there = {one.key: one for one in [release()]}

    check(built_in(), release(), there)
    with pytest.raises(Exception, match="raise its version"):
        check(built_in(), release(pack_text(title="Another")), there)


def test_a_pack_under_a_built_in_name_needs_a_higher_version() -> None:
    own = release(pack_text("zero-tolerance", 1), pack="zero-tolerance", version=1)

    with pytest.raises(Exception, match="zero-tolerance@1 comes with Takin"):
        check(built_in(), own, {})


def test_the_status_tells_what_is_in_force_replaced_and_refused() -> None:
    own = release(pack_text("zero-tolerance", 9), pack="zero-tolerance", version=9)
    bad = release(pack_text("bad", when="nonsense"), pack="bad")
    there = {one.key: one for one in (own, bad, release(pack_text(), state="shadow"))}

    rows = {(row["pack"], row["version"]): row["state"] for row in standing(built_in(), there)}

    assert rows == {
        ("appendix-two", 5): "built-in",
        ("zero-tolerance", 1): "built-in, replaced",
        ("zero-tolerance", 9): "active",
        ("bad", 1): "refused",
        ("bangles", 1): "shadow",
    }
    assert [one.key for one in judged(built_in(), there) if one.refused] == [pack_key("bad")]
