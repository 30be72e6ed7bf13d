"""The watchlist at the desk: added, changed and retired on record, and of a broken file nothing."""

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from schemas.watchlist import WatchlistEntry
from streams.desk.app import desk_app
from streams.desk.lists import Lists
from streams.desk.trials import Trials
from streams.notices.casebook import accounts, list_changes, sealing
from streams.notices.casebook.database import Casebook
from streams.privacy.keys import made_keys
from streams.privacy.sellers import keyed_name
from streams.watchlist.carrying import carry_out_rest
from streams.watchlist.exchange import entry_id_of
from tests.support.desk import NOW, Browser, fields_of, house_over
from tests.support.lists import MemoryTopic, QuickTrials, entry

FIELDS = {
    "kind": "code_word",
    "value": "white plastic",
    "reason": "stands for ivory",
    "source": "case 17",
    "outcome": "review",
    "state": "active",
    "confidence": "0.8",
}
WHITE = entry_id_of("code_word", "white plastic")
HEADING = "kind,value,reason,source\n"


@pytest.fixture
def topic() -> MemoryTopic:
    return MemoryTopic()


@pytest.fixture
def app(casebook: Casebook, tmp_path: Path, topic: MemoryTopic) -> FastAPI:
    house = house_over(casebook, tmp_path)
    return desk_app(dataclasses.replace(house, lists=Lists(topic, Trials("test:9092"))))


@pytest.fixture
def ada(app: FastAPI, casebook: Casebook) -> Browser:
    return Browser(app, casebook, "analyst")


def acts_on(casebook: Casebook) -> list[tuple[str, str]]:
    with casebook.read() as tx:
        rows = [row.act for row in sealing.audit_rows(tx)]
        assert sealing.verify(tx).holds
    return [(one.actor, one.act) for one in rows if one.act.startswith("list_change")]


async def upload(
    browser: Browser, text: str | bytes, name: str = "words.csv", csrf: str | None = None
) -> Any:
    raw = text.encode() if isinstance(text, str) else text
    return await browser.client.post(
        "/watchlist/upload",
        data={"csrf": browser.csrf if csrf is None else csrf},
        files={"file": (name, raw, "text/csv")},
    )


async def test_an_entry_is_added_by_whom_it_says_and_sealed(
    ada: Browser, topic: MemoryTopic, casebook: Casebook
) -> None:
    answer = await ada.post("/watchlist", {**FIELDS, "expires_at": "2027-01-31"})
    page = await ada.get(answer.headers["location"])

    made = topic.told[WHITE]
    assert isinstance(made, WatchlistEntry)
    assert (made.added_by, made.confidence, made.state) == ("analyst", 0.8, "active")
    assert f"{made.expires_at:%Y-%m-%dT%H:%M%z}" == "2027-01-31T00:00+0000"
    assert "Added: it is looked for within seconds." in page.text
    assert "white plastic" in (await ada.get("/watchlist?q=plastic")).text
    assert "white plastic" not in (await ada.get("/watchlist?standing=retired")).text
    assert acts_on(casebook) == [
        ("person:analyst", "list_change"),
        ("person:analyst", "list_change_decided"),
        ("desk", "list_change_done"),
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"value": "a"}, "value: String should have at least 2 characters"),
        ({"value": "é."}, "one letter"),
        ({"kind": "phone", "value": "123"}, "a telephone number has 5 digits or more"),
        ({"kind": "image_pdq", "value": "ff"}, "hash"),
        ({"distance": "3"}, "distance: only an image_pdq entry has one"),
        ({"kind": "regex", "value": "(ivory"}, "its regular expression is refused by RE2"),
        ({"kind": "regex", "value": ".*"}, "its regular expression finds every text"),
        ({"confidence": "2"}, "confidence: "),
        ({"expires_at": "tomorrow"}, "expires_at: write the day as 2027-01-31"),
        ({"state": "quarantined"}, "state: choose active or shadow"),
        ({"outcome": "jail"}, "outcome: "),
        ({"reason": "  "}, "reason: Field required"),
    ],
)
async def test_the_form_refuses_what_a_file_is_refused_for(
    ada: Browser, topic: MemoryTopic, casebook: Casebook, changed: dict[str, str], said: str
) -> None:
    answer = await ada.post("/watchlist", {**FIELDS, **changed})

    assert answer.status_code == 422
    assert said in answer.text
    assert 'role="alert"' in answer.text
    assert "case 17" in answer.text, "what was typed is still there"
    assert (topic.told, acts_on(casebook)) == ({}, [])


