"""The evidence package, checked as its README says, with the standard library and openssl only.

Nothing here that checks a package imports anything of Takin.
"""

import base64
import hashlib
import json
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas.listing import Image
from streams.cli import main
from streams.notices import handlers
from streams.notices.casebook import cases, erasure, sealing
from streams.notices.casebook.database import Casebook
from streams.notices.chain import AuditRow
from streams.notices.checkpoints import CheckpointLog, load_key, make_key, sign
from streams.notices.evidence import EvidenceStore
from streams.notices.merkle import Frontier
from tests.support.casebooks import DESK, fill
from tests.support.erasable import CANARY, LONG, finished_case
from tests.support.notices import T0, at, make_detection
from tests.unit.streams.notices.test_pictures import ONE, TWO, found

# ---------------------------------------------------------------------------- the independent reader


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def with_length(*parts: str | bytes) -> str:
    raws = [part.encode() if isinstance(part, str) else part for part in parts]
    return sha(*(len(raw).to_bytes(8, "big") + raw for raw in raws)).hex()


def climb(leaf: bytes, index: int, size: int, path: list[str]) -> str:
    """RFC 9162, section 2.1.3.2, as a reader writes it down."""
    node, first, last = leaf, index, size - 1
    for step in path:
        other = bytes.fromhex(step)
        if first % 2 == 1 or first == last:
            node = sha(b"\x01", other, node)
            while first % 2 == 0 and first != 0:
                first, last = first // 2, last // 2
        else:
            node = sha(b"\x01", node, other)
        first, last = first // 2, last // 2
    return node.hex() if last == 0 else "the path is too short"


def check(package: Path, folder: Path) -> dict[str, bytes]:
    """Everything that README.txt names; returns the files."""
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
        archive.extractall(folder)
    sums = ["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(sums, check=False, cwd=folder, capture_output=True).returncode == 0
    manifest = json.loads(files["manifest.json"])
    listed = {entry["path"]: entry for entry in manifest["files"]}
    assert listed.keys() == files.keys() - {"manifest.json", "SHA256SUMS"}
    for path, entry in listed.items():
        assert (len(files[path]), sha(files[path]).hex()) == (entry["size"], entry["sha256"])
        assert entry["media_type"]

    command = "openssl pkeyutl -verify -pubin -inkey audit/public-key.pem -rawin"
    command += " -in audit/statement.json -sigfile audit/signature.bin"
    assert subprocess.run(command.split(), check=False, cwd=folder, capture_output=True).returncode == 0
    signed = json.loads(files["audit/statement.json"])
    rows = json.loads(files["audit/rows.json"])
    newest = {}
    for row in rows:
        fields = (row["previous"], str(row["position"]), str(row["micros"]), row["actor"], row["act"])
        assert with_length(*fields, row["subject"], row["payload_sha256"]) == row["hash"]
        assert (row["path"] is not None) == (row["position"] <= signed["size"])
        if row["path"] is not None:
            leaf = sha(b"\x00", bytes.fromhex(row["hash"]))
            assert climb(leaf, row["position"] - 1, signed["size"], row["path"]) == signed["root"]
        newest[row["subject"]] = row
    things = json.loads(files["audit/sealed.json"])
    assert {thing["subject"] for thing in things} == newest.keys()
    for thing in things:
        parts: list[str | bytes] = [thing["kind"], "text", ""]
        for name, kind, value in thing["columns"]:
            parts += (name, kind, base64.b64decode(value) if kind == "bytes" else value)
        found, row = with_length(*parts), newest[thing["subject"]]
        if row["salt"] is not None:
            found = with_length(bytes.fromhex(row["salt"]), found)
        assert found == row["payload_sha256"]
    # What people read is what was sealed.
    assert files["notice/sent-body"] == columns(files, "outbox")[0]["body"]
    assert files["notice/notice.json"] == columns(files, "notice")[0]["body"]
    assert files["events.jsonl"].splitlines() == [row["body"] for row in columns(files, "event")]
    sealed = {
        f"detection:{row['detection_id']}": json.loads(row["body"]) for row in columns(files, "detection")
    }
    pictures = json.loads(files["pictures.json"])
    assert pictures["verdicts"] == len(sealed)
    for row in pictures["pictures"]:
        stands = [one for one in sealed[row["sealed_as"]]["listing"]["images"] if one["url"] == row["url"]]
        assert row["fetched"] in [one.get("fetched") for one in stands]
    return files


def columns(files: dict[str, bytes], kind: str) -> list[dict[str, Any]]:
    things = json.loads(files["audit/sealed.json"])
    return [
        {
            name: base64.b64decode(value) if is_a == "bytes" else value
            for name, is_a, value in thing["columns"]
        }
        for thing in things
        if thing["kind"] == kind
    ]


# ---------------------------------------------------------------------------- the tests

WITH_PICTURES = make_detection("1", images=(Image(url=ONE, fetched=found("a")), Image(url=TWO)))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "TAKIN_AUDIT_KEY_FILE", "TAKIN_CHECKPOINTS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TAKIN_DATA_DIR", str(tmp_path))
    make_key(tmp_path / "audit-key.pem")
    return tmp_path


