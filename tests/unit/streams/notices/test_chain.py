"""What is sealed of a thing: its columns with their types, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone

from streams.notices.chain import GENESIS, Act, Head, content_hash, link, may_change, place

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_the_hash_of_a_row_is_the_same_for_ever() -> None:
    # Written down when it was first made: a change would make every old chain unverifiable.
    act = Act(T0, "notices", "notice_sent", "event:c_1/3", "ab" * 32)

    assert link(GENESIS, 1, act) == "d8456c9ff38fbce15ccbf0280ae590059948b7f8750acba8269cd68db8f40ca8"
    assert (
        content_hash(["a", "b", "c", "d", "e"], [None, "x", 1, b"y", T0])
        == "ec17d2e52650a7bd27e48c18f2a674ff6ef532aa44385ba1b54190332005e003"
    )


def test_values_of_different_types_or_columns_never_look_alike() -> None:
    same: list[tuple[list[str], list[str | int | bytes | None]]] = [
        (["a"], ["1"]),
        (["a"], [1]),
        (["a"], [b"1"]),
        (["a"], [None]),
        (["a"], [""]),
        (["b"], ["1"]),
        (["a", "b"], ["1", ""]),
        (["a", "b"], ["", "1"]),
    ]

    assert len({content_hash(names, values) for names, values in same}) == len(same)


def test_one_instant_in_two_zones_is_one_value() -> None:
    east = T0.astimezone(timezone(timedelta(hours=3)))

    assert content_hash(["at"], [T0]) == content_hash(["at"], [east])
    assert content_hash(["at"], [T0]) != content_hash(["at"], [T0 + timedelta(microseconds=1)])


def test_rows_follow_from_each_other() -> None:
    act = Act(T0, "a", "b", "event:c/1", "0" * 64)

    first, second = place(Head(0, GENESIS), [act, act])
    assert (first.position, second.position) == (1, 2)
    assert second.previous == first.hash != second.hash


def test_only_states_may_change() -> None:
    assert may_change("item_state:n/c")
    assert not may_change("item:n/c_state")
