"""What a request may hold, and what is made of an answer, however it is cut into pieces."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.http_message import MAX_HEAD, MAX_HEADERS, Answer, request_head

OK = b"HTTP/1.1 200 OK\r\n"
TWO = OK + b"content-length: 2\r\n\r\nhi"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(pieces: Sequence[bytes], method: str = "GET") -> Answer:
    """An answer to its last piece, whose body is left to take."""
    answer = Answer(method)
    for piece in pieces:
        answer.feed(piece)
    return answer


def body(answer: Answer) -> bytes:
    return b"".join(answer.take_body())


# ---- the request -----------------------------------------------------------------------------------------


def test_a_request_is_written_as_it_is_told() -> None:
    head, lines = request_head(
        "GET", "/ad/1?a=b", [("Host", "m.example"), ("Accept", "text/html, */*;q=0.5")]
    )

    assert head == b"GET /ad/1?a=b HTTP/1.1\r\nHost: m.example\r\nAccept: text/html, */*;q=0.5\r\n\r\n"
    assert lines == ((b"Host", b"m.example"), (b"Accept", b"text/html, */*;q=0.5"))


@pytest.mark.parametrize(
    ("method", "target", "name", "value"),
    [
        ("GET ", "/", "a", "b"),
        ("GET /x HTTP/1.1\r\nA: b\r\n\r\nPOST", "/", "a", "b"),
        ("", "/", "a", "b"),
        ("GÉT", "/", "a", "b"),
        ("GET", "", "a", "b"),
        ("GET", "/ HTTP/1.1\r\nA: b", "a", "b"),
        ("GET", "/a b", "a", "b"),
        ("GET", "/\0", "a", "b"),
        ("GET", "/é", "a", "b"),
        ("GET", "/\n", "a", "b"),
        ("GET", "/", "", "b"),
        ("GET", "/", "a:", "b"),
        ("GET", "/", "a b", "b"),
        ("GET", "/", "a\r\nx", "b"),
        ("GET", "/", "a\n", "b"),
        ("GET", "/", "é", "b"),
        ("GET", "/", "a", "b\r\nx: y"),
        ("GET", "/", "a", "b\n"),
        ("GET", "/", "a", "b\rc"),
        ("GET", "/", "a", "b\0c"),
        ("GET", "/", "a", "b\x1bc"),
        ("GET", "/", "a", " b"),
        ("GET", "/", "a", "b\t"),
        ("GET", "/", "a", "é"),
        ("GET", "/", "host", "elsewhere.example"),
        ("GET", "/", "Transfer-Encoding", "chunked"),
    ],
)
def test_a_request_that_would_be_another_one_is_not_written(
    method: str, target: str, name: str, value: str
) -> None:
    with pytest.raises(PlatformRefused) as refusal:
        request_head(method, target, [("Host", "m.example"), (name, value)])

    assert refusal.value.reason == "invalid"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_told_a_head_ends_once_and_where_it_should(
    method: str, target: str, name: str, value: str
) -> None:
    try:
        head, _ = request_head(method, target, [("Host", "m.example"), (name, value)])
    except PlatformRefused:
        return

    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n") == 4


# ---- answers that are read -------------------------------------------------------------------------------

GOOD = {
    "length": (OK + b"Content-Type: text/html\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "no body": (OK + b"Content-Length: 0\r\n\r\n", b"", True),
    "chunks": (CHUNKED + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!", True),
    "a chunk's extension": (CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello", True),
    "spaces after a size": (CHUNKED + b"5  \r\nhello\r\n0\r\n\r\n", b"hello", True),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n", b"hello", True),
    "a length beside chunks": (
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"hello",
        False,
    ),
    "100 Continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + TWO, b"hi", True),
    "empty lines before": (b"\r\n\r\n" + TWO, b"hi", True),
    "empty lines between": (b"HTTP/1.1 100 Continue\r\n\r\n\r\n" + TWO, b"hi", True),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3 + TWO, b"hi", True),
    "204": (b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", b"", True),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", b"", True),
    "hangs up after": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
    "hangs up after all": (
        OK + b"Connection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        b"hi",
        False,
    ),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
    "HTTP/1.0, kept": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        b"hi",
        False,
    ),
    "line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", b"hi", True),
    "an upgrade on offer": (
        OK + b"Upgrade: h2\r\nConnection: upgrade, keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        b"hi",
        True,
    ),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
}


@pytest.mark.parametrize(("answer", "says", "kept"), GOOD.values(), ids=GOOD)
def test_a_good_answer_is_the_same_wherever_it_is_cut(answer: bytes, says: bytes, kept: bool) -> None:
    whole = read([answer])
    told = (whole.status, whole.reason, whole.http_version, whole.headers)

    assert (body(whole), whole.is_complete, whole.keeps_connection) == (says, True, kept)
    for place in range(1, len(answer)):
        cut = read([answer[:place], answer[place:]])
        assert (cut.status, cut.reason, cut.http_version, cut.headers) == told, place
        assert (body(cut), cut.is_complete, cut.keeps_connection) == (says, True, kept), place
    bytewise = read([answer[place : place + 1] for place in range(len(answer))])
    assert (bytewise.headers, body(bytewise), bytewise.keeps_connection) == (whole.headers, says, kept)


@given(
    st.binary(max_size=300),
    st.lists(st.integers(1, 400), max_size=8),
    st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
@example(b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", [20, 40], [3])
def test_any_body_comes_through_whole(content: bytes, cuts: list[int], sizes: list[int]) -> None:
    length = OK + b"content-length: %d\r\n\r\n" % len(content) + content
    chunks, rest = CHUNKED, content
    while rest:
        size = sizes[len(chunks) % len(sizes)]
        chunks += b"%x\r\n%s\r\n" % (len(rest[:size]), rest[:size])
        rest = rest[size:]
    for answer in (length, chunks + b"0\r\n\r\n"):
        places = [0, *sorted({min(one, len(answer)) for one in cuts}), len(answer)]
        pieces = [answer[start:end] for start, end in pairwise(places)]
        found = read([one for one in pieces if one])

        assert (body(found), found.is_complete, found.keeps_connection) == (content, True, True)


def test_headers_keep_their_order_and_spelling_and_lose_the_space_around_values() -> None:
    answer = read([OK + b"X-B:  1 \t\r\nx-b:2\r\nEmpty:\r\nLatin: \xe9\r\nContent-Length: 0 \r\n\r\n"])

    assert answer.headers == (
        *((b"X-B", b"1"), (b"x-b", b"2"), (b"Empty", b"")),
        *((b"Latin", b"\xe9"), (b"Content-Length", b"0")),
    )


def test_a_folded_header_is_one_line() -> None:
    answer = read([OK + b"x: a\r\n  b\r\n\tc\r\ncontent-length: 0\r\n\r\n"])

    assert [(name, value.split()) for name, value in answer.headers] == [
        (b"x", [b"a", b"b", b"c"]),
        (b"content-length", [b"0"]),
    ]


def test_what_follows_the_last_chunk_is_no_header() -> None:
    answer = read([CHUNKED + b"0\r\nx-sum: 1\r\ny: 2\r\n\r\n"])

    assert answer.headers == ((b"Transfer-Encoding", b"chunked"),)


def test_without_a_length_the_end_of_the_connection_ends_the_answer() -> None:
    answer = read([OK + b"\r\nhel", b"lo"])
    assert not answer.is_complete
    answer.end()

    assert (body(answer), answer.is_complete, answer.keeps_connection) == (b"hello", True, False)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n"]
)
def test_an_answer_to_head_has_no_body_and_nothing_is_asked_after_it(framing: bytes) -> None:
    answer = read([OK + framing], "HEAD")

    assert (body(answer), answer.is_complete, answer.keeps_connection) == (b"", True, False)


# ---- answers that are not --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [TWO, b"xyz", b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"\0", b"0\r\n\r\n", b"\r\n" + TWO],
    ids=["another answer", "rubbish", "a timeout", "a NUL", "a chunk", "another after an empty line"],
)
def test_what_comes_after_an_answer_is_not_read_and_ends_the_connection(more: bytes) -> None:
    answer = read([TWO + more])

    assert (answer.status, body(answer), answer.is_complete) == (200, b"hi", True)
    assert not answer.keeps_connection


def test_what_comes_after_an_answer_that_has_no_body_ends_the_connection() -> None:
    answer = read([b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nhi"])

    assert (body(answer), answer.is_complete, answer.keeps_connection) == (b"", True, False)


BAD = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a page": b"<html>",
    "a request": b"GET / HTTP/1.1\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a short status": b"HTTP/1.1 99 OK\r\n\r\n",
    "no status": b"HTTP/1.1 000 OK\r\n\r\n",
    "a long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "another protocol from here on": b"HTTP/1.1 101 So be it\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "101 alone": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "an informational answer with a body": b"HTTP/1.1 150 Odd\r\nContent-Length: 2\r\n\r\nhi",
    "a negative length": OK + b"Content-Length: -2\r\n\r\nhi",
    "a length with a sign": OK + b"Content-Length: +2\r\n\r\nhi",
    "a length that is none": OK + b"Content-Length: two\r\n\r\nhi",
    "an empty length": OK + b"Content-Length:\r\n\r\nhi",
    "an endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nhi",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "two lengths in one": OK + b"Content-Length: 2, 3\r\n\r\nhi",
    "a size that is none": CHUNKED + b"zz\r\nhi\r\n0\r\n\r\n",
    "a negative size": CHUNKED + b"-2\r\nhi\r\n0\r\n\r\n",
    "a size with a prefix": CHUNKED + b"0x2\r\nhi\r\n0\r\n\r\n",
    "an endless size": CHUNKED + b"fffffffffffffffff\r\nhi",
    "a chunk longer than its size": CHUNKED + b"2\r\nhi!\r\n0\r\n\r\n",
    "a chunk shorter than its size": CHUNKED + b"4\r\nhi\r\n0\r\n\r\n",
    "chunks that are compressed": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "compressed on its way": OK + b"Transfer-Encoding: gzip\r\n\r\nhi",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no colon": OK + b"abc\r\nContent-Length: 0\r\n\r\n",
    "a space before the first header": OK + b" a: b\r\nContent-Length: 0\r\n\r\n",
    "a space that ends the head": OK + b" \r\nContent-Length: 0\r\n\r\n",
    "a space before the first header, line feeds": b"HTTP/1.1 200\n a: b\nContent-Length: 0\n\n",
    "a space after an empty line": b"\r\n\r\n" + OK + b" a: b\r\nContent-Length: 0\r\n\r\n",
    "a space in an informational answer": b"HTTP/1.1 103 Early Hints\r\n a: b\r\n\r\n" + TWO,
    "a space after an informational answer": (
        b"HTTP/1.1 103 Early Hints\r\na: b\r\n\r\n" * 2 + OK + b" a: b\r\nContent-Length: 0\r\n\r\n"
    ),
    "a space before the colon": OK + b"a : b\r\nContent-Length: 0\r\n\r\n",
    "no name": OK + b": b\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a header": OK + b"a: b\0c\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a name": OK + b"a\0: b\r\nContent-Length: 0\r\n\r\n",
    "a carriage return in a header": OK + b"a: b\rc\r\nContent-Length: 0\r\n\r\n",
    "a NUL after the last chunk": CHUNKED + b"0\r\na: b\0\r\nc: d\r\n\r\n",
    "too many headers": OK + b"a: b\r\n" * (MAX_HEADERS + 1) + b"Content-Length: 0\r\n\r\n",
    "an endless header": OK + b"a: " + b"b" * 1_000_000,
    "an endless name": OK + b"a" * 1_000_000,
    "an endless reason": b"HTTP/1.1 200 " + b"a" * 1_000_000,
    "an endless extension": CHUNKED + b"2;" + b"a" * 1_000_000,
    "an endless trailer": CHUNKED + b"0\r\na: " + b"b" * 1_000_000,
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_what_is_no_answer_is_told_as_such_and_never_complete(answer: bytes, size: int) -> None:
    if len(answer) > MAX_HEAD:
        size = max(size, 1_000)
    found = Answer("GET")
    pieces = iter([answer[place : place + size] for place in range(0, len(answer), size)])
    fed = 0

    def feed_all() -> None:
        nonlocal fed
        for piece in pieces:
            fed += len(piece)
            found.feed(piece)

    with pytest.raises(PlatformUnavailable) as trouble:
        feed_all()

    assert (trouble.value.reason, found.is_complete) == ("bad_reply", False)
    assert trouble.value.detail
    assert fed <= MAX_HEAD + size + 100


@pytest.mark.parametrize("answer", [GOOD["length"][0], GOOD["chunks"][0], GOOD["100 Continue"][0]])
def test_a_server_that_hangs_up_in_the_middle_of_any_part_is_a_reset(answer: bytes) -> None:
    for place in range(len(answer)):
        found = read([answer[:place]] if place else [])
        assert not found.is_complete
        with pytest.raises(PlatformUnavailable) as trouble:
            found.end()
        assert trouble.value.reason == "reset", place
