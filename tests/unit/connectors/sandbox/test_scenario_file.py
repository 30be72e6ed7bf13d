from pathlib import Path

import pytest

from connectors.sandbox.scenario_file import BUILT_IN, built_in_scenarios, load_scenario, parse_scenario
from schemas.errors import OperatorError
from tests.unit.connectors.sandbox.desk_client import SECRET

WHOLE = f"""description: a test
platforms:
  - name: shop
    secret: {SECRET}
    temper:
      - do: prompt
        after_s: 1
    answers:
      copies: 2
"""


def mistake(text: str) -> str:
    with pytest.raises(OperatorError) as caught:
        parse_scenario(text, source="my.yaml")
    return str(caught.value)


@pytest.mark.parametrize(("name", "description"), list(built_in_scenarios()), ids=lambda value: value[:12])
def test_built_in_scenarios_load_and_say_what_they_are(name: str, description: str) -> None:
    assert load_scenario(name).platforms
    assert description


def test_the_demo_has_the_tempers_it_promises() -> None:
    demo = load_scenario("demo")

    kinds = {rule.do for platform in demo.platforms for rule in platform.temper}
    assert {"prompt", "slow", "needs_information", "says_removed_and_isnt", "relists", "silent"} <= kinds
    assert len({platform.outgoing_secrets for platform in demo.platforms}) == len(demo.platforms)
    assert any(platform.trouble for platform in demo.platforms)


def test_calm_has_three_prompt_platforms() -> None:
    assert [rule.do for platform in load_scenario("calm").platforms for rule in platform.temper] == [
        "prompt"
    ] * 3


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("after_s: 1", "after_s: -1", ["line 7", "platforms[0].temper[0].after_s", "greater than or equal"]),
        ("after_s: 1", "afters: 1", ["line 7", "platforms[0].temper[0].afters", "not a field"]),
        ("do: prompt", "do: prmpt", ["line 6", "temper[0]", "`prmpt` is not known", "prompt, "]),
        ("do: prompt", "do: down", ["line 6", "`down` belongs under `trouble`"]),
        ("do: prompt", "name: x", ["line 6", "has no `do`"]),
        ("copies: 2", "copies: many", ["line 9", "platforms[0].answers.copies", "'many'"]),
        ("name: shop", "name: Shop!", ["line 3", "platforms[0].name"]),
        (f"secret: {SECRET}", "secret: hush", ["line 4", "platforms[0].secret", "whsec_"]),
        (f"secret: {SECRET}", "secret: whsec_AAAA", ["line 4", "24 to 64 bytes"]),
        (f"secret: {SECRET}", "port: 80", ["line 3", "platforms[0]", "secret"]),
        ("description: a test", "speed: 0", ["line 1", "speed", "greater than 0"]),
        ("      copies: 2", "      copies: 2\n      copies: 3", ["line 10", "`copies`", "second time"]),
        ("    answers:", "   answers: [", ["line ", "not YAML"]),
        ("description: a test", "x: !!python/object:os.system {}", ["not YAML"]),
    ],
)
def test_a_mistake_is_told_with_its_line_and_field(old: str, new: str, expected: list[str]) -> None:
    told = mistake(WHOLE.replace(old, new, 1))

    assert told.startswith("my.yaml")
    for part in expected:
        assert part in told


def test_a_secret_is_not_repeated_in_a_message() -> None:
    assert "hush" not in mistake(WHOLE.replace(SECRET, "hush"))


def test_all_mistakes_are_told_at_once() -> None:
    told = mistake(WHOLE.replace("after_s: 1", "after_s: x").replace("copies: 2", "copies: 0"))

    assert len(told.splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "mapping"),
        ("- a\n- b\n", "mapping"),
        ("platforms: []\n", "platforms"),
        (f"{WHOLE}  - name: shop\n    secret: {SECRET}\n", "two platforms are called shop"),
        (WHOLE + "    trouble: [{do: flaky}]\n", "either `every`"),
        (WHOLE + "    trouble: [{do: down, for_s: 2, every_s: 1}]\n", "never up"),
        (WHOLE + "    trouble: [{do: down, for_s: 2, how: refuse, where: desk}]\n", "leave out `where`"),
    ],
)
def test_what_cannot_be_is_refused(text: str, expected: str) -> None:
    assert expected in mistake(text)


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(OperatorError, match=r"no scenario nosuch.*calm, demo, hostile"):
        load_scenario("nosuch")


def test_a_name_cannot_leave_the_folder_of_scenarios() -> None:
    with pytest.raises(OperatorError, match="no scenario"):
        load_scenario("../scenarios/demo")


def test_a_file_wins_and_must_be_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(WHOLE)
    assert load_scenario(path).description == "a test"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(OperatorError, match="UTF-8"):
        load_scenario(path)


def test_the_built_in_files_have_comments_for_a_reader() -> None:
    for path in BUILT_IN.glob("*.yaml"):
        assert path.read_text().startswith("# ")
