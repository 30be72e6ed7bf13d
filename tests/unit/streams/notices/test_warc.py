"""What Takin writes as WARC, another program reads whole."""

import gzip
import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from streams.notices.warc import Capture, write

PAGE = "<html>Carved ivory \u202e figure</html>".encode()
CAPTURE = Capture(
    url="https://market.example/listing/1?q=ivory&x=%E2%80%AE",
    method="GET",
    request_target=b"/listing/1?q=ivory&x=%E2%80%AE",
    request_headers=((b"Host", b"market.example"), (b"Accept", b"text/html")),
    http_version="HTTP/1.1",
    status=200,
    reason=b"OK",
    headers=(
        (b"Content-Type", b"text/html"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Transfer-Encoding", b"chunked"),
    ),
    body=PAGE,
    complete=True,
    at=datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC),
    server="192.0.2.7",
)


def records(raw: bytes) -> list[tuple[Any, bytes]]:
    found = []
    for record in ArchiveIterator(io.BytesIO(raw), check_digests="raise"):
        found.append((record, record.content_stream().read()))
        assert record.digest_checker.passed in (True, None)
    return found


def test_another_reader_finds_the_reply_and_the_request() -> None:
    (response, page), (request, _) = records(write(CAPTURE))

    assert page == PAGE
    assert response.rec_type == "response"
    assert response.rec_headers.protocol == "WARC/1.1"
    assert response.rec_headers.get_header("WARC-Target-URI") == CAPTURE.url
    assert response.rec_headers.get_header("WARC-Date") == "2026-03-02T09:00:00.123456Z"
    assert response.rec_headers.get_header("WARC-IP-Address") == "192.0.2.7"
    assert response.rec_headers.get_header("WARC-Truncated") is None
    assert response.http_headers.get_statuscode() == "200"
    assert [v for n, v in response.http_headers.headers if n == "Set-Cookie"] == ["a=1", "b=2"]
    assert request.rec_type == "request"
    assert request.http_headers.get_header("host") == "market.example"
    assert request.rec_headers.get_header("WARC-Concurrent-To") == response.rec_headers.get_header(
        "WARC-Record-ID"
    )


def test_the_digests_are_those_that_the_reader_computes(tmp_path: Any) -> None:
    good, bad = tmp_path / "good.warc", tmp_path / "bad.warc"
    good.write_bytes(write(CAPTURE))
    bad.write_bytes(write(CAPTURE).replace(b"ivory ", b"ebony "))

    codes = []
    for file in (good, bad):
        command = type("Command", (), {"inputs": [str(file)], "verbose": False})()
        checker = Checker(command)
        checker.process_all()
        codes.append(checker.exit_value)
    assert codes == [0, 1]


def test_a_compressed_reply_is_kept_as_received() -> None:
    packed = gzip.compress(PAGE)
    headers = ((b"Content-Encoding", b"gzip"),)

    [(_, page), _] = records(write(replace(CAPTURE, headers=headers, body=packed)))

    assert page == PAGE
    assert packed in write(replace(CAPTURE, headers=headers, body=packed))


@pytest.mark.parametrize("body", [b"", b"\r\n\r\nWARC/1.1\r\n\r\n", b"\x00" * 70_000])
def test_any_body_comes_back(body: bytes) -> None:
    [(_, page), _] = records(write(replace(CAPTURE, body=body)))

    assert page == body


def test_what_was_cut_says_so_and_a_hostile_address_cannot_add_fields() -> None:
    capture = replace(CAPTURE, complete=False, url="https://market.example/\r\nWARC-Type: metadata")

    [(response, _), _] = records(write(capture))

    assert response.rec_type == "response"
    assert response.rec_headers.get_header("WARC-Truncated") == "length"


def test_equal_captures_are_equal_files_and_a_time_needs_a_zone() -> None:
    assert write(CAPTURE) == write(replace(CAPTURE))
    with pytest.raises(ValueError, match="zone"):
        write(replace(CAPTURE, at=datetime(2026, 1, 1)))  # noqa: DTZ001 - that is the point
