"""A file of settings that is not YAML: problem and line are told, and nothing that stands in the line."""

import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.intake_keys import load_keys
from connectors.mailbox import load_mailbox
from connectors.registry import load_platforms
from schemas.errors import OperatorError
from streams.desk.sso.config import load_sso
from streams.notices.sender import load_sender
from streams.privacy.retention import load_table
from streams.sla.regimes import load_regimes

CANARY = "s3cret-canary"
LOADERS = [
    pytest.param(load_platforms, id="platforms"),
    pytest.param(load_keys, id="intake keys"),
    pytest.param(load_mailbox, id="mailbox"),
    pytest.param(load_sso, id="single sign-on"),
    pytest.param(partial(load_sender, reply_base=None), id="sender"),
    pytest.param(load_regimes, id="regimes"),
    pytest.param(load_table, id="retention"),
]
BROKEN = [
    pytest.param(f"{CANARY}: x", ": mapping values are not allowed here.", id="a second colon"),
    pytest.param(f"@{CANARY}", ": found character '@' that cannot start any token.", id="@ at the beginning"),
    pytest.param(f"*{CANARY}", ".", id="* at the beginning"),
    pytest.param(f"!{CANARY} x", ".", id="! at the beginning"),
    pytest.param(f"!{CANARY}!x y", ".", id="! twice"),
    pytest.param(f"!!binary {CANARY}\u00e9", ".", id="no base64"),
    pytest.param(f"}} [{CANARY}", ": expected the node content, but found '}'.", id="a bracket"),
]


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize(("secret", "problem"), BROKEN)
def test_problem_and_line_are_told_and_no_secret(
    load: Callable[[Path], object], secret: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"one: 1\nsecret: {secret}\n", encoding="utf-8")

    with pytest.raises(OperatorError) as refused:
        load(file)

    assert str(refused.value).endswith(f"settings.yaml is not YAML, line 2{problem}")
    assert CANARY not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2026-02-30", ": day is out of range for month."),
        ("2026-01-01T25:00:00Z", ": hour must be in 0..23."),
        (f"!!int {CANARY}", "."),
        (f"!!float {CANARY}", "."),
        (f"!!timestamp {CANARY}", ": a value is not what its tag says."),
        (f"!!bool {CANARY}", ": a value is not what its tag says."),
        ("!!int ''", ": a value is not what its tag says."),
        ("!!float ''", ": a value is not what its tag says."),
    ],
    ids=[
        "no such day",
        "no such hour",
        "no whole number",
        "no number",
        "no time",
        "not yes or no",
        "nothing",
        "none",
    ],
)
def test_a_value_that_cannot_be_is_told_by_its_line(
    load: Callable[[Path], object], value: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"one: 1\ntwo:\n- since: {value}\n", encoding="utf-8")

    with pytest.raises(OperatorError) as refused:
        load(file)

    assert str(refused.value).endswith(f"settings.yaml is not YAML, line 3{problem}")
    assert CANARY not in "".join(traceback.format_exception(refused.value))


def test_a_file_that_is_nested_without_end_is_told(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("[" * 5_000, encoding="utf-8")

    with pytest.raises(OperatorError, match=r"is not YAML: it is nested too deeply\.$"):
        load_platforms(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the file is written anew
@given(before=st.text("@*!&%|>'\"\\\\#:[{,- \tx", max_size=8), after=st.text(max_size=4))
def test_no_way_of_writing_a_secret_tells_it(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"secret: {before}{CANARY}{after}\n", encoding="utf-8", errors="replace")

    with pytest.raises(OperatorError) as refused:
        load_platforms(file)

    assert CANARY not in "".join(traceback.format_exception(refused.value))
