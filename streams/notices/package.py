"""The evidence package of one notice: a ZIP that opens and can be checked without Takin."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.checkpoint import AuditCheckpoint
from schemas.detection import Detection
from streams.notices.casebook.dossier import Dossier, Sealed
from streams.notices.chain import AuditRow, Value, to_micros
from streams.notices.checkpoints import statement
from streams.notices.merkle import included, inclusion, leaf_hash
from streams.notices.pictures import Picture, pictures_of

FORMAT = "takin-evidence-package/1"

README = """\
EVIDENCE PACKAGE {reference}
made {made_at}, about a notice to {platform}

WHAT IS IN IT
  manifest.json       every file with its size, media type and SHA-256
  SHA256SUMS          the same hashes, for sha256sum
  notice/             the notice as recorded, and the body exactly as it was sent
  attempts.json       every try to deliver it; attempts/ holds what was replied, as received
  answers/raw/        what the platform sent, as received
  answers/            what was read from it; read-again.json (only where it was so): who had an answer
                      that could not be read before read once more, when and why
  observations.json   every look at the listing
  events.jsonl        everything that happened to the case, in order
  detections/         why the notice was written: the listing as screened, and the rules
  pictures.json       what those say of the listing's pictures: address, and where one was fetched when,
                      SHA-256, PDQ, kind, size; "fetched": null: nothing was found. No picture is in here.
  evidence/           pages as they were answered, WARC 1.1 (ISO 28500)
  erasures.json       (only where it was so) personal data that was erased, when, by whom and why
  audit/              what proves that none of this was changed later

HOW TO CHECK IT, without Takin
 1. The files are whole:            sha256sum -c SHA256SUMS
 2. The checkpoint is signed (only if audit/statement.json is here):
      openssl pkeyutl -verify -pubin -inkey audit/public-key.pem -rawin \\
        -in audit/statement.json -sigfile audit/signature.bin
    Compare audit/public-key.pem with the public key that the sender published elsewhere.
 3. Each row of audit/rows.json is what it says. With len(x) as 8 bytes, big-endian, before each part,
    and every part as UTF-8:
      hash = SHA-256( previous, position, micros, actor, act, subject, payload_sha256 )
    where position and micros (microseconds since 1970-01-01 UTC) are decimal numbers.
 4. Each row is among those that were signed (RFC 6962, RFC 9162 section 2.1.3.2): the leaf is
      SHA-256( 0x00, hash as 32 bytes ), a node is SHA-256( 0x01, left, right );
    the row's path leads from leaf number position-1 of size leaves to "root" in audit/statement.json.
 5. Each thing in audit/sealed.json has the payload_sha256 that the last row about its subject names:
    SHA-256 over these parts, each with its length before it as in 3:
      kind, "text", "", then for each column: its name, its type, its value
    and, where that row has a salt, SHA-256( salt, that hash in hexadecimal ), again with lengths;
    with the types none (empty), text, number (decimal), instant (microseconds), bytes (here in base64).
    The files of this package are the columns of those things.
 6. Where one subject has several rows (kinds that end in _state), the newest is the present state.
    Rows written after the checkpoint have no path; a later package has it.
 7. Where personal data was erased, a row whose act is "sealed_after_erasure" seals what is left, and a thing
 of
    the kind "erasure" says when, by whom and why; its body names each thing with the hash that was sealed
    before and the one since. The row from before stays; what it sealed, and its salt, do not.
"""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a package."""

    path: str
    content: bytes
    media_type: str


class NotTheSignedChain(Exception):
    """The casebook's rows are not those that the checkpoint signed."""


