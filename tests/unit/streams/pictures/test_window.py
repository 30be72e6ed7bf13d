"""What is committed never passes a record that is under way."""

from hypothesis import given
from hypothesis import strategies as st

from streams.pictures.window import Window

steps = st.lists(st.tuples(st.sampled_from(["pass", "begin", "end"]), st.integers(0, 1), st.integers(0, 2)))


@given(steps=steps, choose=st.randoms(use_true_random=False))
def test_the_commit_is_the_first_that_is_under_way_whatever_the_order(
    steps: list[tuple[str, int, int]], choose: object
) -> None:
    window = Window()
    following = [0, 0]
    under_way: list[tuple[int, int, bytes]] = []
    for what, partition, name in steps:
        if what == "end":
            if under_way:
                one = under_way.pop(choose.randrange(len(under_way)))  # type: ignore[attr-defined]
                window.ended(*one)
            continue
        offset, key = following[partition], b"%d:%d" % (partition, name)
        following[partition] += 1
        if what == "pass":
            window.passed(partition, offset, key)
        else:
            window.begun(partition, offset, key)
            under_way.append((partition, offset, key))

    expected = {
        partition: min((at for of, at, _ in under_way if of == partition), default=following[partition])
        for partition in (0, 1)
        if following[partition]
    }
    assert window.commits() == expected
    assert len(window) == len(under_way)


def test_an_older_snapshot_under_way_is_not_the_newest_once_a_newer_was_read() -> None:
    window = Window()
    window.begun(0, 5, b"a:1")
    assert window.is_newest(5, b"a:1")

    window.begun(0, 6, b"a:1")
    assert not window.is_newest(5, b"a:1")
    window.ended(0, 6, b"a:1")
    assert not window.is_newest(5, b"a:1")

    # A listing that was taken away has no pictures to fetch, and is newer all the same.
    window.passed(0, 7, b"a:1")
    assert not window.is_newest(6, b"a:1")
    window.ended(0, 5, b"a:1")
    assert window.commits() == {0: 8}


def test_a_partition_that_went_to_another_member_is_not_committed() -> None:
    window = Window()
    window.begun(0, 5, b"a:1")
    window.begun(1, 9, b"b:1")
    window.forget(0)

    assert window.commits() == {1: 9}
