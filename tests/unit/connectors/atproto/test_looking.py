"""What an app view's answers say about a post."""

import json
from typing import Any

import pytest

from connectors.atproto.looking import judge_account, judge_posts
from connectors.http import Reply
from tests.support.frames import DID

URI = f"at://{DID}/app.bsky.feed.post/3kaaa"
DESK = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"


def reply(body: Any, status: int = 200, *, complete: bool = True) -> Reply:
    return Reply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), complete)


def shown(*labels: Any, uri: str = URI) -> dict[str, Any]:
    return {"posts": [{"uri": uri, "labels": list(labels)}]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reply(shown()), ("online", "page_shown")),
        (reply({"posts": [{"uri": URI}]}), ("online", "page_shown")),
        (reply(shown({"src": DID, "val": "graphic-media"})), ("online", "page_shown")),
        (reply(shown({"src": DESK, "val": "spam"})), ("online", "labelled")),
        (reply(shown({"src": DESK, "val": "spam", "neg": True})), ("online", "page_shown")),
        (reply(shown({"src": DESK, "val": "!takedown"})), ("offline", "removed_notice")),
        (reply(shown({"src": DID, "val": "!takedown"})), ("online", "page_shown")),
        (reply(shown("no label")), ("online", "page_shown")),
        (reply({"posts": []}), ("offline", "not_found")),
        (reply(shown(uri="at://another")), ("unknown", "other")),
        (reply({"posts": None}), ("unknown", "other")),
        (reply({}), ("unknown", "other")),
        (reply([]), ("unknown", "other")),
        (reply(b"<html>"), ("unknown", "other")),
        (reply({"posts": []}, complete=False), ("unknown", "other")),
        (reply({}, 404), ("unknown", "other")),
        (reply({}, 410), ("unknown", "other")),
        (reply({"error": "InvalidRequest"}, 400), ("unknown", "other")),
        (reply({}, 401), ("unknown", "login_wall")),
        (reply({}, 429), ("unknown", "throttled")),
        (reply({}, 502), ("unknown", "server_error")),
    ],
)
def test_a_post_is_gone_only_where_the_app_view_hands_none_out(
    said: Reply, expected: tuple[str, str]
) -> None:
    assert judge_posts(said, URI, DESK) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reply({"did": DID}), ("offline", "not_found")),
        (reply({"did": DESK}), ("unknown", "other")),
        (reply({}), ("unknown", "other")),
        (reply({"error": "AccountTakedown", "message": "x"}, 400), ("offline", "removed_notice")),
        (reply({"error": "AccountDeactivated", "message": "x"}, 400), ("offline", "gone")),
        (reply({"error": "InvalidRequest", "message": "Profile not found"}, 400), ("offline", "gone")),
        (reply({"error": "InvalidRequest", "message": "Bad actor"}, 400), ("unknown", "other")),
        (reply(b"", 400), ("unknown", "other")),
        (reply({"error": "AccountTakedown"}, 500), ("unknown", "server_error")),
        (reply({}, 404), ("unknown", "other")),
    ],
)
def test_a_post_without_its_account_s_word_is_not_called_gone(said: Reply, expected: tuple[str, str]) -> None:
    assert judge_account(said, DID) == expected
