"""Reports that partners push: before a person once, however many; SQLite and PostgreSQL."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connectors.intake import CannotSay
from schemas.report import Report
from streams.connect.intake_process import CasebookAsked
from streams.notices.casebook import filed, offsets, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import Viewer
from streams.notices.intake import Batch, Record, take_reports
from tests.support.fresh import fresh_url
from tests.support.notices import T0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_url(request, tmp_path)


@pytest.fixture
def casebook(url: str) -> Iterator[Casebook]:
    with closing(Casebook.open(url, migrate=False)) as book:
        yield book


def pushed(number: int, **changes: Any) -> Report:
    values = {
        "report_id": f"r_{number:020}",
        "received_at": T0,
        "reporter": {"kind": "officer"},
        "url": f"https://market.example/{number}",
        "what": "A tusk.",
        "through": "Example Police",
    }
    return Report.model_validate(values | changes)


def filing(casebook: Casebook, reports: Sequence[Report], *, moves: tuple[int | None, int]) -> int:
    batch = Batch(tuple((Record(0, at, None, b""), one) for at, one in enumerate(reports)), {0: moves})
    return casebook.decide(take_reports, batch, now=T0).count("filed")


def test_pushed_reports_come_before_a_person_once_however_many_there_are(casebook: Casebook) -> None:
    many = [pushed(number) for number in range(320)]
    many.append(pushed(999, url="https://market.example/\0x"))

    assert filing(casebook, many, moves=(None, 321)) == 321
    assert filing(casebook, many[:5], moves=(321, 326)) == 0
    with pytest.raises(offsets.OffsetTaken):
        filing(casebook, [pushed(1_000)], moves=(321, 322))

    analyst = Viewer("a", "ada", "Ada", "analyst")
    assert casebook.answer(filed.count_waiting, analyst) == 321
    assert casebook.answer(offsets.next_offsets, "reports") == {0: 326}
    assert casebook.answer(sealing.verify).breaks == ()
    # The public has its own allowance.
    form = pushed(2_000, through=None)
    assert casebook.decide(filed.file, form, origin="o", allowance=filed.Allowance(), now=T0)


async def test_a_report_is_followed_by_the_organisation_that_filed_it(casebook: Casebook, url: str) -> None:
    filing(casebook, [pushed(1)], moves=(None, 1))
    report_id = pushed(1).report_id

    with closing(CasebookAsked(url)) as asked:
        assert await asked.follow(report_id, "Example Police") == filed.Followed(T0, "received")
        assert await asked.follow(report_id, "Example Trust") is None
        assert await asked.follow(pushed(2).report_id, "Example Police") is None
        casebook.decide(filed.decide, report_id, "dismissed", by="ada", reason="nothing in it", now=T0)
        assert await asked.follow(report_id, "Example Police") == filed.Followed(T0, "closed")


async def test_without_the_casebook_nothing_is_said_of_a_report(tmp_path: Path) -> None:
    with closing(CasebookAsked(f"sqlite:///{tmp_path / 'nowhere' / 'casebook.db'}")) as asked:
        (tmp_path / "nowhere").write_text("a file where the folder should be")
        with pytest.raises(CannotSay):
            await asked.follow("r_" + "A" * 20, "Example Police")
