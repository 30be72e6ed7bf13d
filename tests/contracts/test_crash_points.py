"""A sender or receiver that is killed anywhere loses nothing and does nothing twice."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streams.notices.casebook.database import Casebook
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]


def crash(runs: int, seconds: float, *where: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.crash_points", "--runs", str(runs), *where],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds,
        check=True,
    )
    print(done.stdout)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def holds(told: dict[str, Any], runs: int) -> None:
    assert told["wrong"] == []
    # The platform's journal: each notice had one effect there, and no try was needed beyond one a death.
    assert told["effects"] == told["notices"]
    assert told["deaths"] == told["runs"] == 23 * runs
    # Seven runs or more of each: one notice, one about several listings, several notices at once.
    assert len(told["shapes"]) == 3
    assert min(told["shapes"].values()) >= 7 * runs
    assert told["notices"] <= told["deliveries"] <= 2 * told["notices"]


def test_a_death_at_each_point_changes_nothing_on_sqlite(tmp_path: Path) -> None:
    holds(crash(1, 240, "--folder", str(tmp_path)), 1)


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_hundred_deaths_at_each_point_change_nothing(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = ["--folder", str(tmp_path)]
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        prepared = server.template("casebook", lambda address: Casebook.open(address).close())
        where = ["--database", server.fresh_database(prepared)]

    holds(crash(100, 3_500, *where), 100)
