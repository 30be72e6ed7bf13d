"""The page of the week's sample says what the command says, to the digit."""

import json
import re
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from streams.cli import app as command
from streams.notices.casebook import sampling
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.sampling import Verdict
from streams.reports.quality import by_rule
from tests.support.desk import NOW, Browser, Filled

WEEK = sampling.week_of(NOW - sampling.WEEK)


def verdict(right: bool, *rules: str, automatic: bool = True) -> Verdict:
    return Verdict("n", WEEK.name, right, "why", "Ada", NOW, automatic, rules)


def test_each_rule_and_kind_is_counted_with_wilsons_interval() -> None:
    lines = by_rule(
        [
            *[verdict(True, "ivory")] * 8,
            *[verdict(False, "ivory", "horn")] * 2,
            verdict(True, "horn", automatic=False),
        ]
    )

    assert [(one.rule, one.kind, *one.words) for one in lines] == [
        # By hand, z = 1.959964: 9 of 11, 1 of 1, 8 of 10, 1 of 3, 0 of 2.
        ("all", "all", "11", "9", "81.8%", "52.3%", "94.9%"),
        ("all", "approved", "1", "1", "100.0%", "20.7%", "100.0%"),
        ("all", "automatic", "10", "8", "80.0%", "49.0%", "94.3%"),
        ("horn", "all", "3", "1", "33.3%", "6.1%", "79.2%"),
        ("horn", "approved", "1", "1", "100.0%", "20.7%", "100.0%"),
        ("horn", "automatic", "2", "0", "0.0%", "0.0%", "65.8%"),
        ("ivory", "all", "10", "8", "80.0%", "49.0%", "94.3%"),
        ("ivory", "automatic", "10", "8", "80.0%", "49.0%", "94.3%"),
    ]


async def test_a_sample_is_judged_on_the_page_and_the_command_counts_the_same(
    app: FastAPI, casebook: Casebook, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(app, casebook, "analyst")
    this = sampling.week_of(NOW)
    with casebook.write() as tx:
        # What was written this week was written a week ago.
        tx.exec_driver_sql("UPDATE notice SET queued_at = queued_at - 604800000000")
    page = (await browser.get("/quality")).text
    forms = re.findall(r'action="(/quality/[^"]+)"', page)

    answers = [
        await browser.post(one, {"verdict": "wrong" if place == 0 else "right", "reason": "<i>seen</i>"})
        for place, one in enumerate(forms[:3])
    ]
    unsaid = await browser.post(forms[3], {"reason": "x"})
    again = await browser.post(forms[0], {"verdict": "right", "reason": "x"})
    page = (await browser.get("/quality")).text

    assert len(forms) == 8
    assert forms[0].startswith(f"/quality/{WEEK.name}/")
    assert [answer.status_code for answer in answers] == [303] * 3
    assert (unsaid.status_code, again.status_code) == (422, 422)
    assert "<i>seen" not in page
    assert (await browser.get(f"/quality?week={this.name}")).status_code == 422
    monkeypatch.setenv("DATABASE_URL", str(casebook.engine.url).replace("+pysqlite", ""))
    since = (NOW - timedelta(days=1)).date()
    weeks = str((datetime.now(NOW.tzinfo).date() - since).days // 7 + 1)
    told = CliRunner().invoke(command, ["report", "quality", "--weeks", weeks])
    rows = re.findall(r'<th scope="row">([^<]+)</th><td>(\w+)</td>' + "<td>([^<]+)</td>" * 5, page)
    assert [(rule, kind, looked, right) for rule, kind, looked, right, *_ in rows] == [
        ("all", "all", "3", "2"),
        ("all", "automatic", "3", "2"),
        ("ivory", "all", "3", "2"),
        ("ivory", "automatic", "3", "2"),
    ]
    said = [re.split(r"\s+(?:of|to)?\s*", line.strip()) for line in told.output.splitlines()]
    assert said == [
        [rule, kind, right, looked, share, low, high] for rule, kind, looked, right, share, low, high in rows
    ]
    as_json = CliRunner().invoke(command, ["report", "quality", "--weeks", weeks, "--json"])
    assert json.loads(as_json.output.splitlines()[0])["interval"] == pytest.approx([0.2077, 0.9385], abs=1e-4)
