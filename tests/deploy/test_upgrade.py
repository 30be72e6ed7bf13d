"""Parts of the upgrade drill; the drill itself takes minutes and an earlier commit: `make upgrade-drill`."""

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.topics import CATALOGUE
from streams.local.service import Service
from tests.faults.upgrade_drill import MARKS, ROLLED, second, standing_in, written

PAGE = Path(__file__).parents[2] / "deploy/upgrade.md"
PROCESSES = {"notices": "notices", "auditor": "auditor", "screening": "screening", "connectors": "connect"}
"""Name in the catalogue, and in the drill. The desk reads listings too, but only to try rules over them."""


def test_a_process_runs_the_code_of_the_tree_that_is_named_when_it_starts(tmp_path: Path) -> None:
    where = tmp_path / "one.tree"
    argv = standing_in((sys.executable, "-m", "streams.cli", "a word"), where)
    for name in ("before", "after"):
        package = tmp_path / name / "streams"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "cli.py").write_text(f"import sys; print({name!r}, sys.argv[1:])")
        where.write_text(str(tmp_path / name))

        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout

        assert said == f"{name} ['a word']\n"


def test_the_second_of_a_kind_has_ports_of_its_own() -> None:
    first = Service("notices", ("takin", "--port", "81", "--metrics-port", "82"), ready="http://h:82/health")

    other = second(first, "notices-2", {"81": 91, "82": 92})

    assert other.argv == ("takin", "--port", "91", "--metrics-port", "92")
    assert (other.name, other.ready) == ("notices-2", "http://h:92/health")


def test_who_reads_is_replaced_before_who_writes() -> None:
    for topic in CATALOGUE:
        readers = [ROLLED.index(PROCESSES[one]) for one in topic.consumers if one in PROCESSES]
        writers = [ROLLED.index(PROCESSES[one]) for one in topic.producers if one in PROCESSES]
        before = [reader for reader in readers if reader not in writers]
        after = [writer for writer in writers if writer not in readers]
        if before and after:
            assert max(before) < min(after), topic.name
    order = [ROLLED.index(one) for one in ("auditor", "screening", "connect", "desk")]
    assert order == sorted(order)


def test_what_came_of_a_drill_stands_in_its_place_on_the_page() -> None:
    page = PAGE.read_text("utf-8")
    text = f"{MARKS[0]}\n**Held.**\n{MARKS[1]}"

    again = written(written(page, text), text)

    assert again.count("**Held.**") == again.count(MARKS[0]) == again.count(MARKS[1]) == 1
    assert again.startswith("# Upgrade without a stop")
    with pytest.raises(ValueError, match="no place"):
        written("# Another page", text)
