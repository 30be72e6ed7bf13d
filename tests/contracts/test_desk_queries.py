"""What the desk reads of the casebook, on both databases: tenants are kept apart in the queries."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.notices.casebook import accounts, deliveries, desk_lists, desk_pages, overdue, sealing
from streams.notices.casebook.conditions import CONDITIONS
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.desk_lists import Filter
from streams.notices.casebook.viewer import ROLES, Viewer
from tests.support.desk import NOW, PLATFORMS, Filled, add_accounts, fill, viewer_of
from tests.support.postgres import PostgresServer


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
    add_accounts(book)
    yield book
    book.close()


@pytest.fixture
def filled(casebook: Casebook) -> Filled:
    return fill(casebook)


NOBODY = (
    Viewer("a", "x", "x", "admin"),
    Viewer("a", "x", "x", "platform", None),
    Viewer("a", "x", "x", "platform", ""),
    Viewer("a", "x", "x", "officer", "market"),
    Viewer("a", "x", "x", "root"),  # type: ignore[arg-type]
)
"""Viewers that see no case at all; two of them are no viewers that an account makes."""


def everything(filled: Filled) -> dict[str, Callable[..., Any]]:
    """Every query of the desk, as it would be asked about each platform's things."""

    def about(tx: Any, viewer: Viewer, question: Callable[..., Any], things: Any) -> list[Any]:
        return [found for thing in things if (found := question(tx, viewer, thing)) is not None]

    references = [one for platform in PLATFORMS for one in filled.references[platform]]
    cases = [one for platform in PLATFORMS for one in filled.cases[platform]]
    return {
        "inbox": lambda tx, v: desk_lists.inbox(tx, v, waiting=False, limit=99),
        "counts": lambda tx, v: [
            None
            for _ in range(desk_lists.inbox_counts(tx, v, now=NOW, soon=NOW + timedelta(days=30)).to_answer)
        ],
        **{
            f"lines {condition}": lambda tx, v, c=condition: desk_lists.lines(
                tx, v, Filter(condition=c), limit=99
            )
            for condition in CONDITIONS
        },
        "lines with sellers": lambda tx, v: [
            line for line, _ in desk_lists.sellers_of_lines(tx, v, Filter(), limit=99)
        ],
        "count": lambda tx, v: [None] * desk_lists.count_lines(tx, v, Filter()),
        "seller": lambda tx, v: [
            line
            for platform in PLATFORMS
            for line in desk_lists.about_seller(
                tx, v, platform=platform, seller="seller-7", besides=(), limit=99
            )
        ],
        "overdue": lambda tx, v: overdue.listed(tx, v, limit=99),
        "review": lambda tx, v: desk_lists.review_queue(tx, v, now=NOW, limit=99),
        "platforms": desk_lists.platforms,
        "deliveries": lambda tx, v: deliveries.tries(tx, v, since=NOW - timedelta(days=30), limit=99),
        "notice": lambda tx, v: about(tx, v, desk_pages.notice, references),
        "case": lambda tx, v: about(tx, v, desk_pages.case, cases),
        "status": lambda tx, v: about(tx, v, desk_pages.status, cases),
    }


def platform_of(found: Any) -> str | None:
    if isinstance(found, desk_pages.NoticePage):
        return found.row.platform
    return found if isinstance(found, str) else getattr(found, "platform", None)


def test_a_platform_gets_its_own_from_every_query_and_nothing_else(
    casebook: Casebook, filled: Filled
) -> None:
    for name, query in everything(filled).items():
        whole = casebook.answer(query, viewer_of(casebook, "auditor"))
        shares = {platform: casebook.answer(query, viewer_of(casebook, platform)) for platform in PLATFORMS}

        assert sum(len(share) for share in shares.values()) == len(whole), name
        if name not in ("counts", "count", "status"):
            for platform, share in shares.items():
                assert {platform_of(one) for one in share} <= {platform}, name
    assert len(casebook.answer(everything(filled)["notice"], viewer_of(casebook, "market"))) == 4


def test_who_is_nobody_gets_nothing(casebook: Casebook, filled: Filled) -> None:
    found = {
        (name, viewer.role, viewer.platform): len(casebook.answer(query, viewer))
        for name, query in everything(filled).items()
        for viewer in NOBODY
    }

    assert {question: rows for question, rows in found.items() if rows} == {}


def test_the_inbox_is_in_order_of_deadlines_and_pages_join(casebook: Casebook, filled: Filled) -> None:
    viewer = viewer_of(casebook, "market")
    whole = casebook.answer(desk_lists.inbox, viewer, waiting=False, limit=99)
    pages = [
        casebook.answer(desk_lists.inbox, viewer, waiting=False, limit=1, offset=offset)
        for offset in range(len(whole) + 1)
    ]

    dues = [line.due_at for line in whole]
    assert dues == sorted(at for at in dues if at is not None)
    assert [line for page in pages for line in page] == list(whole)
    assert {line.reference for line in whole} == set(filled.references["market"][2:])


def test_the_chain_holds_after_all_that_and_a_line_taken_out_of_the_access_log_shows(
    casebook: Casebook, filled: Filled
) -> None:
    for role in ROLES:
        login = role if role != "platform" else "market"
        casebook.decide(
            accounts.log_access, viewer_of(casebook, login), act="notice", subject=f"n-{role}", now=NOW
        )
    assert casebook.answer(sealing.verify).breaks == ()

    with casebook.write() as tx:
        tx.exec_driver_sql("DELETE FROM access WHERE subject = 'n-officer'")

    assert casebook.answer(sealing.verify).breaks != ()


def test_a_login_exists_once(casebook: Casebook) -> None:
    def added(login: str) -> str | None:
        return casebook.decide(
            accounts.add, login=login, name="x", role="officer", platform=None, password_hash="x", now=NOW
        )

    assert added("officer") is None
    assert added("officer2") is not None


def test_tries_to_get_in_at_the_same_moment_are_counted_one_after_the_other(casebook: Casebook) -> None:
    limits: dict[str, Any] = {"since": NOW - timedelta(minutes=15), "per_login": 3, "per_address": 5}

    def attempt(login: str) -> int | None:
        return casebook.decide(accounts.attempt, login=login, address="192.0.2.1", now=NOW, **limits)

    with ThreadPoolExecutor(8) as pool:
        kim = [one for one in pool.map(attempt, ["kim"] * 8) if one is not None]
        ada = [one for one in pool.map(attempt, ["ada"] * 8) if one is not None]

    assert (len(kim), len(ada)) == (3, 2)
    casebook.decide(accounts.not_failed, kim[0])
    assert attempt("kim") is not None
    casebook.decide(accounts.forgive, "kim")
    assert attempt("ada") is not None
