"""The desk's front: one request in, one reply out, everything written down first.

The order in which a notice is looked at: outage, size, media type, signature, trouble on the wire,
key (replay or reuse), requirements, duplicates. What a request changes stands in its one record.
"""

from typing import TYPE_CHECKING, Any

import orjson

from connectors.desk_contract import TEST_KEY, InformationBody, ReceiptBody, Unmet, UnmetBody
from connectors.sandbox.plan import choose_rule, plan_item
from connectors.sandbox.records import Accepted
from connectors.sandbox.replies import (
    MAX_BODY,
    Reply,
    Request,
    RequestLog,
    error_reply,
    receipt,
    reply_with,
    status_body,
)
from connectors.sandbox.requirements import unmet_requirements
from connectors.sandbox.scenario import Flaky, Rejects422
from connectors.sandbox.signing import signature_fault
from connectors.sandbox.state import FOLLOWED
from connectors.sandbox.trouble import Attempt, Struck, down_now, promise, strikes
from schemas.follow_up import FollowUp

if TYPE_CHECKING:
    from connectors.sandbox.practice_platform import PracticePlatform

_FAULTS = {
    "no_signature": "webhook-id, webhook-timestamp and webhook-signature are needed.",
    "bad_signature": "The signature does not hold: check the secret, and sign the very bytes you send.",
    "old": "The time stamp is more than 300 seconds off: sign each attempt anew.",
}


def _decode(body: bytes) -> Any:
    """The body's JSON, or :data:`_NOT_JSON`. orjson refuses deep nesting, NaN and bad UTF-8."""
    try:
        return orjson.loads(body)
    except ValueError:
        return _NOT_JSON


_NOT_JSON: Any = object()


def _items_of(content: Any) -> list[tuple[str, str, int]]:
    """Item id, listing id and round of each item that can be read; for looking before checking."""
    found: list[tuple[str, str, int]] = []
    items = content.get("items") if isinstance(content, dict) else None
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and isinstance(item.get("listing_id"), str):
            round_ = item.get("round", content.get("round", 1))
            valid = isinstance(round_, int) and not isinstance(round_, bool)
            found.append((str(item.get("item_id")), item["listing_id"], round_ if valid else 1))
    return found


def _is_test(key: str, content: Any) -> bool:
    return key.startswith(TEST_KEY) and isinstance(content, dict) and content.get("type") == "notice.test"