async def test_an_entry_changes_as_it_was_shown_or_not_at_all(ada: Browser, topic: MemoryTopic) -> None:
    topic.hold(entry("jelly", state="quarantined", state_reason="matched too much", confidence=0.5))
    where = f"/watchlist/entries/{entry_id_of('code_word', 'jelly')}"
    page = await ada.get(where)
    assert "quarantined by the flood guard" in page.text
    assert "matched too much" in page.text
    fields = forms(page)

    done = await ada.post(where, {**fields, "confidence": "0.9", "state": "active"})
    again = await ada.post(where, {**fields, "confidence": "0.1"})

    [made] = topic.told.values()
    assert isinstance(made, WatchlistEntry)
    assert (done.status_code, again.status_code) == (303, 422)
    assert "Somebody has changed this entry since you opened it" in again.text
    assert (made.confidence, made.state, made.state_reason, made.added_by) == (0.9, "active", None, "ben")


def forms(page: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = fields_of(page.text.replace("<form ", '<form id="f" '), "f")
    return {name: values[0] for name, values in found.items() if name not in ("csrf", "why")}


async def test_an_entry_is_retired_with_a_reason_and_stays_to_be_seen(
    ada: Browser, topic: MemoryTopic
) -> None:
    topic.hold(entry("jelly"))
    where = f"/watchlist/entries/{entry_id_of('code_word', 'jelly')}"

    silent = await ada.post(f"{where}/retire", {"why": " "})
    done = await ada.post(f"{where}/retire", {"why": "sweets only"})
    page = await ada.get(done.headers["location"])

    [made] = topic.told.values()
    assert (silent.status_code, done.status_code) == (422, 303)
    assert isinstance(made, WatchlistEntry)
    assert made.state == "retired"
    assert made.state_reason == f"Retired by analyst on {NOW:%Y-%m-%d}: sweets only"
    assert "sweets only" in page.text
    assert (await ada.get("/watchlist/entries/nothing.here")).status_code == 404


async def test_an_entry_is_tried_over_the_kept_listings(
    ada: Browser, topic: MemoryTopic, casebook: Casebook, tmp_path: Path
) -> None:
    topic.hold(entry("jelly"))
    trials = QuickTrials(topic)
    house = dataclasses.replace(house_over(casebook, tmp_path), lists=Lists(topic, trials))
    browser = Browser(desk_app(house), casebook, "analyst")
    jelly = entry_id_of("code_word", "jelly")
    where = f"/watchlist/entries/{jelly}"
    assert "Not run yet." in (await browser.get(where)).text

    sent = await browser.post(f"{where}/trial", {"since": "28d"})

    assert sent.headers["location"] == where
    assert trials.wishes[0]["entry_id"] == jelly
    assert "of 812 listings are judged otherwise with it than without it" in (await ada.get(where)).text
    assert "Elephant ivory bangle" in (await ada.get(f"{where}/trial")).text
    assert (await browser.post(f"{where}/trial", {"since": "1y"})).status_code == 422
    assert acts_on(casebook) == []


async def test_a_file_shows_what_it_changes_and_is_taken_whole(
    ada: Browser, app: FastAPI, topic: MemoryTopic, casebook: Casebook
) -> None:
    topic.hold(entry("jelly", reason="old"), entry("ice"))
    text = HEADING + "code_word,jelly,new,case 18\ncode_word,moon,seen,case 19\n"
    sent = await upload(ada, text)
    where = sent.headers["location"]
    page = await ada.get(where)
    other = Browser(app, casebook, "lead")

    assert "<del>old</del>" in page.text
    assert "<ins>new</ins>" in page.text
    assert "moon" in page.text
    assert len(topic.told) == 2, "nothing is taken yet"
    assert (await other.get(where)).status_code == 404, "a draft is its maker's"
    assert (await other.post(f"{where}/take", {"shown": forms(page)["shown"]})).status_code == 404

    taken = await ada.post(f"{where}/take", {"shown": forms(page)["shown"]})

    assert taken.headers["location"] == "/watchlist?said=taken"
    assert len(topic.told) == 3
    assert {one.key for one in topic.written} == {entry_id_of("code_word", one) for one in ("jelly", "moon")}
    assert [act for _, act in acts_on(casebook)] == ["list_change", "list_change_decided", "list_change_done"]
    assert (await ada.post(f"{where}/take", {"shown": "x"})).status_code == 404


async def test_a_file_is_not_taken_over_what_somebody_changed_meanwhile(
    ada: Browser, topic: MemoryTopic
) -> None:
    topic.hold(entry("jelly"))
    where = (await upload(ada, HEADING + "code_word,jelly,new,case 18\n")).headers["location"]
    shown = forms(await ada.get(where))["shown"]
    topic.hold(entry("jelly", reason="changed by another"))

    answer = await ada.post(f"{where}/take", {"shown": shown})

    assert answer.status_code == 422
    assert "The list has changed since this was shown" in answer.text
    assert "changed by another" in answer.text
    assert topic.written == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("w.csv", HEADING + "code_word,ok word,r,s\ncode_word,a,r,s\nphone,12,r,s\n", "line 3: value: "),
        ("w.csv", HEADING + "code_word,ok word,r,s\nphone,12,r,s\n", "line 3: a telephone number"),
        ("w.json", '[{"kind": "term"}', "line 1: "),
        ("w.csv", b"kind,value\n\xff,x\n", "line 2: not UTF-8"),
        ("w.xls", "x", "The file is neither .csv, .json nor .jsonl"),
        ("w", "x", "The file is neither .csv, .json nor .jsonl"),
    ],
)
async def test_nothing_of_a_broken_file_is_taken_and_each_bad_row_is_named(
    ada: Browser, topic: MemoryTopic, casebook: Casebook, name: str, text: str | bytes, said: str
) -> None:
    answer = await upload(ada, text, name)

    assert answer.status_code == 422
    assert said in answer.text
    assert topic.told == {}
    assert casebook.answer(list_changes.listed, kinds=("file",), limit=9) == ()


