"""Units and manifests: as far as they can be judged without the systems that they are for."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from schemas.rights import ACCOUNTS, Right, rights
from schemas.topics import CATALOGUE
from streams import cli

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_that_exists_and_is_hardened(
    unit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = unit.read_text("utf-8")
    line = re.search(r"^ExecStart=/opt/takin/bin/takin (.*)$", text, re.M)
    assert line
    words = shlex.split(line[1].replace("%i", "instance"))
    path = words[: 2 if words[0] == "notices" else 1]

    assert cli.main([*path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [word for word in words if word.startswith("--") and word not in shown] == []
    for setting in ("NoNewPrivileges=yes", "ProtectSystem=strict", "User=takin", "Restart=always"):
        assert setting in text
    # Watched, and able to say so: only a process that serves its health tells a service manager anything.
    assert {"Type=notify", "WatchdogSec=60", "WatchdogSignal=SIGKILL"} <= set(text.splitlines())
    assert "AF_UNIX" in text
    assert "--metrics-port" in words or "TAKIN_OBSERVABILITY_PORT=" in text


def test_each_process_of_the_composition_has_a_unit() -> None:
    composition = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text("utf-8"))["services"]
    ours = {one["command"][0] for one in composition.values() if one["image"].startswith("takin:")}
    units = {re.search(r"bin/takin ([a-z-]+)", unit.read_text("utf-8"))[1] for unit in UNITS}  # type: ignore[index]

    assert units == ours - {"topics"}
    ports = re.findall(r"port[= ](\d+)", "".join(unit.read_text("utf-8") for unit in UNITS))
    assert len(ports) == len(set(ports)), "two units want one port"


def test_reports_by_mail_are_taken_only_where_there_is_a_mailbox_file() -> None:
    text = (DEPLOY / "systemd/takin-intake-mail.service").read_text("utf-8")
    [file] = re.findall(r"--mailbox (\S+)", text)

    assert f"ConditionPathExists={file}" in text.partition("[Service]")[0].splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this system has no systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_can_read_a_unit(unit: Path, tmp_path: Path) -> None:
    # The program is not installed where the unit looks for it; everything else is as it stands.
    file = tmp_path / unit.name.replace("@", "@1")
    file.write_text(unit.read_text("utf-8").replace("/opt/takin/bin/takin", "/bin/true"))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False
    )

    own = [line for line in done.stderr.splitlines() if "takin" in line]
    assert (done.returncode, own) == (0, [])


def test_strimzis_topics_are_the_catalogues() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes/topics.yaml").read_text("utf-8")))

    assert [one["metadata"]["name"] for one in documents] == [topic.name for topic in CATALOGUE]
    for topic, document in zip(CATALOGUE, documents, strict=True):
        spec = document["spec"]
        assert spec["partitions"] == topic.partitions
        assert topic.config().items() <= spec["config"].items()
        assert spec["replicas"] > int(spec["config"]["min.insync.replicas"])


def test_strimzis_users_have_the_rights_that_were_tried_and_no_other() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes/users.yaml").read_text("utf-8")))
    found = {
        Right(user["metadata"]["name"], acl["resource"]["type"], acl["resource"]["name"], operation)
        for user in documents
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }

    assert [user["metadata"]["name"] for user in documents] == list(ACCOUNTS)
    assert {user["spec"]["authentication"]["type"] for user in documents} == {"scram-sha-512"}
    assert found == set(rights())
