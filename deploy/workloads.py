"""Kubernetes resources of every process, from the same command lines as the composition.

Never applied to a cluster here: they are checked against Kubernetes' own schemas, and their command lines are
read by our own parsers.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from schemas.topics import PARTITIONS

HERE = Path(__file__).resolve().parent
IMAGE = "takin:0.1.0"
METRICS = 9700
HEAD = """\
# Made by `make observability` from deploy/workloads.py; do not edit. Never applied to a cluster here.
"""
KAFKA = {
    "KAFKA_BOOTSTRAP_SERVERS": "takin-kafka-bootstrap:9093",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SSL_CAFILE": "/run/kafka-ca/ca.crt",
    "KAFKA_SASL_PASSWORD_FILE": "/run/kafka-account/password",
}
PROCESSES: Mapping[str, Mapping[str, Any]] = {
    # Service of the composition; Kafka account; copies; port that others reach; what it keeps between starts;
    # whether never two of it run.
    "screening": {"of": "screening-1", "account": "takin-screening", "copies": 2},
    "notices": {"of": "notices", "account": "takin-notices", "copies": 2, "port": 8710, "shared": "evidence"},
    "desk": {"of": "desk", "account": "takin-desk", "copies": 2, "port": 8720, "shared": "evidence"},
    "intake": {"of": "intake", "account": "takin-intake", "copies": 2, "port": 8730, "shared": "evidence"},
    # Ends at once without a mailbox file; an overlay adds that to `takin-config`, its password to
    # `takin-secrets`, and gives it a copy. Two would empty one mailbox.
    "intake-mail": {
        "of": "intake-mail",
        "account": "takin-intake",
        "copies": 0,
        "shared": "evidence",
        "alone": True,
    },
    "auditor": {"of": "auditor", "account": "takin-auditor", "copies": 1, "own": "auditor"},
    # Ends at once where no platform has `pictures: {fetch: true}`; an overlay's `replicas` gives it copies.
    "pictures": {"of": "pictures", "account": "takin-pictures", "copies": 0},
    "connect-example-market": {
        "of": "connect-example-market",
        "account": "takin-connector",
        "copies": 1,
        "own": "connect-example-market",
    },
}
OUTSIDE: Mapping[str, tuple[int, ...]] = {
    "notices": (443, 587, 993),
    "desk": (443, 587, 993),
    "connect-example-market": (443, 587, 993),
    "pictures": (80, 443),
    "intake-mail": (587, 993),
}
"""Processes that call platforms, send mail or fetch pictures, and the ports that they reach."""
DATABASE = ("notices", "desk")


def files() -> Mapping[str, str]:
    """Path inside ``deploy``, text."""
    composition = yaml.safe_load((HERE / "compose/compose.yaml").read_text("utf-8"))["services"]
    made = {
        "workloads.yaml": _workloads(composition),
        "network.yaml": _network(),
        "scaling.yaml": iter([_scaling()]),
    }
    texts = {
        f"kubernetes/{name}": HEAD + yaml.safe_dump_all(list(resources), sort_keys=False, width=110)
        for name, resources in made.items()
    }
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "takin",
        "resources": ["topics.yaml", "users.yaml", *made],
        "configMapGenerator": [
            {
                "name": "takin-config",
                "files": [f"config/{name}.yaml" for name in ("platforms", "sender", "intake_keys")],
            }
        ],
    }
    texts["kubernetes/kustomization.yaml"] = HEAD + yaml.safe_dump(kustomization, sort_keys=False)
    return texts


def _workloads(composition: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    claimed = set()
    for name, wish in PROCESSES.items():
        yield _deployment(name, wish, composition[wish["of"]])
        if "port" in wish:
            yield _service(name, wish["port"])
        if wish["copies"] > 1:
            yield _budget(name)
        for kind in ("own", "shared"):
            claim = wish.get(kind)
            if claim and claim not in claimed:
                claimed.add(claim)
                yield _claim(claim, shared=kind == "shared")


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "takin", "app.kubernetes.io/component": name}


def _metadata(name: str, process: str | None = None) -> dict[str, Any]:
    return {"name": f"takin-{name}", "labels": _labels(process or name)}


def _deployment(name: str, wish: Mapping[str, Any], service: Mapping[str, Any]) -> dict[str, Any]:
    # What one process alone may hold is never open in two: the old one ends before the new one starts.
    alone = wish.get("own") or wish.get("alone")
    strategy = {"type": "Recreate"} if alone else {"type": "RollingUpdate"}
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": 0, "maxSurge": 1}  # type: ignore[assignment]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name),
        "spec": {
            "replicas": wish["copies"],
            "strategy": strategy,
            "selector": {"matchLabels": _labels(name)},
            "template": {
                "metadata": {"labels": _labels(name)},
                "spec": {
                    "automountServiceAccountToken": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 10001,
                        "runAsGroup": 10001,
                        "fsGroup": 10001,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "terminationGracePeriodSeconds": 20,
                    "containers": [_container(wish, service)],
                    "volumes": _volumes(wish, service),
                },
            },
        },
    }


def _container(wish: Mapping[str, Any], service: Mapping[str, Any]) -> dict[str, Any]:
    ports = [{"name": "metrics", "containerPort": METRICS}]
    if "port" in wish:
        ports.append({"name": "http", "containerPort": wish["port"]})
    return {
        "name": "takin",
        "image": IMAGE,
        "args": list(service["command"]),
        "env": _environment(wish, service),
        "ports": ports,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        # Health is progress: while Kafka or the database is away a restart mends nothing, so it only takes
        # the pod out of its service. What stands still ends by itself; what does not answer is ended.
        "readinessProbe": _probe("/health", period=10, failures=3),
        "startupProbe": _probe("/metrics", period=5, failures=24),
        "livenessProbe": _probe("/metrics", period=20, failures=3),
        "volumeMounts": _mounts(wish, service),
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "metrics"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _environment(wish: Mapping[str, Any], service: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = {name: value for name, value in service["environment"].items() if not name.startswith("KAFKA_")}
    if wish["account"]:
        given |= KAFKA | {"KAFKA_SASL_USERNAME": wish["account"]}
    if "DATABASE_URL" in given:
        given["DATABASE_URL"] = (
            "postgresql://takin@takin-postgres/takin?passfile=/run/secrets/pgpass"
            "&sslmode=verify-full&sslrootcert=/run/secrets/postgres-ca.crt"
        )
    return [{"name": name, "value": str(value)} for name, value in sorted(given.items())]


def _volumes(wish: Mapping[str, Any], service: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        {"name": "config", "configMap": {"name": "takin-config"}},
    ]
    claim = wish.get("own") or wish.get("shared")
    state = {"persistentVolumeClaim": {"claimName": f"takin-{claim}"}} if claim else {"emptyDir": {}}
    found.append({"name": "state", **state})
    if service.get("secrets"):
        found.append({"name": "secrets", "secret": {"secretName": "takin-secrets", "defaultMode": 0o440}})
    if wish["account"]:
        found.append({"name": "kafka-ca", "secret": {"secretName": "takin-cluster-ca-cert"}})
        account = {"secretName": wish["account"], "defaultMode": 0o440}
        found.append({"name": "kafka-account", "secret": account})
    return found


def _mounts(wish: Mapping[str, Any], service: Mapping[str, Any]) -> list[dict[str, Any]]:
    paths = {
        "tmp": "/tmp",  # noqa: S108 the pod's own, of bounded size
        "config": "/etc/takin",
        "state": "/var/lib/takin",
        "secrets": "/run/secrets",
        "kafka-ca": "/run/kafka-ca",
        "kafka-account": "/run/kafka-account",
    }
    written = ("tmp", "state")
    return [
        {"name": one["name"], "mountPath": paths[one["name"]], "readOnly": one["name"] not in written}
        for one in _volumes(wish, service)
    ]


def _service(name: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name),
        "spec": {"selector": _labels(name), "ports": [{"name": "http", "port": port, "targetPort": "http"}]},
    }


def _budget(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _labels(name)}},
    }


def _claim(name: str, *, shared: bool) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(name),
        "spec": {
            # Pages that are evidence are written by one process and shown by another.
            "accessModes": ["ReadWriteMany" if shared else "ReadWriteOnce"],
            "resources": {"requests": {"storage": "20Gi" if shared else "1Gi"}},
        },
    }


def _network() -> Iterator[dict[str, Any]]:
    yield _policy("nothing", {}, {"policyTypes": ["Ingress", "Egress"]})
    everything = {"app.kubernetes.io/name": "takin"}
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    yield _policy("names", everything, {"policyTypes": ["Egress"], "egress": [{"ports": dns}]})
    scraper = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    yield _policy("metrics", everything, _ingress(scraper, METRICS))
    proxy = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    for name, wish in PROCESSES.items():
        if "port" in wish:
            yield _policy(f"{name}-in", _labels(name), _ingress(proxy, wish["port"]))
        if wish["account"]:
            brokers = {"podSelector": {"matchLabels": {"strimzi.io/cluster": "takin"}}}
            yield _policy(f"{name}-kafka", _labels(name), _egress(brokers, 9093))
        if name in DATABASE:
            server = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "postgres"}}}
            yield _policy(f"{name}-database", _labels(name), _egress(server, 5432))
        if name in OUTSIDE:
            # The same addresses that Takin's own client refuses, refused once more by the network.
            world = {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}}
            yield _policy(f"{name}-out", _labels(name), _egress(world, *OUTSIDE[name]))


PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")


def _policy(name: str, labels: Mapping[str, str], rest: Mapping[str, Any]) -> dict[str, Any]:
    selector = {"matchLabels": dict(labels)} if labels else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"takin-{name}"},
        "spec": {"podSelector": selector, **rest},
    }


def _ingress(source: Mapping[str, Any], port: int) -> dict[str, Any]:
    return {"policyTypes": ["Ingress"], "ingress": [{"from": [source], "ports": [_tcp(port)]}]}


def _egress(target: Mapping[str, Any], *ports: int) -> dict[str, Any]:
    return {"policyTypes": ["Egress"], "egress": [{"to": [target], "ports": [_tcp(one) for one in ports]}]}


def _tcp(port: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": port}


def _scaling() -> dict[str, Any]:
    """KEDA: by how old what is decided now is, not by how much lies there."""
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _metadata("screening"),
        "spec": {
            "scaleTargetRef": {"name": "takin-screening"},
            "minReplicaCount": 2,
            # A worker without a partition has nothing to do.
            "maxReplicaCount": PARTITIONS,
            "cooldownPeriod": 600,
            "triggers": [
                {
                    "type": "prometheus",
                    "metadata": {
                        "serverAddress": "http://prometheus.monitoring:9090",
                        "query": "max(takin_partition_event_age_seconds)",
                        "threshold": "10",
                    },
                }
            ],
        },
    }