class Reception:
    """Handles the three requests of the contract for one platform."""

    def __init__(self, platform: "PracticePlatform") -> None:
        self._platform = platform

    # -- POST /desk/v1/notices

    def submit(self, request: Request) -> Reply:
        """Take a notice, or say why not."""
        platform, state = self._platform, self._platform.state
        key = (request.headers.get("idempotency-key") or request.headers.get("webhook-id") or "")[
            :256
        ] or None
        log = RequestLog(platform, request, key=key, attempt=state.attempts[key or ""] + 1)
        promised = state.not_before.get(key or "")
        log.early = promised is not None and request.at < promised
        fault = self._gate(log, needs_json=True)
        if fault is not None:
            return fault
        assert request.body is not None
        content = _decode(request.body)
        items = _items_of(content)
        struck = self._strike(request, key or "", items)
        if struck is not None and not isinstance(struck.trouble, Flaky):
            return self._throttled(log, struck)
        if struck is None:
            return self._consider(log, request, key, content, items)
        assert isinstance(struck.trouble, Flaky)
        error = self._stumble(log, struck.trouble, struck.wait_s)
        if struck.trouble.how.endswith("_before"):
            log.write("stumbled", error.status)
            return error
        reply = self._consider(log, request, key, content, items)
        if error.wire == "plain":
            return error
        return Reply(reply.status, reply.body, reply.headers, wire=error.wire, wait_s=error.wait_s)

    def _consider(
        self,
        log: RequestLog,
        request: Request,
        key: str | None,
        content: Any,
        items: list[tuple[str, str, int]],
    ) -> Reply:
        platform, state = self._platform, self._platform.state
        config = platform.config
        known = state.notice(key) if key else None
        if known is not None and config.keys == "honours":
            if known.sha256 == log.sha256:
                log.write("replayed", 202, reference=known.reference)
                return reply_with(202, receipt(known), idempotent_replayed="true")
            log.write("key_reused", 409, code="key_reused", reference=known.reference)
            text = "This key came with other bytes before: a changed notice needs a new key."
            return error_reply(409, "key_reused", text, known.reference)
        if key is not None and _is_test(key, content):
            log.write("tested", 202)
            return reply_with(
                202, ReceiptBody(reference=f"{platform.config.name}-test", received_at=request.at)
            )
        unmet = self._unmet(request, content, items)
        if unmet:
            log.write("invalid", 422, codes=tuple(u.code for u in unmet))
            return reply_with(422, UnmetBody(unmetRequirements=unmet))
        if config.duplicates == "refuses":
            for _, listing_id, round_ in items:
                other = state.open_notice_on(listing_id, round_)
                if other is not None:
                    log.write("duplicate", 409, code="duplicate", reference=other.reference)
                    since = other.received_at.isoformat(timespec="seconds")
                    text = f"Notice {other.reference} of {since} covers this listing and is still open."
                    return error_reply(409, "duplicate", text, other.reference)
        accepted = Accepted(
            reference=platform.next_reference(),
            items=tuple(
                plan_item(
                    platform.scenario,
                    config,
                    item_id=item_id,
                    listing_id=listing_id,
                    round_=round_,
                    shelf=state.shelf(listing_id),
                )
                for item_id, listing_id, round_ in items
            ),
            reply_to=content.get("reply_to"),
            subject=str(content.get("human_reference", ""))[:64] or None,
        )
        log.write("accepted", 202, reference=accepted.reference, accepted=accepted)
        notice = state.notices[accepted.reference]
        platform.enter(notice)
        return reply_with(202, receipt(notice))

    def _unmet(self, request: Request, content: Any, items: list[tuple[str, str, int]]) -> tuple[Unmet, ...]:
        platform = self._platform
        if content is _NOT_JSON:
            return (Unmet(code="body_not_json", path="", message="The body must be JSON in UTF-8."),)
        unmet = unmet_requirements(
            content,
            platform=platform.config.name,
            base_url=platform.base_url,
            own_url=platform.own_url,
            keys={name: request.headers.get(name) for name in ("idempotency-key", "webhook-id")},
            max_items=platform.config.max_items,
            now=request.at,
        )
        if unmet:
            return unmet
        for index, (_, listing_id, round_) in enumerate(items):
            rule = choose_rule(platform.scenario, platform.config, listing_id, round_)
            if isinstance(rule, Rejects422):
                text = "This desk wants more than the law asks."
                return tuple(Unmet(code=code, path=f"/items/{index}", message=text) for code in rule.codes)
        return ()

    # -- GET /desk/v1/notices/{key}

    def status(self, request: Request, key: str) -> Reply:
        """Where a notice stands."""
        log = RequestLog(self._platform, request, key=key)
        fault = self._gate(log, needs_json=False)
        if fault is not None:
            return fault
        notice = self._platform.state.notice(key)
        if notice is None:
            log.write("unknown_key", 404, code="unknown_key")
            return error_reply(404, "unknown_key", "No notice came under this key.")
        log.write("status_shown", 200, reference=notice.reference)
        return reply_with(200, status_body(notice))

    # -- POST /desk/v1/notices/{key}/information

    def inform(self, request: Request, key: str) -> Reply:
        """Take the answer to ``NEED_MORE_INFORMATION``; again is as good as once."""
        log = RequestLog(self._platform, request, key=key)
        fault = self._gate(log, needs_json=True)
        if fault is not None:
            return fault
        notice = self._platform.state.notice(key)
        if notice is None:
            log.write("unknown_key", 404, code="unknown_key")
            return error_reply(404, "unknown_key", "No notice came under this key.")
        try:
            text = InformationBody.model_validate_json(request.body or b"").text
        except ValueError:
            text = ""
        if not text.strip():
            log.write("invalid", 422, codes=("text_missing",), reference=notice.reference)
            words = "`text` with 1 to 20,000 characters is needed."
            return reply_with(
                422, UnmetBody(unmetRequirements=(Unmet(code="text_missing", path="/text", message=words),))
            )
        asking = tuple(item_id for item_id, item in notice.items.items() if item.is_asking)
        if not asking and not any(item.was_asked for item in notice.items.values()):
            log.write("nothing_asked", 409, code="nothing_asked", reference=notice.reference)
            return error_reply(409, "nothing_asked", "Nothing was asked about this notice.", notice.reference)
        log.write("informed", 202, reference=notice.reference, information_for=asking)
        if asking:
            self._platform.enter(notice)
        return reply_with(202, receipt(notice))

    # -- POST /desk/v1/notices/{key}/follow-ups

    def follow_up(self, request: Request, key: str) -> Reply:
        """Take a reminder, or the notice back; the same key again is as good as once."""
        sent_under = (request.headers.get("idempotency-key") or "")[:256] or None
        log = RequestLog(self._platform, request, key=key)
        fault = self._gate(log, needs_json=True)
        if fault is not None:
            return fault
        notice = self._platform.state.notice(key)
        if notice is None:
            log.write("unknown_key", 404, code="unknown_key", follow_up=sent_under)
            return error_reply(404, "unknown_key", "No notice came under this key.")
        known = {"reference": notice.reference, "follow_up": sent_under}
        try:
            found = FollowUp.from_bytes(request.body or b"")
        except ValueError:
            found = None
        if found is None or found.key != sent_under or found.notice_key != key:
            log.write("invalid", 422, codes=("follow_up_malformed",), **known)
            words = "A FollowUp with the Idempotency-Key as `key` and the path's as `notice_key` is needed."
            fault_found = Unmet(code="follow_up_malformed", path="", message=words)
            return reply_with(422, UnmetBody(unmetRequirements=(fault_found,)))
        before = notice.follow_ups.get(found.key)
        if before is not None and before != log.sha256:
            log.write("key_reused", 409, code="key_reused", **known)
            text = "This key came with other bytes before."
            return error_reply(409, "key_reused", text, notice.reference)
        if before is not None:
            log.write("replayed", 202, **known)
            return reply_with(202, receipt(notice), idempotent_replayed="true")
        log.write(FOLLOWED[found.kind], 202, **known)
        return reply_with(202, receipt(notice))

    # -- what all four have in common

    def _gate(self, log: RequestLog, *, needs_json: bool) -> Reply | None:
        platform, request = self._platform, log.request
        outage = self._outage(log)
        if outage is not None:
            return outage
        if request.body is None:
            log.write("too_large", 413, code="too_large")
            text = f"A body may have {MAX_BODY:,} bytes."
            return error_reply(413, "too_large", text, connection="close")
        media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        encoding = request.headers.get("content-encoding", "identity").lower()
        if needs_json and (media_type != "application/json" or encoding != "identity"):
            log.write("wrong_media_type", 415, code="wrong_media_type")
            return error_reply(415, "wrong_media_type", "Send application/json without a content encoding.")
        fault = signature_fault(request.headers, request.body, platform.config.incoming_secrets)
        if fault is not None:
            log.write("unsigned", 401, code=fault)
            return error_reply(401, fault, _FAULTS[fault])
        return None

    def _outage(self, log: RequestLog) -> Reply | None:
        platform, now = self._platform, log.request.at
        found = down_now(platform.scenario, platform.config, started_at=platform.started_at, now=now)
        if found is None or found[0].where == "pages":
            return None
        down, end = found
        if down.how == "hang":
            log.write("hung", None)
            return Reply(503, wire="hang", wait_s=(end - now).total_seconds())
        headers = {}
        if down.retry_after_s is not None:
            value, log.not_before = promise(down.retry_after_s / platform.scenario.speed, "seconds", now)
            headers["retry-after"] = value
        log.write("down", down.status, code="down")
        reply = error_reply(down.status, "down", "Down for a while.")
        return Reply(reply.status, reply.body, headers)

    def _strike(self, request: Request, key: str, items: list[tuple[str, str, int]]) -> Struck | None:
        platform, state = self._platform, self._platform.state
        attempt = Attempt(
            number=state.notice_requests + 1,
            listing_ids=[listing_id for _, listing_id, _ in items],
            round_=items[0][2] if items else 1,
            throttled=state.throttled[key],
            stumbled=state.stumbled[key],
            not_before=state.not_before.get(key),
        )
        return strikes(
            platform.scenario,
            platform.config,
            attempt,
            rate_wait_s={index: limit.wait_s(request.at) for index, limit in platform.rate_limits.items()},
            now=request.at,
        )

    def _throttled(self, log: RequestLog, struck: Struck) -> Reply:
        assert not isinstance(struck.trouble, Flaky)
        form = struck.trouble.form
        value, log.not_before = promise(struck.wait_s or 0.0, form, log.request.at)
        log.early = log.early or struck.early
        log.write("throttled", 429, code="throttled")
        return error_reply(429, "throttled", "Too many: wait as Retry-After says.", retry_after=value)

    def _stumble(self, log: RequestLog, flaky: Flaky, wait_s: float | None) -> Reply:
        """What the sender gets instead of, or as the manner of, the true reply."""
        log.flaky = flaky
        kind = flaky.how.split("_", maxsplit=1)[0]
        if kind == "error":
            reply = error_reply(flaky.status, "stumbled", "Something broke here.")
            if wait_s is None:
                return reply
            value, log.not_before = promise(wait_s, "seconds", log.request.at)
            return Reply(reply.status, reply.body, {"retry-after": value})
        wire: Any = kind
        return Reply(flaky.status, wire=wire, wait_s=flaky.delay_s / self._platform.scenario.speed)
