"""Dashboards: generated, committed, and held to the rules of Grafana's dashboard linter."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy import catalogue
from deploy.grafana.boards import BOARDS
from tests.support.queries import Asked, asked, promtool_accepts

FOLDER = Path(__file__).parents[2] / "deploy/grafana/dashboards"
FILES = sorted(FOLDER.glob("*.json"))
UNITS = {"short", "s", "percentunit", "cps", "reqps"}


def board(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return document


def test_there_is_a_file_for_each_board_and_no_other() -> None:
    assert [file.stem for file in FILES] == sorted(one.uid for one in BOARDS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_is_whole(file: Path) -> None:
    document = board(file)
    variables = {one["name"]: one for one in document["templating"]["list"]}

    assert document["uid"] == file.stem
    assert len(document["uid"]) <= 40
    assert document["schemaVersion"] == 41
    assert document["editable"] is False
    assert {"datasource", "job", "instance", "runbooks"} <= variables.keys()
    for name in ("job", "instance"):
        assert variables[name]["multi"]
        assert variables[name]["allValue"] == ".+"
    assert variables["datasource"]["query"] == "prometheus"
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_panel_says_what_it_shows_and_where_to_go(file: Path) -> None:
    for panel in board(file)["panels"]:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"]["uid"] == "$datasource", panel["title"]
        assert panel["targets"], panel["title"]
        (link,) = panel["links"]
        runbook = link["url"].removeprefix("${runbooks}/")
        assert (FOLDER.parents[1] / "runbooks" / runbook).is_file(), link["url"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_fill_the_grid_without_overlap(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board(file)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


ASKED = [one for file in FILES for one in asked(board(file))]


@pytest.mark.parametrize("one", ASKED, ids=str)
def test_a_query_is_narrowed_by_job_and_instance_and_knows_its_metric(one: Asked) -> None:
    known = catalogue.sample_names()
    selectors = re.findall(r"(\w+)\{([^}]*)\}", one.text)

    assert selectors
    for name, matchers in selectors:
        assert name == "up" or name in known, name
        assert 'job=~"$job"' in matchers
        assert 'instance=~"$instance"' in matchers
    for function in re.findall(r"\b(?:rate|increase)\((\w+)", one.text):
        assert known[function].kind in ("counter", "histogram"), function
    for window in re.findall(r"rate\([^\[]*\[([^\]]+)\]", one.text):
        assert window == "$__rate_interval"


def test_promtool_can_read_every_query(tmp_path: Path) -> None:
    promtool_accepts([one.concrete() for one in ASKED], tmp_path)


def test_every_metric_is_shown_or_alerted_on() -> None:
    root = FOLDER.parents[1]
    texts = [one.text for one in ASKED]
    texts += [file.read_text("utf-8") for file in (root / "prometheus").glob("*.yml")]
    used = set(re.findall(r"takin_\w+", " ".join(texts)))

    idle = [m.name for m in catalogue.by_name().values() if not used & set(m.samples)]
    assert idle == []


def test_boards_are_told_apart() -> None:
    titles = sorted(one.title for one in BOARDS)

    assert all(first != second for first, second in pairwise(titles))
