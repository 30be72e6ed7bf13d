"""The bytes of one HTTP/1.1 exchange (RFC 9112): the head of a request, and what an answer's pieces say.

Nothing here reads a socket or a clock. The answer is taken apart by llhttp, the parser of Node.js.
"""

import re
from collections.abc import Iterable

from httptools import HttpParserError, HttpResponseParser

from connectors.errors import PlatformRefused, PlatformUnavailable
from connectors.exchange import HeaderLines

MAX_HEADERS = 128
"""Header lines of an answer."""
MAX_HEAD = 100 * 1024
"""Bytes that may come without an end of the head, or without a byte of the body."""
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
_TARGET = re.compile(r"[!-~]+")
_ONCE = frozenset({"host", "content-length", "transfer-encoding"})
"""Headers by which a server tells where a request goes and where it ends."""
_SPOKEN = frozenset({"1.0", "1.1"})
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_FIRST, _SPACE = b"H "


def request_head(method: str, target: str, lines: Iterable[tuple[str, str]]) -> tuple[bytes, HeaderLines]:
    """The head of a request as it is sent, and its header lines.

    Raises:
        PlatformRefused: ``invalid``: something in it would not be what it says, or would be more than that.
    """
    if _TOKEN.fullmatch(method) is None:
        raise _invalid("the method is no word of HTTP")
    if _TARGET.fullmatch(target) is None:
        raise _invalid("the address has characters that no address has")
    written = [f"{method} {target} HTTP/1.1"]
    sent: list[tuple[bytes, bytes]] = []
    once: set[str] = set()
    for name, value in lines:
        if (low := name.lower()) in _ONCE:
            if low in once or low == "transfer-encoding":
                raise _invalid(f"{name} is not for the caller to say")
            once.add(low)
        if not value.isascii():
            raise _invalid("a header is not ASCII")
        if _TOKEN.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise _invalid("a header has characters that no header has")
        written.append(f"{name}: {value}")
        sent.append((name.encode(), value.encode()))
    return "\r\n".join((*written, "", "")).encode(), tuple(sent)


def _invalid(why: str) -> PlatformRefused:
    return PlatformRefused("invalid", f"the request cannot be sent: {why}")


class _Over(Exception):
    """Nothing more of what came is to be read."""


class Answer:
    """What a server said to one request, fed as it comes.

    Informational answers (1xx) are passed over. What llhttp reads beside the letter of RFC 9112 is what it
    tells recipients to put up with: lines that end with a line feed alone, header lines that are folded,
    spaces after the size of a chunk, and a length beside chunks, which then does not count.
    """

    __slots__ = (
        "_body",
        "_fault",
        "_framing",
        "_head",
        "_lines",
        "_method",
        "_parser",
        "_without_progress",
        "headers",
        "http_version",
        "is_complete",
        "keeps_connection",
        "reason",
        "status",
    )

    def __init__(self, method: str) -> None:
        self._method = method
        parser = self._parser = HttpResponseParser(self)
        parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._lines: list[tuple[bytes, bytes]] = []
        self._framing = 0
        """How many headers say where the body ends."""
        self._body: list[bytes] = []
        self._head = b""
        """What came before the head was whole."""
        self._fault: str | None = None
        self._without_progress = 0
        self.status = 0
        """0 until the head is complete."""
        self.reason = b""
        self.http_version = ""
        """For example ``HTTP/1.1``."""
        self.headers: HeaderLines = ()
        """In their order and spelling; without what follows the last chunk."""
        self.is_complete = False
        self.keeps_connection = False
        """Whether another request may be sent after it: known once it is complete."""

    def feed(self, data: bytes) -> None:
        """Take the next piece of an answer that is not complete.

        Raises:
            PlatformUnavailable: ``bad_reply``: this is no answer.
        """
        self._without_progress += len(data)
        if not self.status:
            self._head += data
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            if not self.is_complete:
                raise self._bad(self._fault or str(error)) from error
            self.keeps_connection = False  # more came than was asked for
        if self.is_complete:
            del self._parser  # each holds the other
        elif self._without_progress > MAX_HEAD:
            raise self._bad(f"{MAX_HEAD} bytes of the answer have neither an end of its head nor a body")

    def end(self) -> None:
        """The server hung up before the answer was complete, unless that is how it ends.

        Raises:
            PlatformUnavailable: ``reset``
        """
        if not self.status:
            raise PlatformUnavailable("reset", "the server hung up without an answer")
        if self._framing:
            raise PlatformUnavailable("reset", "the server hung up in the middle of its answer")
        self.is_complete = True

    def take_body(self) -> list[bytes]:
        """The pieces of the body that came since the last call; none is empty."""
        taken, self._body = self._body, []
        return taken

    def _bad(self, why: str) -> PlatformUnavailable:
        return PlatformUnavailable("bad_reply", why, http_status=self.status or None)

    def _refuse(self, why: str) -> None:
        self._fault = why
        raise _Over

    # ---- what llhttp calls -------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self.is_complete:
            raise _Over

    def on_status(self, reason: bytes) -> None:
        """A piece of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or one that follows the last chunk."""
        if len(self._lines) == MAX_HEADERS:
            self._refuse(f"the answer has more than {MAX_HEADERS} header lines")
        if b"\0" in value:
            self._refuse("a header of the answer has a NUL")
        self._lines.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        status, version = self._parser.get_status_code(), self._parser.get_http_version()
        if version not in _SPOKEN:
            self._refuse(f"the answer is of HTTP {version}")
        if status < 100 or status == 101:
            self._refuse(f"an answer of status {status:03} was not asked for")
        head = self._head if self._head[0] == _FIRST else self._head.lstrip(b"\r\n")
        if head[head.find(b"\n") + 1] == _SPACE:  # llhttp passes over it; RFC 9112, 2.2: refuse
            self._refuse("a space stands before the first header line of the answer")
        if status < 200:
            return
        self.status, self.http_version, self.headers = status, f"HTTP/{version}", tuple(self._lines)
        encodings, lengths = [], 0
        for name, value in self._lines:
            if (low := name.lower()) == b"content-length":
                lengths += 1
            elif low == b"transfer-encoding":
                encodings.append(value.lower())
        if encodings not in ([], [b"chunked"]):
            self._refuse("the answer is packed for its way in a manner that was not asked for")
        self._framing = len(encodings) + lengths
        self._head = b""
        if self._method == "HEAD":
            self.is_complete = True
            raise _Over

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, without the frames of chunks."""
        if not self.status:
            self._refuse("an informational answer has a body")
        self._without_progress = 0
        self._body.append(piece)

    def on_message_complete(self) -> None:
        """All of an answer came."""
        if self.status:
            self.is_complete = True
            self.keeps_connection = (
                self.http_version == "HTTP/1.1" and self._framing < 2 and self._parser.should_keep_alive()
            )
        else:  # informational
            self._without_progress, self.reason, self._lines = 0, b"", []
            self._head = _END_OF_HEAD.split(self._head.lstrip(b"\r\n"), 1)[1]
