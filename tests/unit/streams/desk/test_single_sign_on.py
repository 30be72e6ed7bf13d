"""Single sign-on against a strict provider over HTTP: who is let in as what, and who is not."""

import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
import yaml
from joserfc.jwk import OctKey
from pydantic import SecretStr, ValidationError

from connectors.http import OutboundClient
from connectors.serving import serve
from schemas.errors import OperatorError
from streams.desk.app import desk_app
from streams.desk.house import House
from streams.desk.service import provider_of, sso_client
from streams.desk.sso.config import RoleRule, SsoConfig, client_secret, load_sso
from streams.desk.sso_routes import NOT_RIGHT, WORDS
from streams.notices.casebook import accounts, desk_tables
from streams.notices.casebook.database import Casebook
from tests.support.desk import BASE, NOW, PASSWORD, Browser, house_over
from tests.support.openid_provider import CLIENT, SECRET, OpenIdProvider
from tests.unit.streams.desk.test_login import log_in

RULES = (
    {"claim": "groups", "value": "wildlife-officers", "role": "officer"},
    {"claim": "groups", "value": "market-desk", "role": "platform", "platform": "market"},
    {"claim": "realm_access.roles", "value": "takin-auditor", "role": "auditor"},
)


@dataclass
class Stage:
    """A desk with a provider, both real."""

    casebook: Casebook
    house: House
    there: OpenIdProvider
    client: OutboundClient
    now: datetime = NOW

    def browser(self) -> Browser:
        return Browser(desk_app(self.house), self.casebook)

    def configured(self, **changes: Any) -> None:
        assert self.house.sso is not None
        config = SsoConfig.model_validate({**self.house.sso.config.model_dump(), **changes})
        sso = provider_of(config, self.client, secret=SecretStr(SECRET), base=BASE, clock=lambda: self.now)
        self.house = replace(self.house, sso=sso)


@pytest.fixture
async def stage(casebook: Casebook, tmp_path: Path) -> AsyncIterator[Stage]:
    found: Stage
    there = OpenIdProvider(f"{BASE}/sso/back", lambda: found.now)
    server = await serve(there.app(), "127.0.0.1", 0, purpose="the provider")
    there.issuer = server.url
    config = SsoConfig(
        issuer=server.url, name="Customs", client_id=CLIENT, roles=tuple(RoleRule(**one) for one in RULES)
    )
    client = sso_client(config)
    house = house_over(casebook, tmp_path, clock=lambda: found.now)
    found = Stage(casebook, house, there, client)
    sso = provider_of(config, client, secret=SecretStr(SECRET), base=BASE, clock=lambda: found.now)
    found.house = replace(house, sso=sso)
    yield found
    await client.aclose()
    await server.stop()
    assert there.broken_rules == []


async def at_the_provider(browser: Browser, path: str = "/sso") -> str:
    """Begin, say yes there, and return where the browser is sent back to."""
    begun = await browser.get(path)
    assert begun.status_code == 303, begun.text
    async with httpx.AsyncClient() as person:
        answer = await person.get(begun.headers["location"])
    assert answer.status_code == 302, answer.text
    return answer.headers["location"].removeprefix(BASE)


async def sign_in(stage: Stage, path: str = "/sso") -> tuple[Browser, httpx.Response]:
    browser = stage.browser()
    return browser, await browser.get(await at_the_provider(browser, path))


async def test_a_person_is_let_in_with_the_role_of_the_first_rule_that_fits(stage: Stage) -> None:
    browser, answer = await sign_in(stage)

    account = stage.casebook.answer(accounts.by_login, "kim@customs.example")
    assert (answer.status_code, answer.headers["location"]) == (303, "/board")
    assert account is not None
    assert (account.role, account.platform, account.name) == ("officer", None, "Kim Example")
    assert (await browser.get("/board")).status_code == 200
    assert (await browser.get("/review")).status_code == 403
    assert "httponly" in answer.headers["set-cookie"].lower()


async def test_a_person_of_a_platform_sees_that_platform_and_no_other(stage: Stage) -> None:
    stage.there.person["groups"] = "market-desk"

    browser, answer = await sign_in(stage)

    account = stage.casebook.answer(accounts.by_login, "kim@customs.example")
    assert answer.headers["location"] == "/inbox"
    assert account is not None
    assert (account.role, account.platform) == ("platform", "market")
    assert (await browser.get("/board")).status_code == 403


async def test_a_claim_that_lies_deeper_is_found(stage: Stage) -> None:
    stage.there.person |= {"groups": [], "realm_access": {"roles": ["x", "takin-auditor"]}}

    await sign_in(stage)

    account = stage.casebook.answer(accounts.by_login, "kim@customs.example")
    assert account is not None
    assert account.role == "auditor"


