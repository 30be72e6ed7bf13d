"""Everything on one machine: which services there are, on which ports, with which files. Pure but for
:func:`prepare`, which writes those files.

With ``KAFKA_BOOTSTRAP_SERVERS`` or ``DATABASE_URL`` set, the real servers are used instead of the
embedded Kafka and the SQLite file. Without a platforms file the sandbox's platforms are there.
"""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from connectors.intake_keys import hash_key
from connectors.registry import load_platforms
from connectors.sandbox.scenario import Scenario
from schemas.errors import OperatorError
from schemas.kafka_access import PLAINTEXT, read_access
from streams.contacts.start import make_here
from streams.local.ports import free_port
from streams.local.readiness import join_group
from streams.local.service import Service

PORT_NAMES = (
    *("kafka", "receiver", "notices", "screening", "connect", "intake", "intake-metrics"),
    *("desk", "desk-metrics", "auditor", "pictures"),
)

FROZEN_AFTER_S = 60.0
"""Answers nothing on /health for so long: killed and started again."""

PRACTICE = {
    "rate_per_s": 50,
    "concurrency": 8,
    "sla": {
        "policy": "practice",
        "source": "no agreement: numbers for practice, so that a demonstration ends",
        "acknowledge_s": 5,
        "decide_s": 20,
        "remove_s": 30,
    },
    "probe": {
        "schedule_s": [1, 2, 3, 4, 6, 8, 10, 12, 14, 17, 20, 23, 26, 30, 35, 40, 50, 60],
        "gone_after_probes": 2,
        "gone_apart_s": 1.5,
        "unknown_again_s": 3,
        "mismatch_after_s": 5,
    },
    "delivery": {
        "retry_schedule_s": [1, 2, 3, 5, 8, 8, 8, 15, 30, 60],
        "poll_first_s": 2,
        "poll_longest_s": 5,
    },
    "breaker": {"open_s": 3, "longest_s": 20},
    "timeouts": {"connect_s": 2, "read_s": 5, "write_s": 5, "pool_s": 5, "total_s": 8},
}
"""Practice platforms count in seconds where real ones count in hours; see the scenario's times."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was asked for."""

    data_dir: Path
    source: str | None
    """``file:PATH``, ``feed:URL`` or ``page:URL``; absent: nothing is read."""
    stock: Path | None
    """File with the listings that the practice platforms show."""
    scenario: Scenario | None
    """How the practice platforms behave; absent with ``platforms_file``."""
    platforms_file: Path | None = None
    sender_file: Path | None = None
    bootstrap: str | None = None
    """A real Kafka; absent: the embedded one."""
    casebook_url: str | None = None
    rate: float | None = None
    """Listings a second; absent: as fast as it goes."""
    follow: bool = False
    screening_workers: int = 1
    logins: bool = False
    """Make an account of the desk for every role and practice platform, with random passwords."""
    intake: bool = False
    """Also take listings and reports over HTTP; a key for it is made at the first run."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was written, and what to start."""

    services: tuple[Service, ...]
    bootstrap: str
    casebook_url: str
    platforms_file: Path
    summary_file: Path
    ports: Mapping[str, int]


