"""A real IMAP server for tests: Debian's Dovecot, with a mailbox in a temporary folder, on loopback.

Fixture ``imap``: the server, one for each test session; each test takes a user of its own.
"""

import getpass
import grp
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from imapclient import IMAPClient

from connectors.mailbox import MailboxConfig
from streams.local.ports import free_port

DOVECOT = Path("/usr/sbin/dovecot")
PASSWORD = "canary-imap-password"
_numbers = itertools.count(1)

_CONFIG = """
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class ImapServer:
    """One Dovecot."""

    def __init__(self) -> None:
        if not DOVECOT.exists():
            raise FileNotFoundError("These tests need an IMAP server: apt-get install dovecot-imapd")
        self.folder = Path(tempfile.mkdtemp(prefix="takin-imap-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        root = os.geteuid() == 0
        owner = pwd.getpwnam("nobody" if root else getpass.getuser())
        for name in ("mail", "home"):
            (self.folder / name).mkdir()
            if root:
                os.chown(self.folder / name, owner.pw_uid, owner.pw_gid)
        self.folder.chmod(0o755)
        text = _CONFIG.format(
            folder=self.folder,
            port=self.port,
            password=PASSWORD,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            internal="dovecot" if root else owner.pw_name,
            login="dovenull" if root else owner.pw_name,
            group="dovecot" if root else grp.getgrgid(owner.pw_gid).gr_name,
        )
        config = self.folder / "dovecot.conf"
        config.write_text(text)
        self._process = subprocess.Popen(
            [DOVECOT, "-F", "-c", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and probe.recv(4) == b"* OK":
                    return
            time.sleep(0.1)
        log = self.folder / "log"
        raise RuntimeError(f"Dovecot did not answer: {log.read_text() if log.exists() else 'no log'}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def user(self) -> "ImapUser":
        """Somebody whose mailbox is empty."""
        return ImapUser(self, f"takin{os.getpid()}x{next(_numbers)}")


class ImapUser:
    """A mailbox, seen as its owner sees it."""

    def __init__(self, server: ImapServer, name: str) -> None:
        self.server = server
        self.name = name

    def config(self, **changes: object) -> MailboxConfig:
        return MailboxConfig.model_validate(
            {
                "host": "127.0.0.1",
                "port": self.server.port,
                "tls": "none",
                "username": self.name,
                "password": "env:IMAP_PASSWORD",
                "timeout_s": 10,
                **changes,
            }
        )

    def _client(self) -> IMAPClient:
        client = IMAPClient("127.0.0.1", self.server.port, ssl=False, timeout=10)
        client.login(self.name, PASSWORD)
        return client

    def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Mail comes in."""
        with self._client() as client:
            for mail in mails:
                client.append(folder, mail)

    def folder(self, name: str) -> list[tuple[bytes, tuple[bytes, ...]]]:
        """What lies in a folder: each mail with its keywords."""
        with self._client() as client:
            if not client.folder_exists(name):
                return []
            client.select_folder(name, readonly=True)
            found = client.fetch(client.search(), ["BODY.PEEK[]", "FLAGS"])
            return [(found[uid][b"BODY[]"], tuple(found[uid][b"FLAGS"])) for uid in sorted(found)]


@pytest.fixture(scope="session")
def imap() -> Iterator[ImapServer]:
    """The server."""
    server = ImapServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()