async def test_a_file_from_elsewhere_and_one_too_large_are_refused(ada: Browser) -> None:
    foreign = await upload(ada, HEADING, csrf="csrf-lead")
    large = await upload(ada, b"x" * 5_300_000)

    assert (foreign.status_code, large.status_code) == (403, 422)
    assert "larger than" in large.text


async def test_a_download_is_what_is_shown_and_harmless_in_a_spreadsheet(
    ada: Browser, topic: MemoryTopic
) -> None:
    topic.hold(entry("jelly", reason="=1+1"), entry("ice", state="retired"))

    got = await ada.get("/watchlist/export.csv?standing=live")
    rows = list(csv.DictReader(io.StringIO(got.text)))

    assert [(row["value"], row["reason"]) for row in rows] == [("jelly", "'=1+1")]
    assert got.headers["content-disposition"].startswith("attachment; ")
    assert (await ada.get("/watchlist/export.json")).json()[1]["value"] in ("jelly", "ice")
    assert (await ada.get("/watchlist/export.pdf")).status_code == 404


async def test_who_is_named_leaves_by_a_keyed_name_unless_somebody_says_why_on_record(
    ada: Browser, topic: MemoryTopic, casebook: Casebook, tmp_path: Path
) -> None:
    topic.hold(entry("Ivory.King", kind="seller", reason="Ivory.King is back"), entry("ice"))
    (tmp_path / "privacy.key").write_text("no key\n")
    assert (await ada.get("/watchlist/export.csv")).status_code == 503
    (tmp_path / "privacy.key").unlink()
    keys = made_keys(None, tmp_path / "privacy.key")

    kept = await ada.get("/watchlist/export.csv?kind=seller")
    refused = await ada.post("/watchlist/export.json", {"clear_sellers": " "})
    clear = await ada.post("/watchlist/export.json?kind=seller", {"clear_sellers": "court of Brno"})

    [row] = csv.DictReader(io.StringIO(kept.text))
    assert row["value"] == keyed_name(keys, "ivory.king")
    assert "ivory" not in kept.text.casefold()
    assert refused.status_code == 422
    assert [one["value"] for one in clear.json()] == ["Ivory.King"]
    with casebook.read() as tx:
        told = [(one.login, one.act, one.subject) for one in accounts.accesses(tx, limit=9)]
        assert sealing.verify(tx).holds
    assert told == [
        ("analyst", "clear_sellers", "watchlist (1 entries): court of Brno"),
        ("analyst", "export", "watchlist?kind=seller"),
    ]


