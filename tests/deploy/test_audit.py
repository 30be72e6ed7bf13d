"""`make audit`: real pip-audit, and on loopback a service that speaks OSV's query API."""

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy import audit
from deploy.audit import Accepted, Fault, Package, told
from schemas.errors import OperatorError

TODAY = date(2030, 3, 1)
FAULTY = Package(
    name="parcel", version="1.0", vulns=(Fault(id="PYSEC-1", aliases=("CVE-1",), fix_versions=("1.1",)),)
)
CANARY = {("requests", "2.19.0"): audit.CANARY_FAULT}


@pytest.fixture
def known() -> dict[tuple[str, str], str]:
    """What the service knows: name and version, id of the fault."""
    return dict(CANARY)


@pytest.fixture
def service(known: Mapping[tuple[str, str], str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            package = asked["package"]
            fault = known.get((package["name"], asked["version"]))
            answer = {"vulns": [{"id": fault, "affected": [{"package": package}]}]} if fault else {}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    for lock in audit.LOCKS:
        (tmp_path / lock).write_text("parcel==1.0 --hash=sha256:" + 64 * "0" + "\n")
    (tmp_path / "audit.yaml").write_text("[]\n")
    return tmp_path


def test_a_locked_version_with_a_known_fault_is_red(
    known: dict[tuple[str, str], str], service: str, requirements: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(["--osv", service], requirements=requirements) == 0
    assert capsys.readouterr().out == "1 packages asked about, 0 things to do\n"

    known["parcel", "1.0"] = "CVE-1"

    assert audit.main(["--osv", service], requirements=requirements) == 1
    assert capsys.readouterr().err == "parcel 1.0 has CVE-1: no version without it is known\n"


def test_a_service_that_knows_nothing_is_not_believed(
    known: dict[tuple[str, str], str], service: str, requirements: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known.clear()

    assert audit.main(["--osv", service], requirements=requirements) == 2
    assert "so nothing is known: it says that this version is clean" in capsys.readouterr().err


def test_a_service_that_is_away_is_said(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(["--osv", "http://127.0.0.1:9/v1/query"], requirements=requirements) == 2
    assert "could not be asked, so nothing is known" in capsys.readouterr().err


def test_a_fault_is_accepted_until_its_day_and_not_after() -> None:
    row = Accepted(id="CVE-1", package="parcel", reason="not called", until=TODAY)

    assert told([FAULTY], [row], TODAY) == ()
    assert told([FAULTY], [row], date(2030, 3, 2)) == (
        "parcel 1.0 has CVE-1 = PYSEC-1: mended in 1.1; it was accepted until 2030-03-01",
    )


def test_another_fault_of_the_same_package_is_not_accepted_with_it() -> None:
    row = Accepted(id="CVE-2", package="parcel", reason="not called", until=TODAY)

    assert told([FAULTY], [row], TODAY) == (
        "parcel 1.0 has CVE-1 = PYSEC-1: mended in 1.1",
        "requirements/audit.yaml accepts CVE-2 of parcel, which no package has: take the row out",
    )


def test_a_package_that_the_service_does_not_know_is_not_clean() -> None:
    assert told([Package(name="parcel", skip_reason="not found")], [], TODAY) == (
        "parcel was not asked about: not found",
    )


def test_a_row_without_a_day_is_refused(requirements: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (requirements / "audit.yaml").write_text("- {id: CVE-1, package: parcel, reason: none}\n")

    assert audit.main([], requirements=requirements) == 2
    assert "each row has id, package, reason, until" in capsys.readouterr().err


def test_a_day_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "audit.yaml"
    file.write_text("- {id: A, package: b, reason: c, until: 2026-02-30}\n")

    with pytest.raises(OperatorError, match="line 1: day is out of range for month"):
        audit.accepted_in(file)


def test_the_accepted_faults_of_this_repository_are_well_formed() -> None:
    assert all(row.reason for row in audit.accepted_in(audit.REQUIREMENTS / "audit.yaml"))
