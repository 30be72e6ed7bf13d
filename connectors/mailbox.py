"""A mailbox that is read over IMAP (RFC 9051): what lies in its folder is still to be done. Blocking.

A mail stays in the folder until it has been dealt with and is then moved: to :data:`DONE`, or to
:data:`ASIDE` with its reason as a keyword. So nothing is lost when we stop in between, and a person sees
in any mail program what was set aside and why. Nothing is ever deleted.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import yaml
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from connectors.channels.mail_reading import LONGEST
from connectors.http import tls_context
from connectors.replies import first_problem
from schemas.errors import OperatorError, not_yaml, read_yaml
from schemas.secret_reference import read_secret

DONE = "Takin-done"
ASIDE = "Takin-aside"
HEADER_BYTES = 65_536
"""What is read of a mail that is longer than any that is read whole."""

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class MailboxUnavailable(Exception):
    """The mail server did not answer, or not as IMAP asks: try again later."""


class AnswerBy(BaseModel):
    """By which mail server those are answered who report by mail."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sender: str = Field(max_length=320, pattern=r"^[^@\s<>]+@[A-Za-z0-9.-]+$")
    """``From`` of the answer; its envelope has no sender."""
    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:-]+$")
    """The operator's own outgoing mail server."""
    port: int = Field(default=587, ge=1, le=65_535)
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """``none`` only for a server on this very machine."""
    username: str | None = Field(default=None, max_length=256)
    """Its password is the mailbox's."""
    follow_at: str | None = Field(default=None, max_length=500, pattern=r"^https?://[!-~]+$")
    """Where a report is followed by its reference, for example ``https://desk.example.org/report/en/follow``."""

    @model_validator(mode="after")
    def _private(self) -> Self:
        if self.tls == "none" and self.host not in _THIS_MACHINE:
            raise ValueError("tls may be none only for a server on this machine")
        return self


class MailboxConfig(BaseModel):
    """The mailbox file.

    ::

        host: imap.monitor.example
        username: takin@monitor.example
        password: env:TAKIN_MAILBOX_PASSWORD      # or file:PATH
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:-]+$")
    """The operator's own mail server."""
    port: int = Field(default=993, ge=1, le=65_535)
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    """``none`` only for a server on this very machine."""
    username: str = Field(min_length=1, max_length=320)
    password: str = Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")
    folder: str = Field(default="INBOX", min_length=1, max_length=200, pattern=r"^[ -~]+$")
    """Where mail comes in. Give Takin a mailbox of its own: whatever lies there is moved."""
    ca_file: Path | None = None
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    poll_s: float = Field(default=30.0, gt=0, le=3_600)
    """Wait between two looks into an empty folder."""
    at_once: int = Field(default=50, ge=1, le=1_000)
    """Mails taken by one look."""
    answers: AnswerBy | None = None
    """For ``takin intake-mail``: who reports is told the reference. Absent: nobody is answered."""

    @model_validator(mode="after")
    def _private(self) -> Self:
        if self.tls == "none" and self.host not in _THIS_MACHINE:
            raise ValueError("tls may be none only for a server on this machine")
        return self


def load_mailbox(path: Path) -> MailboxConfig:
    """Read the mailbox file.

    Raises:
        OperatorError: it is missing or wrong, naming the field.
    """
    try:
        return MailboxConfig.model_validate(read_yaml(yaml.safe_load, path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise OperatorError(f"The mailbox file {path} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The mailbox file {path} cannot be read: {error}.") from error
    except ValidationError as error:  # kept from being the cause: its text has values
        raise OperatorError(f"The mailbox file {path}: {first_problem(error)}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"The mailbox file {path} {not_yaml(error)}.") from None


def password_of(config: MailboxConfig, environment: Mapping[str, str] = os.environ) -> SecretStr:
    """The password that the file points at.

    Raises:
        OperatorError: the variable or file is missing.
    """
    return SecretStr(read_secret(config.password, "The mailbox's password", environment).rstrip("\r\n"))


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail in the folder."""

    uid: int
    size: int
    raw: bytes | None
    """Absent: longer than any that is read."""


class Mailbox:
    """An open mailbox. Use as a context manager, one at a time, in one thread."""

    def __init__(self, config: MailboxConfig, password: SecretStr, *, longest: int = LONGEST) -> None:
        self._config = config
        self._longest = longest
        self._password = password
        self._client: Any = None

    def __enter__(self) -> Self:
        config = self._config
        context = None if config.tls == "none" else _context(config)
        with _told():
            client = IMAPClient(
                config.host,
                config.port,
                use_uid=True,
                ssl=config.tls == "implicit",
                ssl_context=context if config.tls == "implicit" else None,
                timeout=config.timeout_s,
            )
            self._client = client
            try:
                if config.tls == "starttls":
                    client.starttls(context)
                self._log_in(client)
                client.select_folder(config.folder)
            except BaseException:
                self._close()
                raise
        return self

    def _log_in(self, client: IMAPClient) -> None:
        """What the server says to a refused login is not repeated: it may have the password in it."""
        try:
            client.login(self._config.username, self._password.get_secret_value())
        except IMAPClientError:
            raise MailboxUnavailable("the login was refused") from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._client is not None:
            with suppress(Exception):  # the connection may be dead: there is nothing to lose in it
                self._client.logout()
            with suppress(Exception):
                self._client.shutdown()
            self._client = None

    def waiting(self) -> Iterator[Mail]:
        """What is still to be done, oldest first, each read when it is its turn."""
        with _told():
            uids = sorted(self._client.search(["UNDELETED"]))[: self._config.at_once]
            sizes = self._client.fetch(uids, ["RFC822.SIZE"]) if uids else {}
        for uid in uids:
            size = int(sizes.get(uid, {}).get(b"RFC822.SIZE", 0))
            if size > self._longest:
                yield Mail(uid, size, None)
                continue
            with _told():
                raw = self._client.fetch([uid], ["BODY.PEEK[]"]).get(uid, {}).get(b"BODY[]")
            if isinstance(raw, bytes):  # else it was taken away meanwhile
                yield Mail(uid, len(raw), raw)

    def done(self, uid: int) -> None:
        """It has been dealt with."""
        self._move(uid, DONE)

    def set_aside(self, uid: int, reason: str) -> None:
        """Somebody must read it; ``reason`` becomes a keyword where the server takes one."""
        with suppress(IMAPClientError):
            self._client.add_flags([uid], [f"takin-{reason}"])
        self._move(uid, ASIDE)

    def _move(self, uid: int, folder: str) -> None:
        with _told():
            if not self._client.folder_exists(folder):
                self._client.create_folder(folder)
            if self._client.has_capability("MOVE"):
                self._client.move([uid], folder)
            else:
                # A stop between the two leaves it in both places: what was stored is known by its hash.
                self._client.copy([uid], folder)
                self._client.delete_messages([uid])
                self._client.expunge([uid])


def _context(config: MailboxConfig) -> ssl.SSLContext:
    return tls_context(str(config.ca_file) if config.ca_file else None)


@contextmanager
def _told() -> Iterator[None]:
    """Every way in which a mail server can fail is one error."""
    try:
        yield
    except (IMAPClientError, OSError, EOFError, ValueError, IndexError, AssertionError) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise MailboxUnavailable(said) from error
