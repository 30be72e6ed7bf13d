"""A strict OpenID provider on loopback, over real HTTP: it refuses what OpenID Connect does not allow.

After OpenID Connect Core and Discovery 1.0, RFC 6749, RFC 7636 (PKCE) and RFC 9207. What it gives can be
made wrong in one way at a time, for tests of who must not be let in.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT = "takin"
SECRET = "a secret: with/odd characters"
PERSON: Mapping[str, Any] = {
    "sub": "person-17",
    "email": "kim@customs.example",
    "email_verified": True,
    "name": "Kim Example",
    "groups": ["staff", "wildlife-officers"],
}


@dataclass
class OpenIdProvider:
    """The provider, with one person who says yes to everything."""

    redirect_uri: str
    now: Any
    """Its clock."""
    issuer: str = ""
    """Set when it is served."""
    person: dict[str, Any] = field(default_factory=lambda: dict(PERSON))
    changed: dict[str, Any] = field(default_factory=dict)
    """Claims that the ID token has instead; ``None`` leaves one out."""
    header: dict[str, Any] = field(default_factory=dict)
    says_issuer: str | None = None
    """What it says of itself when it sends the browser back; absent: the truth; empty: nothing."""
    document: dict[str, Any] = field(default_factory=dict)
    """What its discovery document says instead."""
    sign_with: Any = None
    published: list[Any] = field(default_factory=list)
    broken_rules: list[str] = field(default_factory=list)
    read: dict[str, int] = field(default_factory=dict)
    """How often each address was asked."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = self.new_key()
        self.published = [self.key]

    @staticmethod
    def new_key() -> ECKey:
        """A key with an id."""
        return ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig"}, auto_kid=False)

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one is published no longer."""
        self.key = self.new_key()
        self.published = [self.key]

    def app(self) -> Starlette:
        """To be served."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    def _count(self, request: Request) -> None:
        self.read[request.url.path] = self.read.get(request.url.path, 0) + 1

    async def _discovery(self, request: Request) -> Response:
        self._count(request)
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "end_session_endpoint": f"{self.issuer}/logout",
                "authorization_response_iss_parameter_supported": True,
                **self.document,
            }
        )

    async def _keys(self, request: Request) -> Response:
        self._count(request)
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.published]})

    def _rule(self, holds: bool, rule: str) -> None:
        if not holds:
            self.broken_rules.append(rule)

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self._rule(asked.get("client_id") == CLIENT, "client_id")
        self._rule(asked.get("redirect_uri") == self.redirect_uri, "redirect_uri is the registered one")
        self._rule(asked.get("response_type") == "code", "response_type")
        self._rule("openid" in asked.get("scope", "").split(), "scope has openid")
        self._rule(len(asked.get("state", "")) >= 32, "state that nobody guesses")
        self._rule(len(asked.get("nonce", "")) >= 32, "nonce that nobody guesses")
        self._rule(asked.get("code_challenge_method") == "S256", "S256")
        self._rule(len(asked.get("code_challenge", "")) == 43, "a challenge of SHA-256")
        if self.broken_rules:
            return Response("; ".join(self.broken_rules), 400)
        code = secrets.token_urlsafe(24)
        self.codes[code] = {name: asked[name] for name in ("nonce", "code_challenge", "redirect_uri")}
        back = {"code": code, "state": asked["state"]}
        said = self.issuer if self.says_issuer is None else self.says_issuer
        if said:
            back["iss"] = said
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(back)}", 302)

    async def _token(self, request: Request) -> Response:
        self._count(request)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        client, _, secret = base64.b64decode(pair or "").decode().partition(":")
        if (scheme, unquote(client), unquote(secret)) != ("Basic", CLIENT, SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        begun = self.codes.pop(form.get("code", ""), None)  # A code is good once.
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        right = (
            begun is not None
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == begun["redirect_uri"]
            and base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == begun["code_challenge"]
        )
        if begun is None or not right:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = self.id_token(begun["nonce"])
        return JSONResponse({"access_token": "unused", "token_type": "Bearer", "id_token": token})

    def id_token(self, nonce: str) -> str:
        """What it says of the person."""
        at = int(self.now().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "nonce": nonce, "iat": at, "exp": at + 300}
        claims = {**claims, **self.person, **self.changed}
        kept = {name: value for name, value in claims.items() if value is not None}
        key = self.sign_with or self.key
        header = {"alg": _algorithm(key), "kid": self.key.kid, **self.header}
        if header["alg"] == "none":
            parts = (_part(header), _part(kept), b"")
            return b".".join(parts).decode()
        return jwt.encode(header, kept, key, algorithms=["ES256", "RS256", "HS256"])


def _algorithm(key: Any) -> str:
    named: dict[type, str] = {RSAKey: "RS256", OctKey: "HS256"}
    return named.get(type(key), "ES256")


def _part(value: Mapping[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