def prepare(machine: Machine) -> Prepared:
    """Choose ports (kept in the folder between runs), write the files, and name the services.

    Raises:
        OSError: the folder cannot be written.
        OperatorError: the environment says how a Kafka is reached that it does not name.
    """
    if machine.bootstrap is None and read_access(os.environ).protocol != PLAINTEXT:
        raise OperatorError(
            "KAFKA_SECURITY_PROTOCOL is set, and the embedded Kafka speaks PLAINTEXT only: set "
            "KAFKA_BOOTSTRAP_SERVERS to the Kafka that is meant, or unset KAFKA_SECURITY_PROTOCOL."
        )
    folder = machine.data_dir.absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = [one.name for one in machine.scenario.platforms] if machine.scenario else []
    workers = [f"screening-{number}" for number in range(2, machine.screening_workers + 1)]
    sandboxes = [f"sandbox:{name}" for name in names]
    ports = _ports(folder / "ports.json", (*PORT_NAMES, *workers, *sandboxes))
    bootstrap = machine.bootstrap or f"127.0.0.1:{ports['kafka']}"
    casebook_url = machine.casebook_url or f"sqlite:///{folder / 'casebook.db'}"
    platforms_file = machine.platforms_file
    if platforms_file is None:
        assert machine.scenario is not None, "there is a scenario or a platforms file"
        platforms_file = folder / "platforms.yaml"
        _write(platforms_file, practice_platforms(machine.scenario, ports))
        scenario = machine.scenario.model_dump(mode="json", by_alias=True, exclude_unset=True)
        for platform in scenario["platforms"]:
            platform["port"] = ports[f"sandbox:{platform['name']}"]
        _write(folder / "scenario.yaml", scenario)
    if "TAKIN_CONTACT_KEYS_FILE" not in os.environ:
        make_here(folder / "contact.keys", casebook_url)
    if machine.intake:
        _make_key(folder, names or [one.name for one in load_platforms(platforms_file)])
    summary = folder / "connect-summary.json"
    summary.unlink(missing_ok=True)
    pictures = any(one.pictures.fetch for one in load_platforms(platforms_file))
    shown = ["notices", "desk-metrics", "screening", *workers, "auditor", "connect", "intake-metrics"]
    shown += ["pictures"] if pictures else []
    idle = {"connect"} if machine.source is None else set()
    idle |= set() if machine.intake else {"intake-metrics"}
    targets = [
        {"targets": [f"127.0.0.1:{ports[name]}"], "labels": {"process": name.removesuffix("-metrics")}}
        for name in shown
        if name not in idle
    ]
    (folder / "prometheus-targets.json").write_text(json.dumps(targets, indent=2) + "\n", encoding="utf-8")
    return Prepared(
        services=(
            *_services(machine, folder, platforms_file, summary, bootstrap, casebook_url, ports),
            *([_pictures(folder, platforms_file, bootstrap, ports["pictures"])] if pictures else []),
        ),
        bootstrap=bootstrap,
        casebook_url=casebook_url,
        platforms_file=platforms_file,
        summary_file=summary,
        ports=ports,
    )


def practice_platforms(scenario: Scenario, ports: Mapping[str, int]) -> dict[str, Any]:
    """A platforms file for the sandbox's platforms."""
    return {
        "platforms": [
            {
                "name": one.name,
                "kind": "sandbox",
                "base_url": f"http://127.0.0.1:{ports[f'sandbox:{one.name}']}",
                "private_address": True,
                "dev_only": True,
                "secret": list(one.incoming_secrets),
                "webhook_secret": list(one.outgoing_secrets),
                "legal_entity": f"{one.name} (practice)",
                **PRACTICE,
            }
            for one in scenario.platforms
        ]
    }


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    path.chmod(0o600)


def _make_key(folder: Path, platforms: list[str]) -> None:
    """A key for this machine's own intake, unless there is one: the key in one file, its hash in another."""
    keys = folder / "intake_keys.yaml"
    if keys.exists():
        return
    token = "tk_" + secrets.token_urlsafe(32)
    _write(
        keys,
        {
            "keys": [
                {
                    "id": "this-machine",
                    "sha256": hash_key(token),
                    "organisation": "this machine",
                    "roles": ["listings", "reports"],
                    "platforms": platforms,
                    "reporters": ["citizen", "officer", "partner"],
                }
            ]
        },
    )
    key = folder / "intake_key"
    key.touch(mode=0o600)
    key.write_text(token + "\n", encoding="utf-8")


def _ports(file: Path, names: tuple[str, ...]) -> dict[str, int]:
    """A port for each name: the one it had before, or a free one."""
    known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    ports = dict(known)
    for name in names:
        while name not in ports or list(ports.values()).count(ports[name]) > 1:
            ports[name] = free_port()
    if ports != known:
        file.write_text(json.dumps(ports, indent=2) + "\n")
    return ports


def takin(*arguments: str) -> tuple[str, ...]:
    """Our own command in this interpreter."""
    return (sys.executable, "-m", "streams.cli", *arguments)


