"""The OpenID provider of the town, driven by authlib's own client: what it refuses, and that its tokens verify."""

import re
from collections.abc import Iterator

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

from town.http import PlatformServer
from town.oidc import Oidc
from town.server import Town

BACK = "http://127.0.0.1:9/done"


@pytest.fixture(scope="module")
def stand() -> Iterator[tuple[Oidc, str]]:
    with Town() as town:
        stand = Oidc(town)
        stand.returns.add(BACK)
        server = PlatformServer(town, stand, 0)
        server.start()
        yield stand, f"http://127.0.0.1:{server.server_address[1]}"
        server.stop()


def client(secret: str = "", **more: str) -> OAuth2Session:
    name, known = Oidc.client
    return OAuth2Session(
        name, secret or known, scope="openid email groups", redirect_uri=BACK, code_challenge_method="S256", **more
    )


def agree(address: str, url: str, sub: str = "u-ann") -> str:
    """Log in as a browser would; the address the provider leads back to."""
    page = requests.get(url, timeout=5)
    assert page.status_code == 200, page.text
    fields = dict(re.findall(r'name="([\w]+)" value="([^"]*)">', page.text.split("<button")[0]))
    answer = requests.post(address + "/authorize", data={**fields, "sub": sub}, allow_redirects=False, timeout=5)
    assert answer.status_code == 302
    return answer.headers["location"]


def test_the_code_flow_by_a_client_of_others(stand: tuple[Oidc, str]) -> None:
    provider, address = stand
    told = requests.get(address + "/.well-known/openid-configuration", timeout=5).json()
    session, verifier = client(), "v" * 48
    url, state = session.create_authorization_url(told["authorization_endpoint"], nonce="n-1", code_verifier=verifier)
    back = agree(address, url)
    assert f"state={state}" in back
    token = session.fetch_token(told["token_endpoint"], authorization_response=back, code_verifier=verifier)
    keys = KeySet.import_key_set(requests.get(told["jwks_uri"], timeout=5).json())
    claims = jwt.decode(token["id_token"], keys).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (told["issuer"], provider.client[0], "n-1")
    assert (claims["email"], claims["email_verified"], claims["groups"]) == (
        "ann@northbank.example",
        True,
        ["cx-leads"],
    )
    assert "name" not in claims  # the scope was not asked for


def grant(address: str, session: OAuth2Session, verifier: str = "v" * 48) -> str:
    url, _ = session.create_authorization_url(address + "/authorize", code_verifier=verifier)
    return agree(address, url)


@pytest.mark.parametrize(
    ("secret", "verifier", "twice"), [("wrong", "v" * 48, False), ("", "x" * 48, False), ("", "v" * 48, True)]
)
def test_a_code_is_good_once_for_its_own_client_and_verifier(
    stand: tuple[Oidc, str], secret: str, verifier: str, twice: bool
) -> None:
    _, address = stand
    back = grant(address, client())
    session = client(secret)
    if twice:
        session.fetch_token(address + "/token", authorization_response=back, code_verifier=verifier)
    with pytest.raises(Exception, match=r"invalid_(client|grant)"):
        session.fetch_token(address + "/token", authorization_response=back, code_verifier=verifier)


def test_an_address_that_was_not_registered_is_never_led_to(stand: tuple[Oidc, str]) -> None:
    _, address = stand
    session = OAuth2Session(Oidc.client[0], "x", scope="openid", redirect_uri=BACK + "/", code_challenge_method="S256")
    url, _ = session.create_authorization_url(address + "/authorize", code_verifier="v" * 48)
    answer = requests.get(url, allow_redirects=False, timeout=5)
    assert (answer.status_code, answer.headers.get("location")) == (400, None)


def test_without_proof_of_the_client_there_is_no_code(stand: tuple[Oidc, str]) -> None:
    _, address = stand
    session = OAuth2Session(Oidc.client[0], "x", scope="openid", redirect_uri=BACK)
    url, _ = session.create_authorization_url(address + "/authorize")
    answer = requests.get(url, allow_redirects=False, timeout=5)
    assert "error=invalid_request" in answer.headers["location"]
