"""Whatever comes down the firehose is read or refused with a reason."""

import hashlib
from typing import Any

import libipld
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.atproto.frames import BadFrame, Event, Note, blob_sha256, read_frame
from tests.support.frames import DID, POSTS, cid_of, commit, frame, post


def event(data: bytes) -> Event:
    said = read_frame(data)
    assert isinstance(said, Event)
    return said


def test_a_commit_s_posts_come_out_with_their_records_and_cids() -> None:
    first, second = post("one"), post("two")

    said = event(commit(7, first, second))

    assert (said.seq, said.kind, said.did) == (7, "commit", DID)
    assert [one.record for one in said.operations] == [first, second]
    expected = [libipld.encode_cid(cid_of(libipld.encode_dag_cbor(one))) for one in (first, second)]
    assert [one.cid for one in said.operations] == expected


def test_other_collections_are_left_out_and_their_records_not_even_read() -> None:
    operations = [{"action": "create", "path": "app.bsky.feed.like/3k", "cid": cid_of(b"x")}]

    said = event(commit(8, post(), ops=operations, blocks=b"no CAR at all"))

    assert said.operations == ()


def test_a_deletion_needs_no_record() -> None:
    operations = [{"action": "delete", "path": f"{POSTS}/3k", "cid": None}]

    [operation] = event(commit(9, post(), ops=operations, blocks=b"")).operations

    assert (operation.action, operation.path, operation.record) == ("delete", f"{POSTS}/3k", None)


def test_a_commit_without_its_records_names_them_all_the_same() -> None:
    [operation] = event(commit(10, post(), blocks=b"", tooBig=True)).operations

    assert operation.record is None
    assert operation.cid is not None


def test_an_identity_says_what_an_account_is_called() -> None:
    said = event(frame("#identity", {"seq": 3, "did": DID, "handle": "seller.example", "time": "x"}))

    assert (said.kind, said.handle, said.operations) == ("identity", "seller.example", ())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (frame("", {"error": "FutureCursor", "message": "no"}, op=-1), Note("FutureCursor", True)),
        (frame("#info", {"name": "OutdatedCursor"}), Note("OutdatedCursor", False)),
        (frame("", {"error": 7}, op=-1), Note("", True)),
    ],
)
def test_a_server_s_remarks_have_no_number(data: bytes, expected: Note) -> None:
    assert read_frame(data) == expected


BAD: dict[str, bytes] = {
    "nothing": b"",
    "no CBOR": b"\xff\xff",
    "one part": bytes(libipld.encode_dag_cbor({"op": 1, "t": "#commit"})),
    "three parts": frame("#commit", {}) + b"\xa0",
    "a list": b"\x80\x80",
    "no type": bytes(libipld.encode_dag_cbor({"op": 1})) + b"\xa0",
    "another operation": frame("#commit", {"seq": 1, "repo": DID, "ops": []}, op=2),
    "no number": frame("#commit", {"repo": DID, "ops": []}),
    "a number that is none": commit(1, post(), seq="7"),
    "a negative number": commit(1, post(), seq=-7),
    "a truth for a number": commit(1, post(), seq=True),
    "no account": commit(1, post(), repo="seller.example"),
    "no operations": commit(1, post(), ops=None),
    "records that are none": commit(1, post(), blocks=b"no CAR"),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_a_frame_that_is_none_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(BadFrame, match=r"^(it|its|the) "):
        read_frame(data)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        read_frame(data)
    except BadFrame:
        return  # the only way to refuse


@given(st.data())
def test_a_damaged_frame_breaks_nothing(data: Any) -> None:
    whole = bytearray(commit(5, post("x" * 50), post("y")))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_frame(bytes(whole))
    except BadFrame:
        return  # the only way to refuse


def test_the_link_of_a_picture_says_its_hash() -> None:
    picture = b"the bytes of a picture"
    link = cid_of(picture, codec=0x55)

    found = blob_sha256(link)

    assert found is not None
    assert found[1] == hashlib.sha256(picture).hexdigest()
    assert blob_sha256(found[0]) == found
    assert (blob_sha256(cid_of(picture)) or ("", ""))[1] is None, "of a record it is the hash of its CBOR"
    assert blob_sha256(7) is None
