"""Alerts: valid, tested both ways, with runbooks whose commands exist; routes lead where they must."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import catalogue
from tests.deploy.production import refused
from tests.support.prometheus_tools import tool

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = [DEPLOY / "prometheus/recording.yml", DEPLOY / "prometheus/alerts.yml"]
TESTS = sorted((DEPLOY / "prometheus/tests").glob("*.yml"))
RUNBOOKS = sorted((DEPLOY / "runbooks").glob("*.md"))
PAGES = sorted(DEPLOY.rglob("*.md"))
SECTIONS = ["## Meaning", "## How bad", "## First look", "## Mend"]


def rules(kind: str) -> list[dict[str, Any]]:
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text("utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


ALERTS = rules("alert")


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_and_the_rules_are_valid(tmp_path: Path) -> None:
    run(tool("promtool"), "check", "config", DEPLOY / "prometheus/prometheus.yml")
    run(tool("promtool"), "check", "rules", "--lint-fatal", *RULES)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_fire_and_stay_silent_as_written(file: Path) -> None:
    run(tool("promtool"), "test", "rules", file)


def test_each_alert_is_tested_firing_and_silent() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for file in TESTS:
        for case in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            for one in case["alert_rule_test"]:
                (fires if one["exp_alerts"] else silent).add(one["alertname"])
    names = {alert["alert"] for alert in ALERTS}

    assert fires == names
    assert silent == names - {"Watchdog"}


def test_each_alert_says_what_it_is_and_has_a_runbook() -> None:
    assert {alert["labels"]["severity"] for alert in ALERTS} == {"page", "ticket", "none"}
    for alert in ALERTS:
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}, alert["alert"]
        assert alert["annotations"]["runbook_url"] == f"deploy/runbooks/{alert['alert']}.md"
    assert {file.stem for file in RUNBOOKS} == {alert["alert"] for alert in ALERTS}


def test_what_is_asked_for_is_declared() -> None:
    known = catalogue.sample_names()
    recorded = {rule["record"] for rule in rules("record")}
    for rule in [*ALERTS, *rules("record")]:
        asked = set(re.findall(r"(?:[a-z]+:)?takin_[a-z0-9_]+(?::\w+)?|slo:\w+:\w+", rule["expr"]))

        assert asked <= recorded | set(known), rule.get("alert", rule.get("record"))


@pytest.mark.parametrize("file", RUNBOOKS, ids=lambda file: file.stem)
def test_a_runbook_is_one_page_and_begins_with_commands_that_can_be_typed(file: Path) -> None:
    text = file.read_text("utf-8")

    assert [line for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert len(text.splitlines()) <= 45
    typed = commands(text)
    assert typed, "a first look is something to run"
    assert not any("--help" in line for line in typed), (
        "at night nobody puts a command together from its help"
    )
    if file.stem != "Watchdog":
        assert "(../README.md#a-shell-for-an-operator)" in text


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(DEPLOY)))
def test_every_command_of_a_page_would_start(file: Path) -> None:
    text = file.read_text("utf-8")
    wrong = [why for line in commands(text) if (why := refused(words_of(line)))]
    # Within a sentence a command may be named without its arguments, never with an option that it has not.
    wrong += [
        why
        for line in re.findall(r"`(takin [a-z][^`]*)`", text)
        if (why := refused(words_of(line))) and "Missing parameter" not in why
    ]

    assert wrong == []


def commands(text: str) -> list[str]:
    """The lines of a page's blocks that run Takin, with what continues them; lists indent their blocks."""
    blocks = "".join(re.findall(r"^ *```sh\n(.*?)^ *```", text, re.S | re.M)).replace("\\\n", " ")
    return [
        line[line.index("takin ") :]
        for line in blocks.splitlines()
        if re.search(r"(^|[ =])takin [a-z]", line)
    ]


def words_of(line: str) -> list[str]:
    """What follows the name of the command. A number that a page leaves open stands in capitals."""
    return [{"NUMBER": "1"}.get(word, word) for word in shlex.split(line)[1:]]


def test_a_page_with_a_wrong_command_is_found() -> None:
    block = (
        "1. Do\n\n   ```sh\n   K=x takin topics aply\n   takin notices stop --all \\\n     --why x\n   ```\n"
    )

    assert [bool(refused(words_of(line))) for line in commands(block)] == [True, True]
    assert refused(words_of("takin notices resume --all --as 'Ada Example'")) is None
    assert "Missing parameter" in str(refused(words_of("takin notices resume")))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "Watchdog", "severity": "none"}, "dead-mans-switch"),
        ({"alertname": "OutboxStuck", "severity": "page"}, "operator-page"),
        ({"alertname": "ConnectorStale", "severity": "ticket"}, "operator-ticket"),
        ({"alertname": "PlatformMissesDeadlines", "severity": "ticket"}, "enforcement-ticket"),
        ({"alertname": "SomethingNew", "severity": "ticket"}, "operator-ticket"),
    ],
    ids=lambda value: value["alertname"] if isinstance(value, dict) else value,
)
def test_an_alert_goes_to_whom_it_concerns(labels: dict[str, str], receiver: str) -> None:
    file = DEPLOY / "alertmanager/alertmanager.yml"

    told = run(
        tool("amtool"),
        *("config", "routes", "test", f"--config.file={file}", f"--verify.receivers={receiver}"),
        *(f"{name}={value}" for name, value in labels.items()),
    )

    assert told.split() == [receiver]


FAILS = {"alertname": "RuleFails", "severity": "page", "stage": "screening"}
DIE = {"alertname": "DecidersKeepDying", "severity": "page", "instance": "a:1"}


def matches(matchers: list[str], labels: dict[str, str]) -> bool:
    """Whether Alertmanager's matchers of the two forms that our file has hold for these labels."""
    for matcher in matchers:
        name, sign, wanted = re.fullmatch(r'(\w+) (=|=~) "([^"]*)"', matcher).groups()  # type: ignore[union-attr]
        if not re.fullmatch(wanted if sign == "=~" else re.escape(wanted), labels.get(name, "")):
            return False
    return True


@pytest.mark.parametrize(
    ("firing", "told"),
    [
        ([FAILS, DIE], ["DecidersKeepDying"]),
        ([FAILS], ["RuleFails"]),
        ([DIE], ["DecidersKeepDying"]),
        ([{**FAILS, "stage": "notices"}, DIE], ["RuleFails", "DecidersKeepDying"]),
    ],
    ids=["both", "a rule alone", "processes alone", "another stage"],
)
def test_a_record_that_kills_processes_is_one_page(firing: list[dict[str, str]], told: list[str]) -> None:
    file = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text("utf-8"))
    assert all(set(rule) == {"source_matchers", "target_matchers"} for rule in file["inhibit_rules"])

    passed = [
        labels["alertname"]
        for labels in firing
        if not any(
            matches(rule["target_matchers"], labels)
            and any(matches(rule["source_matchers"], other) for other in firing)
            for rule in file["inhibit_rules"]
        )
    ]
    assert passed == told


def test_the_routes_are_valid() -> None:
    assert "SUCCESS" in run(tool("amtool"), "check-config", DEPLOY / "alertmanager/alertmanager.yml")