def build(
    dossier: Dossier,
    *,
    evidence: Mapping[str, bytes],
    checkpoint: AuditCheckpoint | None,
    public_key_pem: str | None,
    made_at: datetime,
) -> bytes:
    """The package as a ZIP. ``evidence`` holds the files of the dossier's exhibits by SHA-256.

    Raises:
        NotTheSignedChain: the checkpoint's tree does not hold the casebook's rows.
    """
    files = [
        *_notice(dossier),
        *_attempts(dossier),
        *_answers(dossier),
        _json("observations.json", [_plain(row) for row in dossier.of("observation")]),
        File(
            "events.jsonl",
            b"".join(row.value("body") + b"\n" for row in dossier.of("event")),
            "application/jsonl",
        ),
        *(
            File(f"detections/{number:03}.json", row.value("body"), "application/json")
            for number, row in enumerate(dossier.of("detection"), start=1)
        ),
        _pictures(dossier),
        *(
            File(f"evidence/{sha256}.warc", content, "application/warc")
            for sha256, content in sorted(evidence.items())
        ),
        _json("evidence/index.json", [_plain(row) for row in dossier.of("evidence")]),
        *_erasures(dossier),
        *_audit(dossier, checkpoint, public_key_pem),
    ]
    readme = README.format(
        reference=dossier.reference, made_at=made_at.isoformat(), platform=dossier.platform
    )
    files.append(File("README.txt", readme.encode(), "text/plain; charset=utf-8"))
    manifest = {
        "format": FORMAT,
        "reference": dossier.reference,
        "notice_id": dossier.notice_id,
        "platform": dossier.platform,
        "made_at": made_at.isoformat(),
        "checkpoint": None if checkpoint is None else checkpoint.number,
        "files": [
            {
                "path": file.path,
                "size": len(file.content),
                "media_type": file.media_type,
                "sha256": _sha256(file.content),
            }
            for file in sorted(files, key=lambda one: one.path)
        ],
    }
    files.append(_json("manifest.json", manifest))
    sums = "".join(f"{_sha256(f.content)}  {f.path}\n" for f in sorted(files, key=lambda one: one.path))
    files.append(File("SHA256SUMS", sums.encode(), "text/plain"))
    return _zip(files, made_at)


def _notice(dossier: Dossier) -> list[File]:
    [notice] = dossier.of("notice")
    files = [File("notice/notice.json", notice.value("body"), "application/json")]
    for row in dossier.of("outbox"):
        files.append(File("notice/sent-body", row.value("body"), row.value("content_type")))
    states = [row for row in dossier.rows if row.kind in ("notice_state", "item_state", "item")]
    files.append(_json("notice/state.json", [_plain(row) for row in states]))
    return files


def _attempts(dossier: Dossier) -> list[File]:
    files = []
    for row in dossier.of("attempt"):
        if row.value("reply"):
            path = f"attempts/{row.value('number'):03}-reply"
            files.append(File(path, row.value("reply"), "application/octet-stream"))
    rows = [_plain(row) for row in (*dossier.of("try"), *dossier.of("attempt"))]
    return [_json("attempts.json", rows), *files]


def _answers(dossier: Dossier) -> list[File]:
    files = []
    for number, row in enumerate(dossier.of("inbox"), start=1):
        files.append(File(f"answers/raw/{number:03}", row.value("body"), "application/octet-stream"))
        files.append(_json(f"answers/raw/{number:03}.about.json", _plain(row)))
    if readings := dossier.of("answer_reading"):
        files.append(_json("answers/read-again.json", [_plain(row) for row in readings]))
    for number, row in enumerate(dossier.of("response"), start=1):
        files.append(File(f"answers/{number:03}.json", row.value("body"), "application/json"))
    return files


def _pictures(dossier: Dossier) -> File:
    """A reading of the sealed detections: whoever doubts it compares each row with the one it names."""
    verdicts = [Detection.from_bytes(row.value("body")) for row in dossier.of("detection")]
    known = pictures_of(sorted(verdicts, key=lambda one: (one.listing.observed_at, one.screened_at)))
    rows = [_picture(row) for row in known.rows]
    return _json("pictures.json", {"verdicts": known.verdicts, "erased": known.erased, "pictures": rows})


