"""What the platforms file may say of escalation, fallback and caps, and how it is refused."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.platform_config import PlatformConfig

MAIL = {"to": ["abuse@shop.example"], "sender": "takin@monitor.example", "host": "smtp.monitor.example"}
SECRET = "whsec_" + base64.b64encode(b"practice".ljust(32, b".")).decode()


def config(**more: Any) -> PlatformConfig:
    return PlatformConfig.model_validate(
        {"name": "shop", "kind": "xarf", "base_url": "https://shop.example", "api_key": "env:KEY", **more}
    )


def test_nothing_said_means_four_steps_of_which_none_has_an_address() -> None:
    found = config().escalation

    assert [(one.step, one.at, one.to) for one in found] == [
        ("reminder", 0.5, None),
        ("contact", 1.0, None),
        ("manager", 1.5, None),
        ("regulator", 3.0, None),
    ]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"escalation": [{"step": "contact", "at": 1, "to": "a@shop.example"}]}, "needs mail"),
        ({"escalation": [{"step": "reminder", "at": 1, "to": "a@b.example"}], "mail": MAIL}, "own channel"),
        ({"escalation": [{"step": "contact", "at": 1}, {"step": "contact", "at": 2}]}, "a step twice"),
        ({"escalation": [{"step": "contact", "at": 0}]}, "greater than 0"),
        ({"escalation": [{"step": "boss", "at": 1}]}, "'reminder', 'contact'"),
        ({"fallback": {"kind": "email"}}, "kind: email needs mail"),
        ({"fallback": {"kind": "csv"}}, "kind: csv needs folder"),
        ({"daily_notices": -1}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        config(**more)


def test_a_fallback_is_the_same_platform_by_another_channel() -> None:
    other = config(mail=MAIL, fallback={"kind": "email", "after_s": 60}, language="fr").by_fallback()

    assert (other.name, other.kind, other.language, other.fallback) == ("shop", "email", "fr", None)
    assert other.base_url == "https://shop.example"


def test_the_secrets_of_a_practice_platform_do_not_stand_in_the_way_of_its_fallback() -> None:
    found = PlatformConfig.model_validate(
        {
            "name": "shop",
            "kind": "sandbox",
            "base_url": "https://shop.example",
            "dev_only": True,
            "secret": SECRET,
            "webhook_secret": SECRET,
            "mail": MAIL,
            "fallback": {"kind": "email"},
        }
    )

    assert found.by_fallback().secret == ()
