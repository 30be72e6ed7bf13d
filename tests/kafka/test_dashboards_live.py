"""Every query of every panel, asked of a real Prometheus that scraped a real run: each must return data."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy import catalogue
from streams.local.ports import free_port
from tests.support.prometheus_tools import tool
from tests.support.queries import Asked, asked

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

DEPLOY = Path(__file__).parents[2] / "deploy"
PATIENCE_S = 90
NOT_A_LABEL_OF_OURS = {"__name__", "job", "instance", "process", "le"}


@contextlib.contextmanager
def running(*command: object, cwd: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TAKIN_CACHE_DIR") if name in os.environ}
    with (cwd / f"{Path(str(command[-1])).name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={"PYTHONPATH": os.getcwd(), **kept, **env},
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def until(file: Path, within_s: float = 60) -> None:
    began = time.monotonic()
    while not file.exists():
        assert time.monotonic() - began < within_s, f"{file.name} was not written"
        time.sleep(0.2)


def more_platforms(data: Path, file: Path) -> str:
    """A platforms file under which one platform is crawled and its pictures are fetched; its name."""
    told = yaml.safe_load((data / "platforms.yaml").read_text())
    [chosen] = [one for one in told["platforms"] if one["name"] == "sandbox-prompt"]
    chosen |= {"pictures": {"fetch": True}, "crawl": {"delay_s": 0.2}}
    file.write_text(yaml.safe_dump({**told, "platforms": [chosen]}))
    return str(chosen["name"])


def prometheus_folder(folder: Path, data: Path, further: Mapping[str, int]) -> Path:
    """The shipped configuration with a quicker pace, and the targets of this run."""
    place = folder / "prometheus"
    (place / "targets").mkdir(parents=True)
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del config["alerting"]
    (place / "prometheus.yml").write_text(yaml.safe_dump(config))
    for name in ("recording.yml", "alerts.yml"):
        (place / name).write_text((DEPLOY / "prometheus" / name).read_text())
    targets = json.loads((data / "prometheus-targets.json").read_text())
    for process, port in further.items():
        targets.append({"targets": [f"127.0.0.1:{port}"], "labels": {"process": process}})
    (place / "targets/takin.json").write_text(json.dumps(targets))
    return place


def test_every_panel_shows_data_of_a_real_run(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    listings = tmp_path / "listings.jsonl"
    listings.write_bytes((files("streams.local.demo") / "listings.jsonl").read_bytes())
    takin = (sys.executable, "-m", "streams.cli")
    environment = {"TAKIN_DATA_DIR": str(data)}
    subprocess.run(
        [*takin, "audit", "key"],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd(), **environment},
    )
    web, further = free_port(), {name: free_port() for name in ("follower", "crawler", "pictures")}
    queries = [
        one
        for file in sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
        for one in asked(json.loads(file.read_text()))
    ]

    with contextlib.ExitStack() as stack:
        stack.enter_context(
            running(*takin, "up", "--rate", 60, "--source", f"file:{listings}", cwd=tmp_path, **environment)
        )
        until(data / "prometheus-targets.json")
        ports = json.loads((data / "ports.json").read_text())
        place = prometheus_folder(tmp_path, data, further)
        stack.enter_context(
            running(
                *(tool("prometheus"), f"--config.file={place / 'prometheus.yml'}"),
                *(f"--storage.tsdb.path={place / 'data'}", f"--web.listen-address=127.0.0.1:{web}"),
                cwd=tmp_path,
            )
        )
        until(data / "connect-summary.json", 90)
        feed = f"feed:http://127.0.0.1:{ports['sandbox:sandbox-prompt']}/feed.json"
        crawled = more_platforms(data, tmp_path / "more.yaml")
        for process, command, platforms in (
            ("follower", ("connect", feed, "--follow", "--interval", 2), data / "platforms.yaml"),
            ("crawler", ("connect", crawled, "--follow", "--interval", 2), tmp_path / "more.yaml"),
            ("pictures", ("pictures",), tmp_path / "more.yaml"),
        ):
            stack.enter_context(
                running(
                    *(*takin, *command, "--platforms", platforms, "--metrics-port", further[process]),
                    cwd=tmp_path,
                    KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{ports['kafka']}",
                    **environment,
                )
            )
        with httpx.Client(base_url=f"http://127.0.0.1:{web}", trust_env=False, timeout=10) as client:
            httpx.get(f"http://127.0.0.1:{ports['desk']}/login", trust_env=False).raise_for_status()
            empty = settle(client, queries)
            assert empty == []
            assert labels_are_closed(client) > 50
            health = client.get("/api/v1/targets").json()["data"]["activeTargets"]
            assert {one["labels"]["process"] for one in health if one["health"] == "up"} >= {
                *("notices", "desk", "screening", "auditor", "intake", *further),
            }
            failed = [
                rule["name"]
                for group in client.get("/api/v1/rules").json()["data"]["groups"]
                for rule in group["rules"]
                if rule["health"] == "err"
            ]
            assert failed == []


def ask(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", f"{query}: {answer}"
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def settle(client: httpx.Client, queries: list[Asked]) -> list[str]:
    """Ask until every query has answered something once, or patience ends; those that never did."""
    waiting, began = list(queries), time.monotonic()
    while waiting and time.monotonic() - began < PATIENCE_S:
        time.sleep(1)
        with contextlib.suppress(httpx.TransportError):
            waiting = [one for one in waiting if not ask(client, one.concrete())]
    return [f"{one}: {one.concrete()}" for one in waiting]


def labels_are_closed(client: httpx.Client) -> int:
    """Every series that was scraped has the labels that are declared, with values of their closed sets."""
    known = catalogue.sample_names()
    series = client.get("/api/v1/series", params={"match[]": '{__name__=~"takin_.+",job="takin"}'}).json()
    for one in series["data"]:
        if one["__name__"].endswith("_created"):
            continue
        metric = known[one["__name__"]]
        given = {name: value for name, value in one.items() if name not in NOT_A_LABEL_OF_OURS}

        assert set(given) == {label.name for label in metric.labels}, one
        for label in metric.labels:
            assert label.allows(given[label.name]), one
    return len(series["data"])
