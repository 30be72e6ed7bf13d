"""Each broken set-up gets its own sentence; a good one gets none."""

from dataclasses import replace
from pathlib import Path

import pytest

from streams.doctor import system
from streams.doctor.judgement import Facts, diagnose, exit_code

GOOD = Facts(
    bootstrap="kafka:9092",
    topic_differences={"listings": ()},
    lag={"screening": 3},
    dead_letters=0,
    casebook="sqlite:///x.db",
    tables="0002",
    tables_wanted="0002",
    clock_synchronised=True,
    clock_error_s=0.01,
    data_dir=".takin",
    disk_free=50_000_000_000,
    platforms_file="platforms.yaml",
    platforms=2,
    audit_key="key.pem",
    contact_keys="contact.keys",
    contact_key_ids=("aa", "bb"),
    contacts={"aa": 2, "bb": 1},
    embedded=True,
    others_ahead_s=(-0.4, 0.3, 9_000.0),
    processes={"notices": None},
    cursors={"feed example": 60.0},
)


def test_of_a_good_set_up_nothing_is_wrong() -> None:
    checks = diagnose(GOOD)

    assert {check.verdict for check in checks} == {"well"}
    assert len(checks) == 13
    assert exit_code(checks) == 0


@pytest.mark.parametrize(
    ("broken", "check", "verdict", "words"),
    [
        ({"kafka_error": "No Kafka."}, "kafka", "wrong", "No Kafka"),
        ({"topic_differences": {"listings": None}}, "topics", "wrong", "takin topics apply"),
        ({"topic_differences": {"listings": ("2 partitions",)}}, "topics", "wrong", "2 partitions"),
        ({"lag": {"screening": 20_000}}, "lag", "look", "screening by 20000"),
        ({"dead_letters": 4}, "dead letters", "look", "4 records"),
        ({"casebook_error": "The casebook is away."}, "casebook", "wrong", "away"),
        ({"casebook_there": False}, "casebook", "look", "takin notices serve"),
        ({"tables": "0001"}, "casebook", "wrong", "version 0001"),
        ({"tables": "0009", "tables_newer_and_usable": True}, "casebook", "look", "may use them"),
        ({"clock_synchronised": False}, "clock", "look", "chrony"),
        ({"clock_error_s": 1.0}, "clock", "look", "1.0 s"),
        ({"others_ahead_s": (-7200.2, -7199.6)}, "clock", "wrong", "wrong by +7200 s"),
        ({"others_ahead_s": (7200.0, 7201.0, 7202.0)}, "clock", "wrong", "wrong by -7201 s"),
        ({"clock_synchronised": None, "others_ahead_s": (7200.0, 7201.0)}, "clock", "wrong", "set it right"),
        ({"disk_free": 10_000_000}, "disk", "wrong", "make room now"),
        ({"disk_free": 1_000_000_000}, "disk", "look", "make room soon"),
        ({"disk_error": "Permission denied"}, "disk", "wrong", "Permission denied"),
        ({"platforms_file": None}, "platforms", "look", "TAKIN_PLATFORMS_FILE"),
        ({"platforms_error": "The secret is missing."}, "platforms", "wrong", "secret"),
        ({"audit_key_error": "There is no key."}, "audit key", "look", "no key"),
        ({"contact_keys_there": False, "contacts": {}}, "contact keys", "look", "takin keys make"),
        ({"contact_keys_error": "There is no file."}, "contact keys", "wrong", "no file"),
        ({"contacts": {"cc": 4}}, "contact keys", "wrong", "4 with cc"),
        ({"contact_keys_open": "everybody on this machine"}, "contact keys", "wrong", "chmod 0400"),
        ({"contacts_unlooked": 7}, "contact keys", "look", "takin keys reseal"),
        ({"java_error": "No Java."}, "embedded kafka", "wrong", "No Java"),
        ({"processes": {"notices": "away"}}, "processes", "wrong", "notices: away"),
        ({"cursors": {"feed example": 90_000.0}}, "connectors", "look", "feed example for 25 h"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_broken_is_named_and_nothing_else(
    broken: dict[str, object], check: str, verdict: str, words: str
) -> None:
    checks = diagnose(replace(GOOD, **broken))  # type: ignore[arg-type]

    (found,) = [one for one in checks if one.verdict != "well"]
    assert (found.name, found.verdict) == (check, verdict)
    assert words in found.sentence
    assert exit_code(checks) == (1 if verdict == "wrong" else 0)


def test_what_cannot_be_asked_is_not_judged() -> None:
    checks = diagnose(replace(GOOD, kafka_error="No.", topic_differences=None, lag=None, dead_letters=None))

    assert {"topics", "lag", "dead letters"} & {check.name for check in checks} == set()


def test_the_machine_says_how_much_room_there_is(tmp_path: Path) -> None:
    free, error = system.disk(tmp_path / "not" / "yet")

    assert error is None
    assert free is not None
    assert free > 0
    (tmp_path / "file").touch()
    assert system.disk(tmp_path / "file")[1] == "it is no folder"
