"""Signed checkpoints: the key, the log, and what is found wrong with a log by itself."""

import base64
import json
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.checkpoint import AuditCheckpoint
from schemas.errors import OperatorError
from streams.notices.checkpoints import (
    CheckpointLog,
    check_log,
    is_signed,
    load_key,
    load_public,
    make_key,
    public_pem,
    read_lines,
    sign,
    statement,
)
from streams.notices.merkle import Frontier

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


def log_of(count: int, key: Ed25519PrivateKey = KEY) -> list[AuditCheckpoint]:
    tree = Frontier.empty()
    found: list[AuditCheckpoint] = []
    for number in range(count):
        row = bytes([number]) * 32
        tree.add(row)
        at = T0 + timedelta(minutes=number)
        found.append(sign(key, tree, head=row.hex(), at=at, after=found[-1] if found else None))
    return found


def test_a_key_is_for_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "audit.pem"
    public = make_key(file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    assert load_key(file).public_key() == public
    with pytest.raises(OperatorError, match="never overwritten"):
        make_key(file)
    file.chmod(0o440)
    with pytest.raises(OperatorError, match="chmod 400"):
        load_key(file)


@pytest.mark.parametrize("content", [b"", b"not a key", public_pem(KEY.public_key()).encode()])
def test_what_is_no_key_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(OperatorError):
        load_key(file)
    with pytest.raises(OperatorError):
        load_key(tmp_path / "missing")
    if not content.startswith(b"-----BEGIN PUBLIC"):
        with pytest.raises(OperatorError):
            load_public(file)


def test_openssl_checks_a_checkpoint(tmp_path: Path) -> None:
    [one] = log_of(1)
    (tmp_path / "public.pem").write_text(public_pem(KEY.public_key()))
    (tmp_path / "statement").write_bytes(statement(one))
    (tmp_path / "signature").write_bytes(base64.b64decode(one.signature))
    command = [
        *("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem"),
        *("-rawin", "-in", "statement", "-sigfile", "signature"),
    ]

    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    (tmp_path / "statement").write_bytes(statement(one).replace(b'"size":1', b'"size":2'))
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode != 0


def test_a_log_holds_and_any_change_to_it_does_not() -> None:
    whole = log_of(4)

    assert check_log(whole, KEY.public_key()) == ()
    assert not is_signed(whole[0], OTHER.public_key())
    for spot in range(3):
        assert check_log(whole[:spot] + whole[spot + 1 :], KEY.public_key())
        swapped = [*whole]
        swapped[spot], swapped[spot + 1] = swapped[spot + 1], swapped[spot]
        assert check_log(swapped, KEY.public_key())
    assert check_log([*whole, whole[0]], KEY.public_key())
    assert check_log([*whole[:1], *log_of(4, OTHER)[1:]], KEY.public_key())
    for change in (
        {"size": 5},
        {"at": T0},
        {"root": "0" * 64},
        {"head": "0" * 64},
        {"number": 9},
        {"previous": "1" * 64},
        {"frontier": ()},
        {"signature": "A" * 88},
        {"key_id": "0" * 16},
    ):
        assert check_log([*whole[:2], whole[2].model_copy(update=change), whole[3]], KEY.public_key()), change


def test_a_line_told_twice_counts_once_and_a_strange_line_is_found() -> None:
    first, second = (one.to_bytes() + b"\n" for one in log_of(2))

    assert read_lines([first, first, second]) == (tuple(log_of(2)), ())
    found, breaks = read_lines([first, b"{}\n", second[:-1]])
    assert len(found) == 1
    assert [one.what for one in breaks] == [
        "line 2 of the checkpoints is not a checkpoint",
        "line 3 of the checkpoints is cut",
    ]


class TestLog:
    def test_it_goes_on_where_it_ended_and_drops_what_a_crash_left(self, tmp_path: Path) -> None:
        log = CheckpointLog(tmp_path / "away" / "checkpoints.jsonl")
        assert log.resume(KEY.public_key()) is None
        first, second = log_of(2)
        log.append(first)
        with log.path.open("ab") as file:
            file.write(second.to_bytes()[:40])

        assert log.read()[1] != ()
        assert log.resume(KEY.public_key()) == first
        log.append(second)
        assert log.read() == ((first, second), ())
        assert stat.S_IMODE(log.path.stat().st_mode) == 0o600

    def test_a_changed_log_or_one_of_another_key_is_not_continued(self, tmp_path: Path) -> None:
        log = CheckpointLog(tmp_path / "checkpoints.jsonl")
        for one in log_of(2):
            log.append(one)

        with pytest.raises(OperatorError, match="not signed with this key"):
            log.resume(OTHER.public_key())
        lines = log.path.read_bytes().splitlines(keepends=True)
        changed = json.loads(lines[0]) | {"size": 7}
        log.path.write_bytes(json.dumps(changed).encode() + b"\n" + lines[1])
        with pytest.raises(OperatorError, match="cannot be continued"):
            log.resume(KEY.public_key())