@pytest.mark.parametrize(
    "groups", [[], ["Wildlife-Officers"], [{"wildlife-officers": 1}], {"wildlife-officers": True}, None, 7]
)
async def test_whom_no_rule_fits_is_not_let_in_and_gets_no_account(stage: Stage, groups: Any) -> None:
    stage.there.person["groups"] = groups

    browser, answer = await sign_in(stage)

    assert answer.status_code == 403
    assert WORDS["no_role"] in answer.text
    assert stage.casebook.answer(accounts.by_login, "kim@customs.example") is None
    assert (await browser.get("/board")).status_code == 303


async def test_a_role_that_changes_there_changes_here_and_ends_other_sessions(stage: Stage) -> None:
    before, _ = await sign_in(stage)
    stage.there.person["groups"] = ["market-desk"]

    after, _ = await sign_in(stage)

    assert (await before.get("/board")).status_code == 303
    assert (await after.get("/inbox")).status_code == 200


async def test_who_has_lost_every_role_there_loses_their_session_here(stage: Stage) -> None:
    before, _ = await sign_in(stage)
    stage.there.person["groups"] = []

    await sign_in(stage)

    assert (await before.get("/board")).status_code == 303


async def test_another_person_with_the_same_address_is_another_person(stage: Stage) -> None:
    await sign_in(stage)
    stage.there.person["sub"] = "person-18"

    _, answer = await sign_in(stage)

    assert (answer.status_code, WORDS["login_taken"] in answer.text) == (403, True)


async def test_an_account_with_a_password_is_never_taken_over(stage: Stage) -> None:
    stage.configured(login_claim="nick")
    stage.there.person["nick"] = "admin"

    _, answer = await sign_in(stage)

    assert (answer.status_code, WORDS["login_taken"] in answer.text) == (403, True)
    account = stage.casebook.answer(accounts.by_login, "admin")
    assert account is not None
    assert account.role == "admin"


async def test_who_comes_by_the_provider_has_no_password(stage: Stage) -> None:
    await sign_in(stage)

    for password in ("", "!single-sign-on", PASSWORD):
        answer = await log_in(stage.browser(), "kim@customs.example", password)
        assert answer.status_code == 401


async def test_a_locked_account_stays_locked(stage: Stage) -> None:
    await sign_in(stage)
    account = stage.casebook.answer(accounts.by_login, "kim@customs.example")
    assert account is not None
    stage.casebook.decide(accounts.change, account.account_id, now=NOW, state="disabled")

    _, answer = await sign_in(stage)

    assert (answer.status_code, WORDS["disabled"] in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("trust", "factors", "asked"),
    [(False, ["mfa"], True), (True, ["mfa", "pwd"], False), (True, ["pwd"], True), (True, "mfa", True)],
)
async def test_a_one_time_code_is_asked_for_unless_the_provider_is_trusted_with_it(
    stage: Stage, trust: bool, factors: Any, asked: bool
) -> None:
    await sign_in(stage)
    account = stage.casebook.answer(accounts.by_login, "kim@customs.example")
    assert account is not None
    sealed = stage.house.keys.seal(pyotp.random_base32())
    stage.casebook.decide(accounts.change, account.account_id, now=NOW, totp_secret=sealed)
    stage.configured(trust_mfa=trust)
    stage.there.person["amr"] = factors

    browser, answer = await sign_in(stage)

    assert answer.headers["location"].startswith("/login/code") is asked
    assert (await browser.get("/board")).status_code == (303 if asked else 200)


# ---------------------------------------------------------------------------- somebody who means harm


@pytest.mark.parametrize(
    "then", ["https://evil.example/", "//evil.example", "/\\evil.example", "/%5Cevil.example", "javascript:1"]
)
async def test_nobody_is_sent_elsewhere_after_signing_in(stage: Stage, then: str) -> None:
    _, answer = await sign_in(stage, f"/sso?then={then}")

    where = urlsplit(answer.headers["location"])
    assert (where.scheme, where.netloc) == ("", "")
    assert where.path == "/board"


async def test_one_goes_on_to_where_one_wanted(stage: Stage) -> None:
    _, answer = await sign_in(stage, "/sso?then=/cases%3Fcondition%3Dlate")

    assert answer.headers["location"] == "/cases?condition=late"


