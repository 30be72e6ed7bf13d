"""The image and the composition, as far as they can be judged without a container engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from schemas.kafka_access import SETTINGS
from streams.settings import Settings
from tests.deploy.production import refused

DEPLOY = Path(__file__).parents[2] / "deploy"
IMAGE = (DEPLOY / "containers/Containerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("takin:")}
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+[\w.-]*")
OWN_SETTINGS = {"TAKIN_OBSERVABILITY_PORT"}
"""Settings of one process alone; :class:`Settings` holds those of several."""


def known_settings() -> set[str]:
    named = {
        str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias
    }
    return named | OWN_SETTINGS | set(SETTINGS) | {f"TAKIN_{name.upper()}" for name in Settings.model_fields}


def test_the_image_is_made_in_stages_from_locked_packages_and_runs_as_nobody() -> None:
    stages = IMAGE.split("\nFROM ")[1:]

    assert len(stages) == 2
    assert IMAGE.count("--require-hashes") == IMAGE.count("--requirement") == 2
    assert re.findall(r"^USER (.*)$", stages[-1], re.M) == ["10001:10001"]
    assert "pip install" not in stages[-1]
    assert "://" not in IMAGE
    assert ":latest" not in IMAGE


def test_what_the_image_copies_exists() -> None:
    copied = [word for line in re.findall(r"^COPY (?!--)(.*)$", IMAGE, re.M) for word in line.split()[:-1]]

    assert copied
    assert [word for word in copied if not (DEPLOY.parent / word).exists()] == []


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_a_command_of_ours_with_settings_of_ours(name: str) -> None:
    service = OURS[name]

    assert refused(service["command"]) is None
    assert set(service["environment"]) - known_settings() == set()


def test_a_command_line_with_a_mistake_is_found() -> None:
    assert refused(["screening"]) is None
    for wrong in (["screen-everything"], ["desk", "--hosst=0.0.0.0"], ["notices", "serve", "--port=many"]):
        assert refused(wrong)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_and_may_do_little(name: str) -> None:
    service = SERVICES[name]

    assert PINNED.fullmatch(service["image"])
    assert service["user"].partition(":")[0] not in ("", "0", "root")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck"} <= set(service)
    assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_is_declared_and_what_it_reads_from_here_exists(name: str) -> None:
    service = SERVICES[name]
    sources = [volume.partition(":")[0] for volume in service.get("volumes", [])]

    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert {one for one in sources if not one.startswith(".")} <= set(COMPOSE["volumes"])
    assert [one for one in sources if one.startswith("..") and not (DEPLOY / "compose" / one).exists()] == []


@pytest.mark.parametrize("name", sorted(set(OURS) - {"topics"}))
def test_health_is_asked_where_it_is_served(name: str) -> None:
    service = OURS[name]
    words = [*service["command"], *(f"{k}={v}" for k, v in service["environment"].items())]

    assert "'http://127.0.0.1:9700/health'" in service["healthcheck"]["test"][-1]
    assert {"--metrics-port=9700", "TAKIN_OBSERVABILITY_PORT=9700"} & set(words)


def test_no_password_stands_in_a_file_and_the_database_reads_its_own() -> None:
    url = sa.make_url(OURS["notices"]["environment"]["DATABASE_URL"]).set(drivername="postgresql+psycopg")
    _, arguments = url.get_dialect()().create_connect_args(url)

    assert arguments["passfile"] == "/run/secrets/pgpass"
    assert "password" not in arguments
    inline = [
        f"{name}: {key}"
        for name, one in SERVICES.items()
        for key, value in one.get("environment", {}).items()
        if re.search("PASSWORD|SECRET|KEY", key)
        and not re.search("_FILE$", key)
        and "takin" not in str(value)
        and not str(value).startswith("file:/run/secrets/")
    ]
    assert inline == []


def test_kafka_and_the_database_are_reached_from_inside_only() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("kafka", "postgres"):
        assert SERVICES[name]["networks"] == ["inside"]
        assert "ports" not in SERVICES[name]


def test_prometheus_scrapes_every_process() -> None:
    config = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text("utf-8"))
    targets = [target for one in config["scrape_configs"][0]["static_configs"] for target in one["targets"]]

    assert sorted(targets) == sorted(f"{name}:9700" for name in OURS if name != "topics")


def test_reports_by_mail_share_the_desks_pictures_keep_their_own_key_and_hold_only_their_secrets() -> None:
    mail = OURS["intake-mail"]
    mounts = dict(one.split(":")[:2] for one in mail["volumes"])

    assert mail["profiles"] == ["mail"]
    assert mounts["evidence"] == "/var/lib/takin/evidence"
    assert mounts["evidence"] == dict(one.split(":")[:2] for one in OURS["desk"]["volumes"])["evidence"]
    assert mounts["intake-mail"] == mail["environment"]["TAKIN_DATA_DIR"]
    assert mail["secrets"] == ["contact.keys", "reports-mailbox"]
    assert "ports" not in mail