def _services(
    machine: Machine,
    folder: Path,
    platforms_file: Path,
    summary: Path,
    bootstrap: str,
    casebook_url: str,
    ports: Mapping[str, int],
) -> tuple[Service, ...]:
    env = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "DATABASE_URL": casebook_url,
        "TAKIN_DATA_DIR": str(folder),
        "TAKIN_PLATFORMS_FILE": str(platforms_file),
        "TAKIN_DESK_BASE": f"http://127.0.0.1:{ports['desk']}",
    }
    services: list[Service] = []
    if machine.bootstrap is None:
        services.append(
            Service(
                "kafka",
                takin("kafka", "--data-dir", str(folder / "kafka"), "--port", str(ports["kafka"])),
                ready=_group_joined(bootstrap),
                ready_within_s=120,
            )
        )
    kafka = tuple(service.name for service in services)
    services.append(Service("topics", takin("topics", "apply"), env, needs=kafka, once=True))
    sandbox: tuple[str, ...] = ()
    if machine.scenario is not None and machine.platforms_file is None:
        first = machine.scenario.platforms[0].name
        stock = ("--stock", str(machine.stock)) if machine.stock else ()
        services.append(
            Service(
                "sandbox",
                takin(
                    "sandbox",
                    *("--scenario", str(folder / "scenario.yaml"), "--state", str(folder / "sandbox")),
                    *stock,
                ),
                env,
                ready=f"http://127.0.0.1:{ports[f'sandbox:{first}']}/",
            )
        )
        sandbox = ("sandbox",)
    sender = ("--sender", str(machine.sender_file)) if machine.sender_file else ()
    services.append(
        Service(
            "notices",
            takin(
                "notices",
                "serve",
                *("--port", str(ports["receiver"]), "--metrics-port", str(ports["notices"])),
                *sender,
            ),
            env,
            ready=f"http://127.0.0.1:{ports['notices']}/health",
            frozen_after_s=FROZEN_AFTER_S,
            needs=("topics", *sandbox),
        )
    )
    services.append(
        Service(
            "desk",
            takin(
                "desk",
                *("--port", str(ports["desk"]), "--metrics-port", str(ports["desk-metrics"])),
                *("--reply-base", f"http://127.0.0.1:{ports['receiver']}"),
                *sender,
            ),
            env,
            ready=f"http://127.0.0.1:{ports['desk-metrics']}/health",
            frozen_after_s=FROZEN_AFTER_S,
            needs=("notices",),
        )
    )
    workers = []
    for number in range(1, machine.screening_workers + 1):
        name = "screening" if number == 1 else f"screening-{number}"
        port = ports[name]
        workers.append(name)
        services.append(
            Service(
                name,
                takin("screening"),
                {**env, "TAKIN_OBSERVABILITY_PORT": str(port)},
                ready=f"http://127.0.0.1:{port}/health",
                frozen_after_s=FROZEN_AFTER_S,
                needs=("topics",),
            )
        )
    services.append(
        Service(
            "auditor",
            takin("auditor", "--metrics-port", str(ports["auditor"])),
            env,
            ready=f"http://127.0.0.1:{ports['auditor']}/health",
            frozen_after_s=FROZEN_AFTER_S,
            needs=("topics",),
        )
    )
    if machine.intake:
        services.append(
            Service(
                "intake",
                takin(
                    "intake",
                    *("--keys", str(folder / "intake_keys.yaml"), "--follow", "--pictures"),
                    *("--port", str(ports["intake"]), "--metrics-port", str(ports["intake-metrics"])),
                ),
                env,
                ready=f"http://127.0.0.1:{ports['intake-metrics']}/health",
                needs=("topics",),
            )
        )
    if machine.source is not None:
        pace = () if machine.rate is None else ("--rate", str(machine.rate))
        mode = "--follow" if machine.follow else "--once"
        services.append(
            Service(
                "connect",
                takin(
                    "connect",
                    machine.source,
                    mode,
                    "--wait-for-kafka",
                    *("--summary", str(summary), "--metrics-port", str(ports["connect"])),
                    *pace,
                ),
                env,
                needs=("topics", "notices", *workers, *sandbox),
                once=not machine.follow,
            )
        )
    return tuple(services)


def _pictures(folder: Path, platforms_file: Path, bootstrap: str, port: int) -> Service:
    """What fetches listings' pictures, where a platform of the file wants that."""
    return Service(
        "pictures",
        takin("pictures", "--metrics-port", str(port)),
        {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "TAKIN_DATA_DIR": str(folder),
            "TAKIN_PLATFORMS_FILE": str(platforms_file),
        },
        ready=f"http://127.0.0.1:{port}/health",
        needs=("topics",),
    )


def _group_joined(bootstrap: str) -> Callable[[], Awaitable[bool]]:
    """Ready when a consumer group can be joined, not when the port is open."""

    async def ready() -> bool:
        try:
            await asyncio.wait_for(join_group(bootstrap), 10)
        except TimeoutError:
            return False
        return True

    return ready


def environment() -> tuple[str | None, str | None]:
    """The real Kafka and database that the environment names, if it does."""
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), os.environ.get("DATABASE_URL")
