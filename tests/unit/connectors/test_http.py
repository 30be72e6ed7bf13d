"""What a reply means for the caller, how long it asks us to wait, and that no connection is lost.

The exchange itself is tested in ``tests/contracts/test_platforms.py``.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.egress import EgressPolicy
from connectors.errors import PlatformGone, PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Reply, reply_error, retry_after, their_time

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 1.0),
        ("86400", 3600.0),
        ("999999999999999999", 3600.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 1.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30.0),
        ("Mon Nov 23 12:00:30 2026", 30.0),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("9" * 5_000, None),
        ("Mon, 99 Nov 2026 99:00:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=200))
def test_no_retry_after_makes_us_fail_or_wait_for_ever(value: str) -> None:
    seconds = retry_after(value, NOW)

    assert seconds is None or 1.0 <= seconds <= 3600.0


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (301, PlatformRefused, "redirect"),
        (307, PlatformRefused, "redirect"),
        (400, PlatformRefused, "invalid"),
        (401, PlatformRefused, "unauthorised"),
        (403, PlatformRefused, "unauthorised"),
        (404, PlatformRefused, "not_found"),
        (408, PlatformUnavailable, "timeout"),
        (409, PlatformRefused, "conflict"),
        (410, PlatformGone, "not_found"),
        (413, PlatformRefused, "invalid"),
        (418, PlatformRefused, "refused"),
        (422, PlatformRefused, "invalid"),
        (425, PlatformUnavailable, "throttled"),
        (429, PlatformUnavailable, "throttled"),
        (500, PlatformUnavailable, "server_error"),
        (502, PlatformUnavailable, "server_error"),
        (503, PlatformUnavailable, "server_error"),
        (599, PlatformUnavailable, "server_error"),
        (204, PlatformUnavailable, "bad_reply"),
    ],
)
def test_a_status_says_what_to_do_next(status: int, kind: type[Exception], reason: str) -> None:
    error = reply_error(Reply(status, {"retry-after": "9"}, b"", True), NOW)

    assert (type(error), error.reason, error.http_status) == (kind, reason, status)
    if isinstance(error, PlatformUnavailable) and status != 204:
        assert error.retry_after_s == 9.0


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("date", "later"),
    [
        ("Mon, 02 Mar 2026 11:00:00 GMT", True),
        ("Mon, 02 Mar 2026 07:00:00 -0000", True),
        ("Mon, 02 Mar 2026 09:03:00 GMT", False),
        ("Mon, 02 Mar 2026 09:00:00 GMT", False),
        ("tomorrow", False),
        ("", False),
    ],
)
def test_a_login_refused_by_a_clock_far_from_ours_is_tried_again(status: int, date: str, later: bool) -> None:
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    error = reply_error(Reply(status, {"date": date}, b"", True), now)

    assert (type(error), error.reason) == (
        (PlatformUnavailable, "clock") if later else (PlatformRefused, "unauthorised")
    )


@pytest.mark.parametrize("asked", [timedelta(hours=-2), timedelta(hours=2)])
def test_also_where_our_clock_was_set_right_while_they_answered(asked: timedelta) -> None:
    date = {"date": format_datetime(NOW, usegmt=True)}
    error = reply_error(Reply(401, date, b"", True, asked_at=NOW + asked), NOW)

    assert error.reason == "clock"


@pytest.mark.parametrize(
    ("headers", "theirs"),
    [
        ({"date": format_datetime(NOW, usegmt=True)}, NOW),
        ({"date": format_datetime(NOW, usegmt=True), "age": "90"}, NOW + timedelta(seconds=90)),
        ({"date": format_datetime(NOW, usegmt=True), "age": "-90"}, NOW),
        ({"date": format_datetime(NOW, usegmt=True), "age": "9" * 30}, NOW),
        ({"date": "Fri, 31 Dec 9999 23:59:59 GMT", "age": "90"}, None),
        ({"date": "Mon, 02 Mar 2026 24:61:00 GMT"}, None),
        ({"age": "90"}, None),
    ],
)
def test_their_time_is_when_the_answer_was_made_and_how_long_it_was_kept(
    headers: dict[str, str], theirs: datetime | None
) -> None:
    assert their_time(Reply(200, headers, b"", True)) == theirs


async def test_calls_that_were_given_up_on_while_they_waited_leave_every_connection_free() -> None:
    answering = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if answering.is_set():
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        else:
            await reader.read()  # until the caller hangs up
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        here = frozenset({("127.0.0.1", port)})
        client = OutboundClient(EgressPolicy(here, here, plain_http=True))
        calls = [client.request("GET", f"http://127.0.0.1:{port}/", timeout_s=0.3) for _ in range(60)]
        given_up = await asyncio.gather(*calls, return_exceptions=True)
        answering.set()
        served = await asyncio.gather(
            *(client.request("GET", f"http://127.0.0.1:{port}/", timeout_s=20) for _ in range(8))
        )
        await client.aclose()

    assert {getattr(one, "reason", None) for one in given_up} == {"timeout"}
    assert [reply.status for reply in served] == [200] * 8