def _picture(row: Picture) -> dict[str, Any]:
    return {
        "listing_id": row.listing_id,
        "url": row.url,
        "observed_at": row.observed_at.isoformat(),
        "sealed_as": f"detection:{row.detection_id}",
        "told": {"sha256": row.told_sha256, "perceptual_hash": row.told_perceptual_hash},
        "fetched": None if row.fetched is None else row.fetched.model_dump(mode="json"),
    }


def _erasures(dossier: Dossier) -> list[File]:
    rows = [{**_plain(row), "things": json.loads(row.value("body"))} for row in dossier.of("erasure")]
    return [_json("erasures.json", rows)] if rows else []


def _audit(dossier: Dossier, checkpoint: AuditCheckpoint | None, public_key_pem: str | None) -> list[File]:
    paths = _paths(dossier, checkpoint)
    rows = [{**_row(row), "path": paths.get(row.position)} for row in dossier.audit]
    files = [
        _json("audit/rows.json", rows),
        _json("audit/sealed.json", [_sealed(row) for row in dossier.rows]),
    ]
    if checkpoint is not None:
        signature = base64.b64decode(checkpoint.signature)
        files.append(File("audit/statement.json", statement(checkpoint), "application/json"))
        files.append(File("audit/signature.bin", signature, "application/octet-stream"))
    if public_key_pem is not None:
        files.append(File("audit/public-key.pem", public_key_pem.encode(), "application/x-pem-file"))
    return files


def _paths(dossier: Dossier, checkpoint: AuditCheckpoint | None) -> dict[int, list[str]]:
    if checkpoint is None:
        return {}
    leaves = [leaf_hash(one) for one in dossier.leaves]
    covered = [row.position for row in dossier.audit if row.position <= checkpoint.size]
    if len(leaves) != checkpoint.size:
        raise NotTheSignedChain(f"{checkpoint.size} rows were signed and {len(leaves)} are there")
    found = inclusion(leaves, [position - 1 for position in covered])
    root = bytes.fromhex(checkpoint.root)
    for position, path in zip(covered, found, strict=True):
        if not included(leaves[position - 1], position - 1, checkpoint.size, path, root):
            raise NotTheSignedChain(
                f"row {position} is not the one that checkpoint {checkpoint.number} signed"
            )
    return {position: [node.hex() for node in path] for position, path in zip(covered, found, strict=True)}


def _row(row: AuditRow) -> dict[str, Any]:
    return {
        "position": row.position,
        "micros": to_micros(row.act.at),
        "at": row.act.at.isoformat(),
        "actor": row.act.actor,
        "act": row.act.act,
        "subject": row.act.subject,
        "payload_sha256": row.act.payload_sha256,
        "previous": row.previous,
        "hash": row.hash,
        "salt": None if row.salt is None else row.salt.hex(),
    }


def _sealed(row: Sealed) -> dict[str, Any]:
    columns = [[name, *_typed(value)] for name, value in zip(row.columns, row.values, strict=True)]
    return {"subject": row.subject, "kind": row.kind, "columns": columns}


def _typed(value: Value) -> tuple[str, str]:
    match value:
        case None:
            return "none", ""
        case str():
            return "text", value
        case bytes():
            return "bytes", base64.b64encode(value).decode()
        case datetime():
            return "instant", str(to_micros(value))
        case int():
            return "number", str(value)


def _plain(row: Sealed) -> dict[str, Any]:
    """A row for reading; bytes are named by their hash, they lie in files of their own."""
    found: dict[str, Any] = {}
    for name, value in zip(row.columns, row.values, strict=True):
        match value:
            case bytes():
                found[f"{name}_sha256"] = _sha256(value)
            case datetime():
                found[name] = value.isoformat()
            case _:
                found[name] = value
    return found


def _json(path: str, value: Any) -> File:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return File(path, text.encode("utf-8", "surrogatepass"), "application/json")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _zip(files: Sequence[File], made_at: datetime) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(files, key=lambda one: one.path):
            entry = zipfile.ZipInfo(file.path, made_at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100444 << 16
            archive.writestr(entry, file.content)
    return whole.getvalue()
