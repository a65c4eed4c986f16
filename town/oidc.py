"""An OpenID provider: https://openid.net/specs/openid-connect-core-1_0.html (authorization code flow with PKCE, RFC 7636).

It refuses what providers refuse: an unknown client, an address to return to that was not registered to the letter, a code used
twice, late or by another client, a verifier that does not fit. Tokens are RS256, keys at `jwks_uri`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from town.http import Request, Response, Stand, answer

if TYPE_CHECKING:
    from town.server import Town

CODE_SECONDS = 60.0  # RFC 6749 section 4.1.2 recommends at most ten minutes; most providers give one
SIGNS = {"openid", "email", "profile", "groups"}


@dataclass(frozen=True)
class Grant:
    """A code that was given out, and what it may be changed for."""

    sub: str
    redirect: str
    nonce: str
    challenge: str
    scopes: frozenset[str]
    ends: float


@dataclass
class Person:
    """Somebody who can log in here."""

    email: str
    name: str
    groups: list[str] = field(default_factory=list)
    email_verified: bool = True


class Oidc(Stand):
    """Discovery, keys, the page people log in on, and the token endpoint. `client`: (id, secret); `returns`: registered addresses."""

    name = "oidc"
    client = ("town-earmark", "town-oidc-secret")

    def __init__(self, town: Town) -> None:
        super().__init__(town)
        self.people = {
            "u-ann": Person("ann@northbank.example", "Ann Archer", ["cx-leads"]),
            "u-bob": Person("bob@northbank.example", "Bob Byrne", ["cx"]),
            "u-eve": Person("eve@elsewhere.example", "Eve", []),
            "u-mal": Person("ann@northbank.example", "Mallory", ["cx-leads"], email_verified=False),
        }
        self.returns: set[str] = set()
        self.lies: dict[str, Any] = {}  # claims put over the true ones, for tests of the other side
        self.grants: dict[str, Grant] = {}
        self.shown: RSAKey | None = None  # a key published in place of the one that signs
        self.key = RSAKey.generate_key(2048, parameters={"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})

    def handle(self, request: Request) -> Response:
        host = request.headers.get("Host", "127.0.0.1")
        doors = {
            ("GET", "/.well-known/openid-configuration"): self._discovery,
            ("GET", "/jwks"): self._keys,
            ("GET", "/authorize"): self._ask,
            ("POST", "/authorize"): self._agree,
            ("POST", "/token"): self._token,
        }
        found = doors.get((request.method, request.path))
        return found(request, f"http://{host}") if found else self.refuse(404)

    def turn_key(self) -> None:
        """The provider changes its key, as providers do; old tokens no longer verify."""
        self.key = RSAKey.generate_key(2048, parameters={"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})

    def _discovery(self, request: Request, issuer: str) -> Response:
        return answer(
            {
                "issuer": issuer,
                "authorization_endpoint": issuer + "/authorize",
                "token_endpoint": issuer + "/token",
                "jwks_uri": issuer + "/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": sorted(SIGNS),
            }
        )

    def _keys(self, request: Request, issuer: str) -> Response:
        return answer({"keys": [(self.shown or self.key).as_dict(private=False)]})

    def _wrong(self, asked: dict[str, str]) -> str:
        """Why this request is shown to the person instead of being sent back (RFC 6749 section 4.1.2.1)."""
        if asked.get("client_id") != self.client[0]:
            return "unknown client"
        if asked.get("redirect_uri") not in self.returns:
            return "redirect_uri was not registered"
        return ""

    def _ask(self, request: Request, issuer: str) -> Response:
        """The page on which a person says who they are."""
        asked = request.query
        if wrong := self._wrong(asked):
            return Response(400, f"<h1>{wrong}</h1>".encode(), {"Content-Type": "text/html"})
        if error := _refused(asked):
            return _back(asked, error=error)
        inputs = "".join(f'<input type="hidden" name="{k}" value="{html.escape(v)}">' for k, v in asked.items())
        buttons = "".join(
            f'<button name="sub" value="{sub}">{html.escape(one.name)}</button>' for sub, one in self.people.items()
        )
        body = f"<!doctype html><title>Northbank login</title><h1>Who are you?</h1><form method=post action=/authorize>{inputs}{buttons}</form>"
        return Response(200, body.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def _agree(self, request: Request, issuer: str) -> Response:
        asked = {k: v[-1] for k, v in parse_qs(request.body.decode()).items()}
        if wrong := self._wrong(asked):
            return Response(400, wrong.encode())
        if asked.get("sub") not in self.people:
            return _back(asked, error="access_denied")
        code = secrets.token_urlsafe(16)
        with self.town.lock:
            self.grants[code] = Grant(
                asked["sub"],
                asked["redirect_uri"],
                asked.get("nonce", ""),
                asked["code_challenge"],
                frozenset(asked["scope"].split()),
                time.time() + CODE_SECONDS,
            )
        return _back(asked, code=code)

    def _token(self, request: Request, issuer: str) -> Response:
        if not self._known(request.headers.get("Authorization", "")):
            return answer({"error": "invalid_client"}, 401, WWW_Authenticate="Basic")
        form = {k: v[-1] for k, v in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != "authorization_code":
            return answer({"error": "unsupported_grant_type"}, 400)
        with self.town.lock:
            grant = self.grants.pop(form.get("code", ""), None)
        if grant is None or grant.ends < time.time() or form.get("redirect_uri") != grant.redirect:
            return answer({"error": "invalid_grant"}, 400)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if not hmac.compare_digest(proof.decode(), grant.challenge):
            return answer({"error": "invalid_grant", "error_description": "code_verifier"}, 400)
        now = int(time.time())
        claims = {"iss": issuer, "sub": grant.sub, "aud": self.client[0], "iat": now, "exp": now + 300}
        claims |= {"nonce": grant.nonce} if grant.nonce else {}
        claims |= self._about(grant)
        token = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims | self.lies, self.key)
        return answer(
            {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300, "id_token": token},
            Cache_Control="no-store",
        )

    def _about(self, grant: Grant) -> dict[str, Any]:
        one, claims = self.people[grant.sub], {}
        if "email" in grant.scopes:
            claims |= {"email": one.email, "email_verified": one.email_verified}
        if "profile" in grant.scopes:
            claims |= {"name": one.name}
        if "groups" in grant.scopes:
            claims |= {"groups": one.groups}
        return claims

    def _known(self, header: str) -> bool:
        """client_secret_basic: both halves are form-encoded before base64 (RFC 6749 section 2.3.1)."""
        kind, _, value = header.partition(" ")
        try:
            name, _, secret = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return False
        return kind.lower() == "basic" and (unquote(name), unquote(secret)) == self.client


def _refused(asked: dict[str, str]) -> str:
    """The error a provider sends back to the application."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if "openid" not in asked.get("scope", "").split() or set(asked["scope"].split()) - SIGNS:
        return "invalid_scope"
    if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
        return "invalid_request"
    return ""


def _back(asked: dict[str, str], **told: str) -> Response:
    told |= {"state": asked["state"]} if asked.get("state") else {}
    mark = "&" if urlsplit(asked["redirect_uri"]).query else "?"
    return Response(302, b"", {"Location": asked["redirect_uri"] + mark + urlencode(told)})
