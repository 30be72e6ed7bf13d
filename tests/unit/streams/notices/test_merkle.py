"""The Merkle tree: as RFC 6962 defines it, however it was grown."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.notices.merkle import EMPTY, Frontier, included, inclusion, leaf_hash, node_hash


def defined(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + defined(leaves[:k]) + defined(leaves[k:])).digest()


def test_the_roots_of_the_reference_implementations_test_data() -> None:
    # Certificate Transparency's own test leaves (certificate-transparency-go, merkle tests).
    data = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    tree = Frontier.empty()
    for one in data:
        tree.add(bytes.fromhex(one))

    assert tree.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_grown_one_by_one_it_is_the_tree_of_the_rfc(data: list[bytes]) -> None:
    tree = Frontier.empty()
    for one in data:
        tree.add(one)
        tree = Frontier.resume(tree.size, tree.peaks)

    assert tree.root() == defined(data)
    assert len(tree.peaks) == len(data).bit_count()


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65, 100])
def test_every_leaf_is_included_and_in_its_own_place_only(size: int) -> None:
    data = [bytes([n]) for n in range(size)]
    leaves = [leaf_hash(one) for one in data]
    root = defined(data)
    for index, path in enumerate(inclusion(leaves, range(size))):
        assert included(leaves[index], index, size, path, root)
        assert not included(leaf_hash(b"other"), index, size, path, root)
        assert not included(leaves[index], index + 1, size, path, root)
        assert not included(leaves[index], index, size, (*path, EMPTY), root)
        if path:
            assert not included(leaves[index], index, size, path[:-1], root)


def test_a_leaf_cannot_pass_for_a_node() -> None:
    assert leaf_hash(b"a" * 64) != node_hash(b"a" * 32, b"a" * 32)


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="other peaks"):
        Frontier.resume(3, [EMPTY])
    with pytest.raises(IndexError):
        inclusion([EMPTY], [1])
