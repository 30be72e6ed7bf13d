"""What a receiver would refuse, told before anything is sent."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import connectors.sandbox.requirements as sandbox
import schemas
from connectors.registry import PlatformConfig, build
from schemas.errors import OperatorError
from schemas.notice import Notice
from streams.cli import app
from streams.notices import requirements
from streams.notices.bridge import Bridge
from streams.notices.casebook import cases, events
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import Leased
from streams.notices.handlers import take_detection
from streams.notices.requirements import Demands, is_mailbox, read_notice, unmet_requirements
from streams.notices.wording import CannotWrite
from tests.support.notices import T0, make_desk, make_detection

EXAMPLE: dict[str, Any] = json.loads(
    (Path(schemas.__file__).parent / "examples" / "notice.json").read_text(encoding="utf-8")
)
NOW = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
STRICT = Demands(xarf=True, max_items=5, hosts=("bazaar.example",), languages=("en", "fr"))


def changed(path: str, value: Any) -> dict[str, Any]:
    """The example with one place changed; ``...`` takes it out."""
    whole: Any = json.loads(json.dumps(EXAMPLE))
    *way, last = [int(part) if part.isdigit() else part for part in path.strip("/").split("/")]
    place = whole
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return whole  # type: ignore[no-any-return]


def answered(document: dict[str, Any], demands: Demands = STRICT) -> set[tuple[str, str, str]]:
    found = read_notice(json.dumps(document).encode())
    if isinstance(found, Notice):
        found = unmet_requirements(found, demands, platform="bazaar", now=NOW)
    return {(one.regime, one.code, one.path) for one in found}


def test_the_example_meets_everything() -> None:
    assert answered(EXAMPLE) == set()


ONE_WRONG: list[tuple[str, Any, str, str]] = [
    ("/items/0/url", "mailto:a@b.example", "dsa", "url_missing"),
    ("/items/0/url", "https://bazaar.example/a b", "dsa", "url_missing"),
    ("/items/0/url", "http://[::1", "dsa", "url_missing"),
    ("/items/0/url", ..., "dsa", "url_missing"),
    ("/reasons", " \n ", "dsa", "reasons_missing"),
    ("/reasons", ..., "dsa", "reasons_missing"),
    ("/reasons", "Illegal!", "dsa", "reasons_not_substantiated"),
    ("/reasons", "x" * 20_001, "dsa", "reasons_too_long"),
    ("/legal_basis", [], "dsa", "legal_basis_missing"),
    ("/legal_basis/0/law", " ", "dsa", "legal_basis_incomplete"),
    ("/reporter", ..., "dsa", "reporter_missing"),
    ("/reporter/organisation", " ", "dsa", "reporter_missing"),
    ("/reporter/email", "desk@", "dsa", "reporter_email_invalid"),
    ("/reporter/email", "a@b.example\r\nBcc: c@d.example", "dsa", "reporter_email_invalid"),
    ("/good_faith", ..., "dsa", "good_faith_missing"),
    ("/good_faith/signed_by", " ", "dsa", "good_faith_missing"),
    ("/kind", "trusted_flagger", "dsa", "trusted_flagger_missing"),
    ("/issued_at", "2026-03-10T00:00:00Z", "dsa", "issued_at_invalid"),
    ("/reply_to", "javascript:alert(1)", "dsa", "reply_to_invalid"),
    (
        "/items/0/quotes/1",
        {"field": "title", "start": 3, "end": 9, "text": "1vory", "meaning": "ivory"},
        "dsa",
        "quote_offsets_invalid",
    ),
    ("/reasons_in/0/language", "en-GB", "dsa", "reasons_language_repeated"),
    ("/items/0/territory_requested/0", "Europe", "dsa", "territory_unknown"),
    (
        "/secrecy",
        {"ground": "An inquiry is under way.", "until": "2026-03-09T08:59:00Z"},
        "dsa",
        "secrecy_ended",
    ),
    ("/requested_action", "preserve", "dsa", "preservation_missing"),
    ("/preservation", {"months": 0, "data_kinds": ["content"]}, "dsa", "preservation_missing"),
    ("/kind", "art9_order", "order", "order_missing"),
    ("/sender/organisation", " ", "xarf", "sender_missing"),
    ("/sender/email", "none", "xarf", "sender_email_invalid"),
    ("/tags", ["wildlife"], "xarf", "tags_malformed"),
    ("/addressee/platform", "another", "platform", "addressee_mismatch"),
    ("/items/0/url", "https://elsewhere.example/1", "platform", "url_not_on_this_platform"),
    ("/items/0/url", "https://notbazaar.example/1", "platform", "url_not_on_this_platform"),
    ("/requested_action", "burn", "shape", "requested_action_unknown"),
    ("/items", [], "shape", "items_missing"),
    ("/items/0/item_id", ..., "shape", "item_id_missing"),
    ("/items/0/listing_id", ..., "shape", "listing_id_missing"),
    ("/idempotency_key", "x", "shape", "key_missing"),
    ("/severity", ..., "shape", "field_missing"),
    ("/round", 0, "shape", "field_invalid"),
]


@pytest.mark.parametrize(("path", "value", "regime", "code"), ONE_WRONG)
def test_one_thing_wrong_is_told_with_regime_code_and_place(
    path: str, value: Any, regime: str, code: str
) -> None:
    told = answered(changed(path, value))

    assert (regime, code) in {(one[0], one[1]) for one in told}
    if path not in ("/kind", "/requested_action"):  # the place of what is missing, not of what asks for it
        assert any(path.startswith(one[2]) or one[2].startswith(path) for one in told)


ORDER: dict[str, Any] = {
    **EXAMPLE,
    "kind": "tco_order",
    "order": {
        "authority": {"name": "Example Authority", "country": "FR", "contact": "+33 1 00 00 00 00"},
        "reference": "2026/77",
        "power": "Code of the Environment, Article 1",
        "territory": ["FR"],
    },
    "secrecy": {"ground": "An inquiry is under way.", "until": "2026-04-20T08:01:12Z"},
    "preservation": {"months": 6, "data_kinds": ["content", "account"]},
    "signature": {
        "algorithm": "ES256",
        "key_id": "k1",
        "value": "c2lnbmF0dXJl",
        "signed_at": "2026-03-09T08:00:00Z",
    },
}


def test_a_whole_order_meets_everything_of_either_kind() -> None:
    assert answered(ORDER) == set()
    assert answered({**ORDER, "kind": "art9_order"}) == set()


@pytest.mark.parametrize(
    ("path", "value", "code", "where"),
    [
        ("/order", ..., "order_missing", "/order"),
        ("/kind", "art16", "order_not_called_one", "/kind"),
        ("/order/authority/name", " ", "authority_missing", "/order/authority/name"),
        ("/order/authority/contact", "", "authority_missing", "/order/authority/contact"),
        ("/order/authority", ..., "authority_missing", "/order/authority"),
        (
            "/order/effect_to",
            {"name": "A", "country": "FR", "contact": " "},
            "authority_missing",
            "/order/effect_to/contact",
        ),
        ("/order/power", " ", "order_power_missing", "/order/power"),
        ("/order/power", ..., "order_power_missing", "/order/power"),
        ("/order/reference", " ", "order_reference_missing", "/order/reference"),
        ("/order/territory/0", "Europe", "territory_unknown", "/order/territory/0"),
        ("/legal_basis/0/country", ..., "order_law_missing", "/legal_basis"),
        ("/legal_basis/0/policy_clause", "3", "order_law_missing", "/legal_basis"),
        ("/redress", " ", "redress_missing", "/redress"),
        ("/redress", ..., "redress_missing", "/redress"),
        ("/secrecy/until", "2026-04-20T08:01:13Z", "secrecy_too_long", "/secrecy/until"),
        ("/preservation/months", 5, "preservation_too_short", "/preservation/months"),
        ("/signature", ..., "signature_missing", "/signature"),
        ("/signature/value", "not base64!", "signature_missing", "/signature/value"),
        ("/signature/signed_at", "2026-03-09T09:05:01Z", "signed_in_future", "/signature/signed_at"),
    ],
)
def test_an_order_lacks_nothing_unseen(path: str, value: Any, code: str, where: str) -> None:
    whole = json.loads(json.dumps(ORDER))
    *way, last = [int(part) if part.isdigit() else part for part in path.strip("/").split("/")]
    place: Any = whole
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value

    assert {("order", code, where)} == answered(whole)


def test_an_order_to_act_says_where_it_holds() -> None:
    nowhere = {**ORDER, "kind": "art9_order", "order": {**ORDER["order"], "territory": []}}

    assert answered(nowhere) == {("order", "territory_missing", "/order/territory")}


@pytest.mark.parametrize(
    ("action", "item", "code"),
    [
        ("geo_disable", {"territory_requested": []}, "territory_missing"),
        ("suspend_seller", {"seller_handle": " "}, "seller_missing"),
    ],
)
def test_an_action_needs_what_it_acts_on(action: str, item: dict[str, Any], code: str) -> None:
    asked = {**EXAMPLE, "requested_action": action}

    assert answered(asked) == set()
    without = {**asked, "items": [{**EXAMPLE["items"][0], **item}]}
    assert {one[1] for one in answered(without)} == {code}


def test_reasons_in_the_platform_s_language_are_enough() -> None:
    assert answered(EXAMPLE, Demands(languages=("fr",))) == set()
    assert {one[1] for one in answered(changed("/reasons_in", []), Demands(languages=("fr",)))} == {
        "language_not_taken"
    }


def test_a_domain_may_be_that_of_the_mail_address_but_must_be_one() -> None:
    assert answered(changed("/reporter/domain", ...)) == set()
    both = changed("/sender", {"organisation": "Monitor", "email": "desk@localhost"})
    assert ("xarf", "sender_domain_missing", "/sender/domain") in answered(both)
    assert not {one for one in answered(both, Demands()) if one[0] == "xarf"}


def test_several_items_do_not_fit_into_one_report_but_into_one_notice() -> None:
    items = [{**EXAMPLE["items"][0], "listing_id": str(n), "item_id": f"i_{n:032x}"} for n in range(6)]
    many = {**EXAMPLE, "items": items}

    assert ("xarf", "too_many_items", "/items") in answered(many)
    assert answered(many, Demands(max_items=5)) == {("platform", "too_many_items", "/items")}
    assert answered(many, Demands()) == set()
    assert ("dsa", "item_repeated", "/items/1/listing_id") in answered(
        {**EXAMPLE, "items": [EXAMPLE["items"][0]] * 2}
    )


def test_evidence_has_a_number_and_a_size() -> None:
    one = EXAMPLE["evidence"][0]

    assert ("xarf", "evidence_too_much", "/evidence") in answered(changed("/evidence", [one] * 50))
    assert ("xarf", "evidence_too_large", "/evidence") in answered(
        changed("/evidence", [{**one, "size": 5_000_001}])
    )


def test_a_platform_s_own_clause_is_asked_for_where_it_wants_one() -> None:
    wanted = Demands(policy_clause=True, max_reasons=100)

    assert answered(EXAMPLE, wanted) == {
        ("platform", "policy_clause_missing", "/legal_basis"),
        ("platform", "reasons_too_long", "/reasons"),
    }


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "body_not_json"),
        (b"\xff\xfe", "body_not_json"),
        (b"{", "body_not_json"),
        (b"[" * 100_000, "body_not_json"),
        (b"[]", "body_not_object"),
        (b"7", "body_not_object"),
    ],
)
def test_what_is_no_notice_at_all_is_told_as_such(raw: bytes, code: str) -> None:
    found = read_notice(raw)

    assert isinstance(found, tuple)
    assert [one.code for one in found] == [code]


def test_the_table_of_codes_is_what_the_program_says() -> None:
    folder = Path(requirements.__file__).parent
    asked = (folder / "requirements_asked.py").read_text(encoding="utf-8")
    text = Path(requirements.__file__).read_text(encoding="utf-8") + asked
    documented = set(re.findall(r"^``([a-z_]+)``", requirements.__doc__ or "", re.MULTILINE))
    code = text.partition('"""')[2].partition('"""')[2]
    said = {word for word in documented if f'"{word}"' in code or word.endswith("_domain_missing")}
    shared = set(re.findall(r"^``([a-z_]+)``", sandbox.__doc__ or "", re.MULTILINE)) & documented

    assert said == documented
    assert {one[3] for one in ONE_WRONG} <= documented
    assert len(shared) >= 18


@pytest.mark.parametrize(
    "address", ["a@b", "a b@c.example", "a@b..example", "@b.example", "a@b.example\n", ""]
)
def test_what_no_mail_can_be_sent_to_is_no_mailbox(address: str) -> None:
    assert not is_mailbox(address)


def test_a_notice_that_would_be_refused_goes_to_a_person_with_the_reasons(tmp_path: Path) -> None:
    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1)
    desk = make_desk(demands=Demands(policy_clause=True))
    try:
        with casebook.write() as tx:
            taken = take_detection(tx, make_detection(), desk, now=T0)
        with casebook.read() as tx:
            assert taken.case_id is not None
            case = cases.hold_by_listing(tx, "market", "1")
            told = events.of_case(tx, taken.case_id)[-1]
    finally:
        casebook.close()

    assert (taken.result, taken.notice_id) == ("review", None)
    assert case is not None
    assert case.status == "review"
    assert told.type == "sent_to_review"
    assert told.data["unmet"] == ["policy_clause_missing /legal_basis"]
    assert "Name the clause" in told.data["why"]


def test_a_notice_that_the_channel_s_format_cannot_hold_goes_to_a_person(tmp_path: Path) -> None:
    def render(_: Notice) -> tuple[bytes, str]:
        raise CannotWrite("the notice is no valid XARF report")

    casebook = Casebook.open(f"sqlite:///{tmp_path / 'casebook.db'}", threads=1)
    try:
        with casebook.write() as tx:
            taken = take_detection(tx, make_detection(), replace(make_desk(), render=render), now=T0)
        with casebook.read() as tx:
            assert taken.case_id is not None
            told = events.of_case(tx, taken.case_id)[-1]
    finally:
        casebook.close()

    assert taken.result == "review"
    assert told.data["why"] == "the notice is no valid XARF report"


async def test_a_mail_server_s_yes_is_not_the_platform_s_receipt(tmp_path: Path) -> None:
    config = PlatformConfig(name="bazaar", kind="desk", base_url="https://bazaar.example", folder=tmp_path)
    bridge = Bridge({"bazaar": build(config)})
    notice = Notice.from_bytes(json.dumps(EXAMPLE).encode())
    body, content_type = bridge.render(notice)
    leased = Leased(notice.idempotency_key, "n", "bazaar", body, content_type, 1, 1, NOW)
    result, accepted = await bridge.deliver(leased, 5.0)
    await bridge.aclose()

    assert (result.result, result.http_status) == ("accepted", None)
    assert accepted is not None
    assert accepted.response is None


def test_the_command_reads_the_casebook_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'casebook.db'}"
    casebook = Casebook.open(url, threads=1)
    try:
        with casebook.write() as tx:
            taken = take_detection(tx, make_detection(), make_desk(), now=T0)
        with casebook.read() as tx:
            assert taken.notice_id is not None
            reference = cases.notice_by_id(tx, taken.notice_id).human_reference
    finally:
        casebook.close()
    monkeypatch.setenv("DATABASE_URL", url)

    known = CliRunner().invoke(app, ["notices", "validate", reference])
    unknown = CliRunner().invoke(app, ["notices", "validate", "TKN-00000-00000-00"])

    assert (known.exit_code, known.output) == (0, "every requirement is met\n")
    assert isinstance(unknown.exception, OperatorError)


def test_the_command_tells_it_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    file.write_text(json.dumps({**EXAMPLE, "issued_at": (NOW + timedelta(days=-1)).isoformat()}))
    good = CliRunner().invoke(app, ["notices", "validate", str(file)])
    file.write_text(json.dumps(changed("/reporter/email", "nobody")))
    bad = CliRunner().invoke(app, ["notices", "validate", "--json", str(file)])

    assert (good.exit_code, good.output) == (0, "every requirement is met\n")
    assert bad.exit_code == 1
    [unmet] = json.loads(bad.output)["unmetRequirements"]
    assert unmet["code"] == "reporter_email_invalid"
    assert unmet["path"] == "/reporter/email"
