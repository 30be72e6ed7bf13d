"""What is older than it may get ends, and nothing else does: on SQLite and on PostgreSQL."""

from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from schemas.errors import OperatorError
from streams.cli import main
from streams.notices import acts, handlers
from streams.notices.casebook import accounts, figures, filed, inbox, legal_holds, sealing
from streams.notices.casebook import tables as t
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.viewer import Viewer
from streams.privacy import retention
from streams.privacy.keys import PrivacyKeys
from tests.support.erasable import DESK, LONG, finished_case, make_report, where_named
from tests.support.notices import T0, at, make_detection
from tests.support.postgres import PostgresServer

KEYS = PrivacyKeys((b"k" * 32,))
RULES = retention.load_table()
ADA = Viewer("a1", "ada", "Ada", "analyst")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def casebook(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Casebook]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'casebook.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database(
            server.template("casebook", lambda address: Casebook.open(address).close())
        )
    book = Casebook.open(url)
    yield book
    book.close()


def run(casebook: Casebook, now: datetime) -> list[retention.Piece]:
    return list(retention.run(casebook, RULES, KEYS, by="the job", clock=lambda: now))


def due(casebook: Casebook, now: datetime) -> dict[str, int]:
    found = casebook.answer(retention.due, RULES, now=now)
    return {one.rule.what: one.count for one in found if one.count}


def dismissed(casebook: Casebook, number: str) -> str:
    detection = make_detection(f"canary-{number}", outcome="review")
    taken = casebook.decide(handlers.take_detection, detection, DESK, now=T0)
    assert taken.case_id is not None
    casebook.decide(acts.dismiss, taken.case_id, by="Ada", reason="canary", now=at(5))
    return taken.case_id


def everything(casebook: Casebook) -> None:
    finished_case(casebook)
    dismissed(casebook, "d")
    report = make_report("7")
    casebook.decide(filed.keep, report, now=at(1))
    casebook.decide(filed.decide, report.report_id, "dismissed", by="ada", reason="canary", now=at(2))
    casebook.decide(
        inbox.store,
        platform="market",
        channel="webhook",
        source_id="s",
        received_at=at(1),
        body=b"canary",
        headers={"X": "canary"},
    )
    [one] = [one for one in casebook.answer(inbox.new, limit=9) if one.source_id == "s"]
    casebook.decide(
        inbox.finish, one.inbox_id, state="quarantined", reason="unreadable", detail="canary", now=at(2)
    )
    casebook.decide(accounts.log_access, ADA, act="case", subject="canary", now=at(3))


def test_each_kind_ends_when_its_time_is_over_and_not_before(casebook: Casebook) -> None:
    everything(casebook)
    before = casebook.answer(figures.item_facts)
    days = {rule.what: rule.keep_days for rule in RULES}
    ends = {what: at(10) + timedelta(days=days[what]) for what in days}
    ends["cases"] += timedelta(seconds=LONG)
    gone: set[str] = set()
    for when in sorted(set(ends.values())):
        ending = {what for what, its in ends.items() if its == when}
        assert not ending & due(casebook, when - timedelta(days=1)).keys()
        assert due(casebook, when).keys() == ending
        run(casebook, when)
        gone |= ending
        assert not gone & due(casebook, when).keys()
    assert gone == set(days)

    assert where_named(casebook) == set()
    assert casebook.answer(sealing.verify).breaks == ()
    # The figures of every period, frozen or not, rest on what stays.
    assert [one[2:] for one in before] == [one[2:] for one in casebook.answer(figures.item_facts)]


def test_an_open_case_and_one_under_a_hold_stay_however_old(casebook: Casebook) -> None:
    held = finished_case(casebook, "1")
    casebook.decide(legal_holds.place, held, by="Ada", reason="a court", now=at(500))
    open_one = casebook.decide(handlers.take_detection, make_detection("canary-2"), DESK, now=T0).case_id
    review = casebook.decide(
        handlers.take_detection, make_detection("canary-3", outcome="review"), DESK, now=T0
    ).case_id
    late = at(LONG) + timedelta(days=20_000)

    found = {one.rule.what: (one.count, one.held) for one in casebook.answer(retention.due, RULES, now=late)}
    run(casebook, late)

    assert found["cases"] == (0, 1)
    with casebook.read() as tx:
        query = sa.select(t.case.c.case_id).where(t.case.c.listing_id.like("canary%"))
        kept = set(tx.execute(query).scalars())
    assert kept == {held, open_one, review}


def test_a_run_that_is_interrupted_goes_on(casebook: Casebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retention.AT_ONCE, "dismissed_cases", 2)
    for number in range(5):
        dismissed(casebook, str(number))
    late = at(0) + timedelta(days=400)
    pieces = retention.run(casebook, RULES, KEYS, by="the job", clock=lambda: late)
    assert isinstance(pieces, Generator)
    assert next(pieces).done == 2
    pieces.close()
    assert due(casebook, late) == {"dismissed_cases": 3}

    assert [piece.done for piece in run(casebook, late)] == [2, 3]
    assert where_named(casebook) == set()
    assert casebook.answer(sealing.verify).holds


def test_what_cannot_be_erased_holds_up_nothing_beside_it(casebook: Casebook) -> None:
    changed, *_ = [dismissed(casebook, str(number)) for number in range(3)]
    with casebook.engine.connect() as connection, connection.begin():
        same = t.detection.c.case_id == changed
        connection.execute(sa.update(t.detection).where(same).values(ruleset_version="another"))
    late = at(0) + timedelta(days=400)

    [piece] = run(casebook, late)

    assert piece.done == 2
    [(stays, why)] = piece.stays
    assert (stays, "is not what was sealed" in why) == (changed, True)


def test_the_command_says_what_is_due_and_erases_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    for name in ("TAKIN_PRIVACY_KEY", "DATABASE_URL", "TAKIN_RETENTION_FILE"):
        monkeypatch.delenv(name, raising=False)
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    dismissed(casebook, "1")  # in March 2026, by the clock of the tests
    table = tmp_path / "retention.yaml"
    text = Path(retention.__file__).with_name("retention.yaml").read_text()
    table.write_text(text.replace("keep_days: 180", "keep_days: 1"))

    assert main(["privacy", "retention", "--table", str(table)]) == 0
    assert "nothing was changed: add --apply" in capsys.readouterr().out
    assert where_named(casebook)
    assert main(["privacy", "retention", "--table", str(table), "--apply"]) == 0
    said = capsys.readouterr().out
    assert "dismissed_cases: 1 of 1" in said
    assert where_named(casebook) == set()
    casebook.close()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("keep_days: 180", "keep_days: 0"), "keep_days: Input should be greater"),
        (("what: reports", "what: gossip"), "what: Input should be"),
        (("what: reports", "what: access"), "has access twice"),
        (("rules:", "rulez:"), "Field required"),
        (("rules:", "rules: ["), "is not YAML"),
    ],
)
def test_a_table_that_is_not_one_is_one_sentence(tmp_path: Path, change: tuple[str, str], why: str) -> None:
    text = Path(retention.__file__).with_name("retention.yaml").read_text()
    table = tmp_path / "t.yaml"
    table.write_text(text.replace(*change))

    with pytest.raises(OperatorError, match=why):
        retention.load_table(table)