async def test_what_kafka_does_not_take_at_once_is_taken_later_and_never_over_another_change(
    ada: Browser, topic: MemoryTopic, casebook: Casebook, tmp_path: Path
) -> None:
    topic.hold(entry("jelly"))
    jelly = entry_id_of("code_word", "jelly")
    fields = forms(await ada.get(f"/watchlist/entries/{jelly}"))

    class Broken(MemoryTopic):
        async def put(self, *_: Any, **__: Any) -> None:
            self.away = True
            await self.now()

    broken = Broken(dict(topic.told))
    house = dataclasses.replace(house_over(casebook, tmp_path), lists=Lists(broken, Trials("x")))
    late = Browser(desk_app(house), casebook, "analyst")
    answer = await late.post(f"/watchlist/entries/{jelly}", {**fields, "confidence": "0.3"})
    assert answer.status_code == 503
    assert "It is recorded and not yet written" in answer.text
    assert "1 change recorded and not yet written" in (await ada.get("/watchlist")).text

    assert await carry_out_rest(casebook, topic, now=NOW) == 1
    [made] = topic.told.values()
    assert isinstance(made, WatchlistEntry)
    assert made.confidence == 0.3
    assert await carry_out_rest(casebook, topic, now=NOW) == 0

    broken.away, broken.told = False, dict(topic.told)
    fields = forms(await ada.get(f"/watchlist/entries/{jelly}"))
    await late.post(f"/watchlist/entries/{jelly}", {**fields, "confidence": "0.1"})
    topic.hold(entry("jelly", confidence=0.7))
    assert await carry_out_rest(casebook, topic, now=NOW) == 1
    [made] = topic.told.values()
    assert isinstance(made, WatchlistEntry)
    assert made.confidence == 0.7
    [last, *_] = casebook.answer(list_changes.listed, kinds=("entry",), limit=9)
    assert (last.state, last.done_how) == ("overtaken", "overtaken")


async def test_without_a_kafka_the_pages_say_what_to_set_and_while_it_is_away_that(
    ada: Browser, topic: MemoryTopic, casebook: Casebook, tmp_path: Path
) -> None:
    without = Browser(desk_app(house_over(casebook, tmp_path)), casebook, "analyst")
    for path in ("/watchlist", "/watchlist/new", "/watchlist/entries/x"):
        answer = await without.get(path)
        assert answer.status_code == 409
        assert "KAFKA_BOOTSTRAP_SERVERS" in answer.text
    assert (await without.get("/review")).status_code == 200

    topic.away = True
    answer = await ada.get("/watchlist")
    assert answer.status_code == 503
    assert "Kafka at test:9092 does not answer" in answer.text