def sign_rows(place: Path, rows: Sequence[AuditRow]) -> None:
    tree = Frontier.empty()
    for row in rows:
        tree.add(bytes.fromhex(row.hash))
    log = CheckpointLog(place / "checkpoints.jsonl")
    key = load_key(place / "audit-key.pem")
    after = log.resume(key.public_key())
    log.append(sign(key, tree, head=rows[-1].hash, at=T0, after=after))


def make_package(place: Path, reference: str, name: str = "evidence.zip", *, code: int = 0) -> Path:
    out = place / name
    assert main(["notices", "package", reference, "--out", str(out)]) == code
    return out


@pytest.fixture
def package(place: Path) -> Callable[..., Path]:
    store = EvidenceStore(place / "evidence")
    casebook = Casebook.open(f"sqlite:///{place / 'casebook.db'}")
    _, notice_id = fill(casebook, 2, page=store.put(b"WARC/1.1 a page"))
    casebook.decide(handlers.take_detection, WITH_PICTURES, DESK, now=at(30))
    with casebook.read() as tx:
        rows = tuple(sealing.audit_rows(tx))
        reference = cases.notice_by_id(tx, notice_id).human_reference
    casebook.close()
    sign_rows(place, rows[:-5])
    return lambda code=0: make_package(place, reference, code=code)


def test_it_is_checked_with_standard_tools_and_holds_everything(
    package: Callable[..., Path], tmp_path: Path
) -> None:
    files = check(package(), tmp_path / "opened")

    [notice] = columns(files, "notice")
    [sent] = columns(files, "outbox")
    assert files["notice/notice.json"] == notice["body"]
    assert files["notice/sent-body"] == sent["body"]
    assert hashlib.sha256(files["notice/sent-body"]).hexdigest() == sent["body_sha256"]
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert files["events.jsonl"].splitlines() == [row["body"] for row in columns(files, "event")]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert {"notice_sent", "removal_claimed"} <= {event["type"] for event in events}
    assert len(json.loads(files["observations.json"])) == 2
    assert json.loads(files["attempts.json"])
    assert b'{"ok":true}' in {body for path, body in files.items() if path.startswith("attempts/")}
    assert [path for path in files if path.startswith("answers/0")]
    [page] = [body for path, body in files.items() if path.endswith(".warc")]
    assert page == b"WARC/1.1 a page"
    assert json.loads(files["detections/001.json"])["listing"]["title"] == "Carved ivory figure"
    told = json.loads(files["pictures.json"])
    assert (told["verdicts"], told["erased"]) == (2, 0)
    assert [(row["url"], row["fetched"]) for row in told["pictures"]] == [
        (ONE, found("a").model_dump(mode="json")),
        (TWO, None),
    ]
    assert b"sha256sum -c SHA256SUMS" in files["README.txt"]