WRONG_TOKENS: dict[str, Callable[[OpenIdProvider], None]] = {
    "unsigned": lambda there: there.header.update(alg="none"),
    "signed with our own secret": lambda there: setattr(
        there, "sign_with", OctKey.import_key(SECRET.ljust(32, "x"))
    ),
    "signed with the published key as a secret": lambda there: setattr(
        there, "sign_with", OctKey.import_key(json.dumps(there.key.as_dict(private=False)))
    ),
    "signed by somebody else": lambda there: setattr(there, "sign_with", there.new_key()),
    "of a key that is published nowhere": lambda there: there.header.update(kid="nobody"),
    "another issuer": lambda there: there.changed.update(iss="https://evil.example"),
    "issuer with a slash": lambda there: there.changed.update(iss=there.issuer + "/"),
    "another audience": lambda there: there.changed.update(aud="other"),
    "several audiences, none authorized": lambda there: there.changed.update(aud=[CLIENT, "other"]),
    "made for another party": lambda there: there.changed.update(azp="other"),
    "expired": lambda there: there.changed.update(exp=int((NOW - timedelta(minutes=2)).timestamp())),
    "made long ago": lambda there: there.changed.update(iat=int((NOW - timedelta(hours=1)).timestamp())),
    "made tomorrow": lambda there: there.changed.update(iat=int((NOW + timedelta(days=1)).timestamp())),
    "without an end": lambda there: there.changed.update(exp=None),
    "an end that is no number": lambda there: there.changed.update(exp="9999999999"),
    "another nonce": lambda there: there.changed.update(nonce="n" * 43),
    "without a nonce": lambda there: there.changed.update(nonce=None),
    "without a subject": lambda there: there.changed.update(sub=None),
    "a subject that is a list": lambda there: there.changed.update(sub=["person-17"]),
    "answer of another provider": lambda there: setattr(there, "says_issuer", "https://evil.example"),
    "answer that does not say whose": lambda there: setattr(there, "says_issuer", ""),
}


@pytest.mark.parametrize("what", WRONG_TOKENS)
async def test_what_is_not_right_lets_nobody_in(stage: Stage, what: str) -> None:
    WRONG_TOKENS[what](stage.there)

    browser, answer = await sign_in(stage)

    assert answer.status_code == 403
    assert NOT_RIGHT in answer.text
    assert (await browser.get("/board")).status_code == 303
    assert stage.casebook.answer(accounts.by_login, "kim@customs.example") is None


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_address_that_is_not_verified_is_no_login(stage: Stage, verified: Any) -> None:
    stage.there.changed["email_verified"] = verified

    _, answer = await sign_in(stage)

    assert (answer.status_code, WORDS["email"] in answer.text) == (403, True)


@pytest.mark.parametrize("email", ["", "x", "kim example@a.example", "k<b>@a.example", "k\u202e@a", None, 7])
async def test_what_is_no_login_becomes_none(stage: Stage, email: Any) -> None:
    stage.there.changed["email"] = email

    _, answer = await sign_in(stage)

    assert (answer.status_code, WORDS["login"] in answer.text) == (403, True)


async def test_an_answer_is_good_once_and_for_the_browser_that_began(stage: Stage) -> None:
    browser = stage.browser()
    begun = await browser.get("/sso")
    kept = dict(browser.client.cookies)
    async with httpx.AsyncClient() as person:
        said = await person.get(begun.headers["location"])
    back = said.headers["location"].removeprefix(BASE)
    stranger = stage.browser()
    without = await stranger.get(back)
    first = await browser.get(back)
    replayed = stage.browser()
    replayed.client.cookies.update(kept)
    again = await replayed.get(back)

    assert (without.status_code, first.status_code, again.status_code) == (403, 303, 403)
    assert WORDS["state"] in without.text
    assert WORDS["state"] in again.text, "not even the provider is asked"
    assert (await replayed.get("/board")).status_code == 303


async def test_a_code_that_was_used_elsewhere_is_refused_by_the_provider_and_here(stage: Stage) -> None:
    browser = stage.browser()
    back = await at_the_provider(browser)
    stage.there.codes.clear()

    answer = await browser.get(back)

    assert (answer.status_code, WORDS["code"] in answer.text) == (403, True)


async def test_a_code_of_somebody_elses_sign_in_does_not_fit_this_one(stage: Stage) -> None:
    victim, attacker = stage.browser(), stage.browser()
    theirs = parse_qs(urlsplit(await at_the_provider(attacker)).query)["code"][0]
    own = await at_the_provider(victim)
    mine = parse_qs(urlsplit(own).query)["code"][0]

    answer = await victim.get(own.replace(mine, theirs))

    assert (answer.status_code, WORDS["code"] in answer.text) == (403, True)


@pytest.mark.parametrize("change", ["state=x", "code=", "error=access_denied", "drop"])
async def test_an_answer_that_was_changed_on_the_way_is_refused(stage: Stage, change: str) -> None:
    browser = stage.browser()
    back = await at_the_provider(browser)
    name = change.partition("=")[0]
    changed = re.sub(r"(?<=[?&])(state|code)=[^&]*", lambda m: change if m[1] == name else m[0], back)
    path = "/sso/back" if change == "drop" else changed + ("&error=<b>" if name == "error" else "")

    answer = await browser.get(path)

    assert answer.status_code == 403
    assert "<b>" not in answer.text


