"""The page of measurements says what was measured, and nothing was written into it by hand."""

import json
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import psutil
import pytest

from tests.bench import page
from tests.bench.others import Others
from tests.bench.systems import Found, Round, lines


def test_page_and_plot_are_what_the_kept_figures_make() -> None:
    kept = json.loads(page.KEPT.read_text("utf-8"))

    assert page.PAGE.read_text("utf-8") == page.page(kept)
    assert page.PLOT.read_text("utf-8") == page.plot(kept["systems"][1:])


def test_the_page_compares_with_all_that_was_promised() -> None:
    kept = json.loads(page.KEPT.read_text("utf-8"))

    assert {one["system"] for one in kept["systems"][1:]} == set(page.WHAT)
    assert all(one["events_per_s"] > 0 and one["detections_timed"] > 0 for one in kept["systems"][1:])


def test_a_ratio_is_of_rounds_that_ran_side_by_side() -> None:
    slow, fast = Round(100.0, 8.0, 50.0, 1.0), Round(400.0, 2.0, 50.0, 1.0)
    found = {"plain": Found([slow, fast]), "takin": Found([slow, fast], [3.0, 1.0, 2.0])}

    plain, takin = lines(found)

    assert takin["ratios"] == [1.0, 1.0]
    assert takin["ratio"] == 1.0
    assert takin["cpu_ratio"] == 1.0
    assert (takin["p50_ms"], takin["p99_ms"]) == (2.0, 2.0)
    assert plain["p50_ms"] is None


@pytest.mark.parametrize(
    ("others", "busy", "kept"),
    [
        ([0.02], False, True),
        ([0.02, 0.15], False, True),
        ([0.02, 0.16], False, False),
        ([1.6], False, False),
        ([0.02, 1.6], True, True),
    ],
)
def test_what_was_measured_beside_other_work_is_kept_off_the_page_unless_that_is_said(
    others: list[float], busy: bool, kept: bool
) -> None:
    why = page.why_not(others, busy=busy)

    assert (why is None) == kept
    if why:
        assert f"{max(others):.2f} cores" in why
        assert "--busy" in why


def test_a_page_of_a_busy_machine_says_so_on_top() -> None:
    kept = json.loads(page.KEPT.read_text("utf-8"))
    about, *systems = kept["systems"]

    def made(others: float) -> str:
        return page.page({"systems": [about, *({**one, "others": [others]} for one in systems)]})

    assert "busy machine" not in made(0.15)
    top = made(1.2).partition("## Beside others")[0]
    assert "busy machine: something else kept up to 1.20 cores" in top


def test_what_a_process_of_ours_takes_is_not_counted_as_others() -> None:
    others = Others()
    spin = "import time\nwhile time.process_time() < 0.9: pass\ntime.sleep(60)"
    ours = subprocess.Popen([sys.executable, "-c", spin])
    try:
        while sum(psutil.Process(ours.pid).cpu_times()[:2]) < 0.6:
            time.sleep(0.02)
        beside_ours = others.took_s()
    finally:
        ours.kill()
        ours.wait()

    # Nobody's any more: so much is seen where it is not ours.
    assert others.took_s() - beside_ours >= 0.5


def test_without_the_plain_loop_there_is_no_ratio() -> None:
    (only,) = lines({"takin": Found([Round(100.0, 8.0, 50.0, 1.0)])})

    assert only["ratio"] is None


def test_a_name_cannot_break_the_plot() -> None:
    one = {"system": "<b>&", "events_per_s": 10, "cpu_s_per_100k": 1.5}

    drawn = ET.fromstring(page.plot([one]))

    assert "<b>&" in {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}


def test_figures_take_the_place_of_the_last_of_their_kind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page, "KEPT", tmp_path / "kept.json")

    page.keep("growth", {"rows": [1]})
    page.keep("systems", [{"a": 1}])
    page.keep("growth", {"rows": [2]})

    assert json.loads((tmp_path / "kept.json").read_text()) == {
        "growth": {"rows": [2]},
        "systems": [{"a": 1}],
    }
