"""A watchlist for others: who is named on it stands there by a keyed name, which a shared key matches."""

import pytest

from schemas.watchlist import NAMING, WatchlistEntry
from streams.privacy.keys import PrivacyKeys
from streams.privacy.sellers import FORM, found_in, keyed_name
from streams.watchlist.exchange import BadFile, Defaults, read_entries_from, write_csv, write_json
from streams.watchlist.keyed import kept_back, known_entries
from tests.support.desk import NOW
from tests.support.lists import entry

OURS, SHARED = PrivacyKeys((b"o" * 32,)), PrivacyKeys((b"s" * 32,))
NAMED = (
    entry("Ivory.King", kind="seller", reason="IVORY.KING is back", source="from ivory.king's page"),
    entry("Ivory.King", kind="not_seller"),
    entry("+84 90 123 45 67", kind="phone"),
    entry("telegram:IvoryKing", kind="handle", state="retired", state_reason="telegram:ivoryking moved"),
    entry("ivory.king@pay.example", kind="payment"),
)
PLAIN = (entry("white plastic"), entry("elephant tooth", kind="term"))


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_nobody_is_named_and_all_else_stays(write: object) -> None:
    text = write(kept_back((*NAMED, *PLAIN), OURS))  # type: ignore[operator]

    assert {one.kind for one in NAMED} == NAMING
    forms = ("ivory.king", "ivory-king", "ivoryking", "84 90", "8490", "84-90")
    assert [one for one in forms if one in text.casefold()] == []
    assert [one.entry_id for one in NAMED if one.entry_id in text] == []
    assert len(found_in(text)) == len(NAMED) - 1, "to look for a seller and not to is about one name"
    assert all(one.value in text and one.entry_id in text for one in PLAIN)


def test_entries_are_told_apart_and_the_same_at_each_export() -> None:
    once, again = kept_back(NAMED, OURS), kept_back(NAMED, OURS)

    assert once == again
    assert len({one.entry_id for one in once}) == len(NAMED)
    assert all(WatchlistEntry.model_validate(one.model_dump()) == one for one in once)


def test_who_shares_a_key_finds_the_same_number_and_name_however_it_is_written() -> None:
    theirs = kept_back(NAMED, SHARED)
    ours = (
        entry("+84901234567", kind="phone"),
        entry("@ivoryking", kind="handle"),
        entry("ivory.KING", kind="seller"),
        entry("somebody", kind="seller"),
    )

    found = known_entries(ours, SHARED)
    assert [found[one.value].value for one in theirs if one.value in found] == [
        "ivory.KING",
        "ivory.KING",
        "+84901234567",
    ]
    assert known_entries(ours, OURS).keys().isdisjoint(one.value for one in theirs)


def test_a_seller_of_a_case_and_of_the_list_have_one_name() -> None:
    [kept] = kept_back([entry("Ivory.King", kind="seller")], OURS)

    assert kept.value == keyed_name(OURS, "ivory.king")
    assert FORM.fullmatch(kept.value)


def test_a_keyed_name_is_not_taken_as_one_to_look_for() -> None:
    text = write_json(kept_back(NAMED[:1], OURS))

    with pytest.raises(BadFile, match="line 2: value: this is a keyed name") as refused:
        read_entries_from(text.encode(), "json", Defaults("ada", NOW))
    assert "--clear-sellers" in str(refused.value)
