"""The manifests, as far as they can be judged without a cluster."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from schemas.kafka_access import SETTINGS
from schemas.rights import ACCOUNTS
from schemas.topics import PARTITIONS
from tests.deploy.production import refused
from tests.deploy.test_containers import OURS, known_settings

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
VERSION = "1.31"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


WORKLOADS = documents("workloads.yaml")
NETWORK = documents("network.yaml")
DEPLOYMENTS = {one["metadata"]["name"]: one for one in WORKLOADS if one["kind"] == "Deployment"}


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize(
    "document", [*WORKLOADS, *NETWORK], ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_a_resource_is_as_kubernetes_describes_it(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_misspelt_field_is_found() -> None:
    wrong = {**WORKLOADS[0], "specs": {}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_process_is_a_command_of_ours_may_do_little_and_has_no_secret_in_its_file(name: str) -> None:
    [container] = pod(name)["containers"]
    environment = {one["name"]: one.get("value") for one in container["env"]}

    assert refused(container["args"]) is None
    assert set(environment) - known_settings() == set()
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert {"readinessProbe", "livenessProbe", "startupProbe"} <= set(container)
    # A file that holds a secret may be named; a secret may not stand here.
    assert not any("SECRET" in key or key.endswith("PASSWORD") for key in environment)
    assert "sslmode=verify-full" in environment.get("DATABASE_URL", "sslmode=verify-full")
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod(name)["volumes"]}


def test_every_process_logs_in_to_kafka_as_itself() -> None:
    accounts = {}
    for name in DEPLOYMENTS:
        [container] = pod(name)["containers"]
        told = {one["name"]: one["value"] for one in container["env"] if one["name"] in SETTINGS}
        if told:
            assert told["KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
            secrets = {one["secret"]["secretName"] for one in pod(name)["volumes"] if "secret" in one}
            assert told["KAFKA_SASL_USERNAME"] in secrets
        accounts[name] = told.get("KAFKA_SASL_USERNAME")

    assert accounts == {
        "takin-screening": "takin-screening",
        "takin-notices": "takin-notices",
        "takin-desk": "takin-desk",
        "takin-intake": "takin-intake",
        "takin-intake-mail": "takin-intake",
        "takin-auditor": "takin-auditor",
        "takin-pictures": "takin-pictures",
        "takin-connect-example-market": "takin-connector",
    }
    assert {account for account in accounts.values() if account} <= set(ACCOUNTS)


def test_every_process_of_the_composition_is_there_but_the_topics_which_are_resources_of_their_own() -> None:
    arguments = sorted(pod(name)["containers"][0]["args"] for name in DEPLOYMENTS)
    wanted = {tuple(one["command"]) for name, one in OURS.items() if name != "topics"}

    assert arguments == sorted(list(one) for one in wanted)


def test_what_is_optional_has_no_copies_and_what_is_alone_never_two() -> None:
    none = {name for name, one in DEPLOYMENTS.items() if one["spec"]["replicas"] == 0}
    strategies = {name: one["spec"]["strategy"]["type"] for name, one in DEPLOYMENTS.items()}

    assert none == {"takin-pictures", "takin-intake-mail"}
    assert none == {f"takin-{name}" for name, one in OURS.items() if one.get("profiles")}
    assert {name for name, one in strategies.items() if one == "Recreate"} == {
        "takin-auditor",
        "takin-intake-mail",
        "takin-connect-example-market",
    }


def test_reports_by_mail_are_known_again_and_their_pictures_are_where_the_desk_looks() -> None:
    claims = {
        name: {
            one["persistentVolumeClaim"]["claimName"]
            for one in pod(name)["volumes"]
            if "persistentVolumeClaim" in one
        }
        for name in ("takin-intake-mail", "takin-desk")
    }

    # The folder holds the key of the reports' ids as well: with one that is empty after a restart, a mail
    # that comes twice would be two reports.
    assert claims == {"takin-intake-mail": {"takin-evidence"}, "takin-desk": {"takin-evidence"}}


def test_what_has_copies_keeps_one_when_a_node_is_emptied() -> None:
    budgets = {
        one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]
        for one in WORKLOADS
        if one["kind"] == "PodDisruptionBudget"
    }
    copied = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]
        for one in DEPLOYMENTS.values()
        if one["spec"]["replicas"] > 1
    }

    assert budgets == copied


def test_the_network_lets_through_only_what_is_named() -> None:
    [nothing] = [one for one in NETWORK if one["metadata"]["name"] == "takin-nothing"]
    assert nothing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}

    def targets(port: int, direction: str) -> set[str]:
        return {
            policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for policy in NETWORK
            for rule in policy["spec"].get(direction, [])
            if any(one["port"] == port for one in rule.get("ports", []))
            and "app.kubernetes.io/component" in policy["spec"]["podSelector"].get("matchLabels", {})
        }

    assert targets(9093, "egress") == {
        "screening",
        "notices",
        "desk",
        "intake",
        "intake-mail",
        "auditor",
        "pictures",
        "connect-example-market",
    }
    assert targets(5432, "egress") == {"notices", "desk"}
    assert targets(443, "egress") == {"notices", "desk", "pictures", "connect-example-market"}
    # Mail is read and sent by these alone.
    assert (
        targets(993, "egress")
        == targets(587, "egress")
        == {
            "notices",
            "desk",
            "intake-mail",
            "connect-example-market",
        }
    )
    # Pictures may stand at plain http; whoever holds a key or a letter never speaks it.
    assert targets(80, "egress") == {"pictures"}
    world = [
        peer["ipBlock"]
        for policy in NETWORK
        for rule in policy["spec"].get("egress", [])
        for peer in rule.get("to", [])
        if "ipBlock" in peer
    ]
    assert world
    assert all("169.254.0.0/16" in one["except"] for one in world)


def test_screening_is_scaled_by_age_and_never_beyond_its_partitions() -> None:
    [scaled] = documents("scaling.yaml")
    spec = scaled["spec"]
    [trigger] = spec["triggers"]

    assert spec["scaleTargetRef"]["name"] in DEPLOYMENTS
    assert spec["maxReplicaCount"] == PARTITIONS
    metric = trigger["metadata"]["query"].removeprefix("max(").removesuffix(")")
    assert f"`{metric}`" in (FOLDER.parent / "metrics.md").read_text("utf-8")


def test_the_kustomization_names_every_file() -> None:
    [kustomization] = documents("kustomization.yaml")

    assert sorted(kustomization["resources"]) == sorted(
        file.name for file in FOLDER.glob("*.yaml") if file.name != "kustomization.yaml"
    )