@pytest.mark.parametrize(
    "path",
    [
        *("notice/sent-body", "events.jsonl", "audit/rows.json", "audit/sealed.json"),
        *("audit/statement.json", "pictures.json"),
    ],
)
def test_the_reader_finds_a_changed_file_even_with_new_hashes(
    package: Callable[..., Path], tmp_path: Path, path: str
) -> None:
    whole = package()
    with zipfile.ZipFile(whole) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    old, new = {
        "notice/sent-body": (b"ivory", b"ebony"),
        "events.jsonl": (b"notice_sent", b"case_closed"),
        "audit/rows.json": (b'"actor": "notices"', b'"actor": "nobody"'),
        "audit/sealed.json": (b'"online"', b'"onlin2"')
        if b'"online"' in files[path]
        else (b"market", b"markez"),
        "audit/statement.json": (b'"number":1', b'"number":2'),
        "pictures.json": (b"a" * 64, b"b" * 64),
    }[path]
    assert old in files[path]
    files[path] = files[path].replace(old, new)
    manifest = json.loads(files["manifest.json"])
    for entry in manifest["files"]:
        entry |= {"sha256": sha(files[entry["path"]]).hex(), "size": len(files[entry["path"]])}
    files["manifest.json"] = json.dumps(manifest).encode()
    sums = "".join(f"{sha(body).hex()}  {name}\n" for name, body in files.items() if name != "SHA256SUMS")
    files["SHA256SUMS"] = sums.encode()
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(forged, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)

    with pytest.raises(AssertionError):
        check(forged, tmp_path / "opened")


def test_a_casebook_that_is_not_the_signed_one_makes_no_package(
    package: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}")
    with casebook.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE audit SET hash = previous WHERE position = 3")
    casebook.close()

    assert not package(2).exists()
    assert "takin audit verify" in capsys.readouterr().err


def test_a_package_is_never_overwritten_and_needs_its_evidence(
    package: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = package()
    before = out.read_bytes()
    package(2)
    assert out.read_bytes() == before
    out.unlink()
    for file in (tmp_path / "evidence").rglob("*"):
        if file.is_file():
            file.unlink()
    assert not package(2).exists()

    assert "is missing" in capsys.readouterr().err


def test_what_left_before_an_erasure_is_checked_as_before_and_what_leaves_after_it_says_what_went(
    place: Path,
) -> None:
    store = EvidenceStore(place / "evidence")
    casebook = Casebook.open(f"sqlite:///{place / 'casebook.db'}")
    page = b"WARC/1.1 a page of canary"
    store.put(page)
    case_id = finished_case(casebook, page=page)
    with casebook.read() as tx:
        [item] = cases.items_of_case(tx, case_id)
        reference = cases.notice_by_id(tx, item.notice_id).human_reference
        sign_rows(place, tuple(sealing.audit_rows(tx)))
    before = make_package(place, reference, "before.zip")
    decision = erasure.Decision("de_1", "request", "Ada", "a request", "GDPR Article 17")
    erased = casebook.decide(erasure.erase, decision, case_ids=[case_id], now=at(LONG + 1))
    with casebook.read() as tx:
        sign_rows(place, tuple(sealing.audit_rows(tx)))
    casebook.close()

    after = check(make_package(place, reference, "after.zip"), place / "after")

    left = check(before, place / "before")
    assert CANARY.encode() in left["notice/sent-body"]
    assert not [path for path, body in after.items() if CANARY.encode() in body]
    assert not [path for path in after if path.endswith(".warc")]
    assert json.loads(after["pictures.json"]) == {"verdicts": 1, "erased": 1, "pictures": []}
    [told] = json.loads(after["erasures.json"])
    assert (told["decided_by"], told["why"]) == ("Ada", "a request")
    assert {subject for subject, _, _ in told["things"]} == {subject for subject, _ in erased.things}
    # The rows that sealed what left are in the chain as they were.
    old = {row["position"]: row["hash"] for row in json.loads(left["audit/rows.json"])}
    new = {row["position"]: row["hash"] for row in json.loads(after["audit/rows.json"])}
    assert {position: new[position] for position in old if position in new}.items() <= old.items()
    assert len(old.keys() & new.keys()) > 20