async def test_a_sign_in_that_takes_too_long_begins_again(stage: Stage) -> None:
    browser = stage.browser()
    back = await at_the_provider(browser)
    stage.now += timedelta(minutes=11)

    assert (await browser.get(back)).status_code == 403


# ---------------------------------------------------------------------------- keys, outages, set-up


async def test_a_new_key_is_read_once_and_unknown_ones_are_not_asked_for_again_and_again(
    stage: Stage,
) -> None:
    await sign_in(stage)
    stage.there.rotate()
    stage.now += timedelta(minutes=2)
    _, answer = await sign_in(stage)
    assert (answer.status_code, stage.there.read["/keys"]) == (303, 2)

    stage.there.header["kid"] = "nobody"
    for _ in range(3):
        assert (await sign_in(stage))[1].status_code == 403

    assert stage.there.read["/keys"] == 2, "not within a minute of the last time"
    assert stage.there.read["/.well-known/openid-configuration"] == 1


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "http://evil.example/keys"},
    ],
)
async def test_a_provider_that_says_something_else_of_itself_is_not_used(
    stage: Stage, document: dict[str, Any]
) -> None:
    stage.there.document |= document

    answer = await stage.browser().get("/sso")

    assert answer.status_code == 503
    assert "sign in with a password" in answer.text


async def test_without_a_provider_there_is_no_such_page_and_with_one_passwords_work(
    stage: Stage, casebook: Casebook, tmp_path: Path
) -> None:
    alone = Browser(desk_app(house_over(casebook, tmp_path)), casebook)

    assert {(await alone.get(path)).status_code for path in ("/sso", "/sso/back")} == {404}
    assert "Sign in with Customs" not in (await alone.get("/login")).text
    assert 'href="/sso?then=/cases"' in (await stage.browser().get("/login?then=/cases")).text
    assert (await log_in(stage.browser(), "officer", PASSWORD)).status_code == 303


async def test_signing_out_leads_to_the_providers_own_end_of_a_session(stage: Stage) -> None:
    browser, _ = await sign_in(stage)
    page = await browser.get("/board")
    token = re.search(r'name="csrf" value="([\w-]+)"', page.text)
    assert token

    out = await browser.post("/logout", {"csrf": token[1]})
    shown = (await browser.get(out.headers["location"])).text

    assert (await browser.get("/board")).status_code == 303
    assert f'href="{stage.there.issuer}/logout?client_id=takin&amp;post_logout_redirect_uri=' in shown
    with stage.casebook.read() as tx:
        assert tx.execute(desk_tables.session.select()).all() == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"roles": []}, "roles"),
        ({"issuer": "http://login.example.org"}, "https address"),
        ({"issuer": "https://login.example.org?x=1"}, "https address"),
        ({"scopes": ["email"]}, "scopes must have openid"),
        ({"roles": [{"claim": "g", "value": "v", "role": "root"}]}, "roles.0.role"),
        ({"roles": [{"claim": "g", "value": "v", "role": "platform"}]}, "platform is named"),
        ({"roles": [{"claim": "g", "value": "v", "role": "officer", "platform": "m"}]}, "platform is named"),
        ({"client_secret": "plain"}, "client_secret"),
        ({"admin": True}, "admin"),
    ],
)
def test_a_file_that_is_wrong_is_refused_naming_the_field(
    tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    good = {"issuer": "https://login.example.org", "client_id": "takin", "roles": [dict(RULES[0])]}
    file = tmp_path / "sso.yaml"
    file.write_text(yaml.safe_dump(good))
    assert load_sso(file).roles[0].role == "officer"
    file.write_text(yaml.safe_dump({**good, **wrong}))

    with pytest.raises(OperatorError, match=re.escape(says)):
        load_sso(file)


def test_the_secret_is_read_from_where_the_file_points(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3\n")
    config = SsoConfig(issuer="https://a.example", client_id="x", roles=(RoleRule(**RULES[0]),))

    assert client_secret(config) is None
    for reference in ("env:S", f"file:{tmp_path / 'secret'}"):
        found = client_secret(config.model_copy(update={"client_secret": reference}), {"S": "s3"})
        assert found is not None
        assert found.get_secret_value() == "s3"
    for reference in ("env:NONE", "file:/nowhere"):
        with pytest.raises(OperatorError):
            client_secret(config.model_copy(update={"client_secret": reference}), {})
    with pytest.raises(ValidationError):
        SsoConfig(issuer="https://a.example", client_id="x", roles=())
