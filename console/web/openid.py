"""Logging in through an OpenID provider: the way there, the code changed for a token, the token checked.

Authorization code flow with PKCE (https://openid.net/specs/openid-connect-core-1_0.html section 3.1, RFC 7636). Claims and
signatures are checked by authlib and joserfc; every request leaves by the guarded client.
"""

import base64
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from config.models import OpenId
from connectors.contract import Context
from connectors.http import Answer, Client
from domain.said import Said
from storage.logins import Vouched

WAY = 600  # seconds from leaving for the provider to coming back
KEEP = 3600.0  # seconds a provider's own description is believed
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY = 60  # seconds two clocks may differ


class Refused(Exception):
    """The provider, or what it said, cannot be used; the message is for the person at the door."""


@dataclass(frozen=True, slots=True)
class Way:
    """What this browser took along to the provider, and must bring back."""

    state: str
    nonce: str
    verifier: str
    next: str
    ends: float

    @classmethod
    def new(cls, next: str) -> "Way":
        return cls(
            secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), next, time.time() + WAY
        )

    def sealed(self, secret: bytes) -> str:
        """For the cookie: readable by its own browser, changed by nobody."""
        body = base64.urlsafe_b64encode(
            json.dumps([self.state, self.nonce, self.verifier, self.next, self.ends]).encode()
        ).decode()
        return f"{body}.{_seal(secret, body)}"

    @classmethod
    def opened(cls, secret: bytes, cookie: str) -> "Way":
        body, _, seal = cookie.rpartition(".")
        if not body or not hmac.compare_digest(seal.encode(), _seal(secret, body).encode()):
            raise Refused("This login was not begun in this browser. Begin it again.")
        way = cls(*json.loads(base64.urlsafe_b64decode(body)))
        if way.ends < time.time():
            raise Refused("The login took too long. Begin it again.")
        return way


def _seal(secret: bytes, body: str) -> str:
    return hmac.new(secret, f"openid|{body}".encode(), sha256).hexdigest()


class Provider:
    """One provider as configured. Its description and keys are fetched on first use and kept for an hour."""

    def __init__(self, settings: OpenId, secret: str, allow_hosts: frozenset[str]) -> None:
        self.settings, self.secret = settings, secret
        context = Context(
            now=lambda: datetime.now(UTC),
            secret=lambda _: "",
            allow_hosts=allow_hosts,
            deadline=10.0,
            max_bytes=500_000,
        )
        self.client = Client(context, [settings.issuer])
        self._told: tuple[float, dict[str, Any]] | None = None
        self._keys: Any = None

    def leave(self, way: Way, back: str) -> str:
        """The provider's address to send the browser to. `back`: our own, as registered there."""
        settings = self.settings
        scope = ["openid", "email", "profile", *(["groups"] if self._offers("groups") else [])]
        challenge = base64.urlsafe_b64encode(sha256(way.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": back,
            "scope": " ".join(scope),
            "state": way.state,
            "nonce": way.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        place = self._place("authorization_endpoint")
        return place + ("&" if "?" in place else "?") + urlencode(query)

    def arrive(self, way: Way, query: Mapping[str, str], back: str) -> Vouched:
        """Who came back. Raises Refused for a login not begun here, denied there, or vouched for by no valid token."""
        if not hmac.compare_digest(query.get("state", "").encode(), way.state.encode()):
            raise Refused("This login was not begun in this browser. Begin it again.")
        if "error" in query:
            raise Refused(Said("The provider says: %(error)s.", error=query["error"][:80]))
        if query.get("iss", self.settings.issuer) != self.settings.issuer:  # RFC 9207: an answer of another provider
            raise Refused("Another provider answered than was asked.")
        form = {
            "grant_type": "authorization_code",
            "code": query.get("code", ""),
            "redirect_uri": back,
            "code_verifier": way.verifier,
        }
        pair = f"{quote(self.settings.client_id, safe='')}:{quote(self.secret, safe='')}"
        answer = self._ask(
            "POST",
            self._place("token_endpoint"),
            {
                "authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                "content-type": "application/x-www-form-urlencoded",
            },
            urlencode(form),
        )
        token = _object(answer).get("id_token")
        if answer.status != 200 or not isinstance(token, str):
            raise Refused("The provider did not change the code for a token. Begin the login again.")
        return self._vouched(self._claims(token, way.nonce))

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc import errors, jwt

        settings = self.settings
        for fresh in (False, True):  # a key we do not know yet: the provider may have changed it
            try:
                found = jwt.decode(token, self._key_set(fresh=fresh), algorithms=ALGORITHMS)
                claims = CodeIDToken(
                    found.claims,
                    found.header,
                    {
                        "iss": {"essential": True, "value": settings.issuer},
                        "aud": {"essential": True, "value": settings.client_id},
                    },
                    {"nonce": nonce, "client_id": settings.client_id},
                )
                claims.validate(leeway=LEEWAY)
            except (
                errors.BadSignatureError,
                errors.InvalidKeyIdError,
                errors.KeyParameterError,
                ValueError,
            ) as problem:
                if fresh or isinstance(problem, errors.ClaimError):
                    raise Refused("The provider's token cannot be verified.") from problem
            except errors.JoseError as problem:
                raise Refused(
                    Said("The provider's token is not for this login (%(why)s).", why=problem.error)
                ) from problem
            else:
                return dict(claims)
        raise AssertionError

    def _vouched(self, claims: dict[str, Any]) -> Vouched:
        settings = self.settings
        groups = claims.get(settings.groups_claim, [])
        names = {str(one) for one in groups} if isinstance(groups, list) else {str(groups)}
        role = next((role for group, role in settings.roles.items() if group in names), settings.default_role)
        return Vouched(
            issuer=settings.issuer,
            subject=str(claims["sub"]),
            email=str(claims.get("email", "")),
            email_verified=claims.get("email_verified") is True,
            name=str(claims.get("name", "")),
            role=role,
            governed=bool(settings.roles),
        )

    def _description(self) -> dict[str, Any]:
        if self._told is None or self._told[0] < time.monotonic():
            answer = self._ask("GET", self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
            told = _object(answer)
            if answer.status != 200 or told.get("issuer") != self.settings.issuer:
                raise Refused("The provider does not describe itself under its own name; see settings.login.openid.")
            self._told = (time.monotonic() + KEEP, told)
        return self._told[1]

    def _place(self, name: str) -> str:
        place = self._description().get(name)
        if not isinstance(place, str):
            raise Refused(Said("The provider names no %(name)s.", name=name))
        return place

    def _offers(self, scope: str) -> bool:
        return bool(self.settings.roles) and scope in (self._description().get("scopes_supported") or [])

    def _key_set(self, *, fresh: bool) -> Any:
        from joserfc.jwk import KeySet

        if self._keys is None or fresh:
            self._keys = KeySet.import_key_set(_object(self._ask("GET", self._place("jwks_uri"))))  # type: ignore[arg-type]
        return self._keys

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: str | None = None) -> Answer:
        from connectors.errors import ConnectorError

        try:
            return self.client.request(method, url, {"accept": "application/json", **(headers or {})}, body)
        except ConnectorError as problem:
            raise Refused(Said("The provider does not answer: %(why)s.", why=str(problem))) from problem


def _object(answer: Answer) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}
