import pytest

from connectors.sandbox.assignment import assign_platform, share_of

NAMES = ["sandbox-c", "sandbox-a", "sandbox-b"]


def test_an_id_always_lives_on_the_same_platform() -> None:
    # Written down once: the file source and a sandbox of another release must agree.
    assert [assign_platform(str(n), NAMES) for n in range(6)] == [
        "sandbox-b",
        "sandbox-c",
        "sandbox-b",
        "sandbox-a",
        "sandbox-c",
        "sandbox-a",
    ]


def test_the_order_of_the_names_does_not_matter() -> None:
    ids = [f"id-{n}" for n in range(200)]

    assert [assign_platform(i, NAMES) for i in ids] == [assign_platform(i, sorted(NAMES)) for i in ids]


def test_listings_spread_over_all_platforms() -> None:
    spread = [assign_platform(f"id-{n}", NAMES) for n in range(3_000)]

    assert all(800 < spread.count(name) < 1_200 for name in NAMES)


def test_no_names_is_an_error() -> None:
    with pytest.raises(ValueError, match="no platform"):
        assign_platform("1", [])


def test_a_share_is_between_0_and_1_and_even() -> None:
    shares = [share_of("seed", str(n)) for n in range(2_000)]

    assert all(0 <= share < 1 for share in shares)
    assert 900 < sum(share < 0.5 for share in shares) < 1_100
