"""Give the accounts of :mod:`schemas.rights` their rights on a broker that asks for them.

Rights are only added: what somebody gave by hand is told, and taken away by nobody but a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from schemas.errors import OperatorError
from schemas.rights import Right, rights
from streams.local.readiness import admin_client

RESOURCES = {"topic": 2, "group": 3}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
ANY, LITERAL, ALLOW, ANY_HOST = 1, 3, 3, "*"
"""Numbers of Kafka's protocol: in a filter; pattern and permission of one rule."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, or would be."""

    added: tuple[Right, ...]
    present: tuple[Right, ...]
    foreign: tuple[str, ...]
    """Rules on the broker that are not ours, each in words: nobody but a person judges them."""


async def apply(bootstrap: str, *, dry_run: bool = False) -> Report:
    """Add every right that is missing. Doing it twice does it once.

    Raises:
        OperatorError: no broker answers, it asks for no rights, or our account may not give any.
    """
    wanted = rights()
    async with admin_client(bootstrap) as admin:
        try:
            there, foreign = await _there(admin, wanted)
            missing = tuple(right for right in wanted if right not in there)
            if not dry_run:
                for right in missing:
                    await _add(admin, right)
        except (KafkaError, OSError) as error:
            raise OperatorError(
                f"The Kafka broker at {bootstrap} stopped answering while rights were given "
                f"({type(error).__name__}): see that it runs, then do it again."
            ) from error
    return Report(missing, tuple(right for right in wanted if right in there), foreign)


async def _there(
    admin: AIOKafkaAdminClient, wanted: Sequence[Right]
) -> tuple[frozenset[Right], tuple[str, ...]]:
    answer = await admin._send_request(DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY))
    _refuse(answer.error_code, answer.error_message, "see the rights there are")
    by_rule = {
        (RESOURCES[right.resource], right.name, f"User:{right.account}", OPERATIONS[right.operation]): right
        for right in wanted
    }
    found, foreign = set(), []
    for resource_type, name, pattern, rules in answer.resources:
        for principal, host, operation, permission in rules:
            right = by_rule.get((resource_type, name, principal, operation))
            if right is not None and (pattern, host, permission) == (LITERAL, ANY_HOST, ALLOW):
                found.add(right)
            else:
                verb = "may" if permission == ALLOW else "may not"
                what = f"{_word(OPERATIONS, operation)} {_word(RESOURCES, resource_type)} {name}"
                foreign.append(f"{principal} {verb} {what}")
    return frozenset(found), tuple(sorted(foreign))


def _word(numbers: dict[str, int], number: int) -> str:
    return next((word for word, known in numbers.items() if known == number), f"(number {number})")


async def _add(admin: AIOKafkaAdminClient, right: Right) -> None:
    answer = await admin._send_to_controller(
        CreateAclsRequest(
            RESOURCES[right.resource],
            right.name,
            LITERAL,
            f"User:{right.account}",
            ANY_HOST,
            OPERATIONS[right.operation],
            ALLOW,
        )
    )
    for code, words in answer.creation_responses:
        _refuse(code, words, f"let {right.account} {right.operation} {right.name}")


def _refuse(code: int, words: str | None, doing: str) -> None:
    if not code:
        return
    reason = for_code(code).__name__
    if reason == "SecurityDisabled":
        raise OperatorError(
            "This Kafka asks nobody for rights: set its authorizer.class.name first "
            "(org.apache.kafka.metadata.authorizer.StandardAuthorizer)."
        )
    if reason == "ClusterAuthorizationFailedError":
        raise OperatorError(f"This account may not {doing}: do it with an administrator's account of Kafka.")
    raise OperatorError(f"The Kafka broker refused to {doing}: {words or reason}.")
