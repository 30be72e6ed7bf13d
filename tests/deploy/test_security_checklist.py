"""The checklist has every line, and names only what is there."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (\d+) \| (.*?) \| (.*) \|$", (ROOT / "deploy/security-checklist.md").read_text("utf-8"), re.M
)
FILE = re.compile(r"`((?:tests|deploy|requirements|streams|schemas)/[\w./-]+|pyproject\.toml)`")


def test_no_line_is_left_out() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 26))


@pytest.mark.parametrize(("number", "held"), [(number, held) for number, _, held in ROWS])
def test_a_line_names_what_holds_it_or_is_open(number: str, held: str) -> None:
    files = FILE.findall(held)

    assert files or "*open*" in held.lower(), number
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_grafana_asks_for_a_login_and_has_no_password_of_its_own() -> None:
    services = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text("utf-8"))["services"]
    environment = services["grafana"]["environment"]

    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith("/run/secrets/")
